//! Both data planes get the same bytes, and have to do the same: the native one and the real Envoy, each with the same
//! bootstrap, on loopback. What each row came to is compared as text; a difference that is accepted stands in
//! `accepted.rows` with its reason, and any other fails, as does one that is there no more.

#![allow(
    clippy::disallowed_methods,
    reason = "rows say when bytes come: a pause between two parts is a part of the case"
)]

#[path = "../data_plane/support/mod.rs"]
mod support;

mod compare;
mod http1;
mod planes;
mod rows;
mod tls;
mod upstream;
mod wire;
