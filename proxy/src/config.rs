//! Configuration: reading, validating and watching files.
//!
//! As in Envoy, a file that is *moved* into place is loaded, while writing in place is not noticed, and an invalid file leaves
//! everything unchanged. Unlike in Envoy, an invalid file at startup is fatal.

mod builder;
mod error;
mod files;
mod manager;
mod watch;

pub use builder::Builder;
pub(crate) use error::{At, require_ip};
pub use error::{ConfigError, Fault, Invalid};
pub use manager::{Manager, Shared};
