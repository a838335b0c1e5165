//! Envoy's listener and filter-chain matching, as a pure function.
//!
//! The data plane runs it for each connection, the prediction to say beforehand what the data plane will do. The
//! algorithm is Envoy's, branch for branch (`source/common/listener_manager/filter_chain_manager_impl.cc`,
//! `source/common/listener_manager/connection_handler_impl.cc`); what each function does there is said beside it here.

mod build;
mod connection;
mod listeners;
mod predicate;
mod prefixes;
mod table;

pub use build::BuildError;
pub use connection::{Connection, Transport};
pub use listeners::ListenerTable;
pub use predicate::disabled;
pub use table::{ChainTable, Match, Stage};

#[cfg(test)]
mod testing;
