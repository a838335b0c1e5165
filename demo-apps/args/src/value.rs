//! Values of options that the client has, too.

use clap::ValueEnum;

/// TLS versions to offer or accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TlsVersion {
    /// 1.2 only.
    #[value(name = "1.2")]
    Tls12,
    /// 1.3 only.
    #[value(name = "1.3")]
    Tls13,
    /// 1.3 and 1.2.
    #[default]
    Both,
}
