//! The programs, whole: what is compiled here once is not compiled again in each of their `main` functions.

pub mod apiserver;
pub mod client;
pub mod dns;
pub mod server;
pub mod webhook;
