//! Listeners: accepting connections, inspecting them, and choosing their filter chains.

mod accept;
mod accept_loop;
mod accept_stats;
mod chain;
mod inspect;
mod socket;
mod state;
mod transport;

pub use accept_loop::{Accept, spawn_accept_loop};
pub use accept_stats::AcceptStats;
pub use chain::{Chain, Terminal};
pub(crate) use inspect::{Opening, client_hello, http_version, opening, peek_client_hello};
pub use socket::bind;
pub use state::{Listener, Listeners};
pub use transport::TransportSocket;
