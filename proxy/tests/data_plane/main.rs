//! The data plane, through the running program.

mod admin;
mod http;
mod http2;
mod identity;
mod limits;
mod process;
mod reload;
mod support;
mod tcp;
