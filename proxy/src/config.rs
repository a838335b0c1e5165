//! Configuration: files read, checked, built into what connections use, and watched.
//!
//! Envoy's rules: a file that is *moved* into place is loaded, a write in place is not noticed; a file that is refused
//! leaves everything as it was. At start, other than Envoy, a refused file ends the program.

mod builder;
mod error;
mod files;
mod invalid;
mod manager;
mod watch;

pub use builder::Builder;
pub use error::ConfigError;
pub(crate) use invalid::{At, require_ip};
pub use invalid::{Fault, Invalid};
pub use manager::{Manager, Shared};
