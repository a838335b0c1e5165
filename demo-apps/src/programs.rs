//! The `main` functions of the programs, in the library so that they are compiled only once.

pub mod apiserver;
pub mod client;
pub mod dns;
pub mod server;
pub mod webhook;
