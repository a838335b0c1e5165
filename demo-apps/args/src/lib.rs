//! The command lines of `demo-server` and `demo-webhook`, as data.
//!
//! The programs parse their arguments into these types, and the prediction reads a container's arguments from a manifest with
//! the same types, so both know the same options. This crate opens no port or file, and implements no protocol.

mod bind;
pub mod duration;
mod protocol;
mod server;
#[cfg(test)]
mod tests;
mod value;

pub use bind::BindAddress;
pub use protocol::Protocol;
pub use server::{ServerArgs, WebhookArgs};
pub use value::TlsVersion;
