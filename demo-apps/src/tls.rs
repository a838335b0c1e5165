//! TLS of the programs, with rustls and aws-lc-rs.

mod certificate;
mod client;
mod files;
mod provider;
mod server;
mod session;

pub(crate) use certificate::facts_of;
pub(crate) use client::ClientTls;
#[cfg(test)]
pub(crate) use files::certificates;
pub(crate) use server::{Identity, ServerTlsSetup, facts_of_session};
pub(crate) use session::Session;
