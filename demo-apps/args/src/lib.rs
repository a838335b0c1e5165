//! The command lines of `demo-server` and `demo-webhook`, as data.
//!
//! The programs parse them, and a prediction reads out of a manifest what a server will do by the same types, so that neither knows
//! an option that the other does not. Nothing here opens a port or a file, and nothing of what the servers speak is here.

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
