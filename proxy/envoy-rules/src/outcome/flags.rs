//! Response flags (`source/common/stream_info/utility.h`).

use std::fmt;

/// Declares the flags, each with its short name.
macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $short:literal,)+) => {
        /// A response flag.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Flag { $($(#[$doc])* $name,)+ }

        impl Flag {
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            /// The short name, as in access logs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $short,)+ }
            }
        }
    };
}

flags! {
    /// The cluster has no healthy endpoint.
    NoHealthyUpstream = "UH",
    /// The response exceeded the route's timeout.
    UpstreamRequestTimeout = "UT",
    /// The proxy reset the stream.
    LocalReset = "LR",
    /// The upstream reset the stream.
    UpstreamRemoteReset = "UR",
    /// Connecting upstream failed.
    UpstreamConnectionFailure = "UF",
    /// The upstream closed the connection.
    UpstreamConnectionTermination = "UC",
    /// A circuit breaker of the cluster is open.
    UpstreamOverflow = "UO",
    /// No route or filter chain matches.
    NoRouteFound = "NR",
    /// The downstream closed the connection.
    DownstreamConnectionTermination = "DC",
    /// All attempts have been used up.
    UpstreamRetryLimitExceeded = "URX",
    /// An idle timeout expired.
    StreamIdleTimeout = "SI",
    /// The downstream violated the protocol.
    DownstreamProtocolError = "DPE",
    /// A fault delayed it.
    DelayInjected = "DI",
    /// A fault answered it.
    FaultInjected = "FI",
    /// The maximum duration was exceeded.
    DurationTimeout = "DT",
    /// The upstream violated the protocol.
    UpstreamProtocolError = "UPE",
    /// The cluster does not exist.
    NoClusterFound = "NC",
    /// The downstream reset the stream.
    DownstreamRemoteReset = "DR",
}

impl Flag {
    /// The flag with this short name, if this proxy supports it.
    pub fn parse(short: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flag| flag.as_str() == short)
    }
}

/// A set of response flags, in the order in which they were set. Formatted as in access logs: short names separated by commas,
/// or `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags([Option<Flag>; 4]);

impl Flags {
    /// The empty set.
    pub const NONE: Self = Self([None; 4]);

    /// Parses the flags in a log entry, such as `UF,URX`. Unknown flags are ignored.
    pub fn read(logged: &str) -> Self {
        logged.split(',').filter_map(Flag::parse).fold(Self::NONE, Self::with)
    }

    /// Adds a flag. A fifth flag would be dropped, but at most four are ever combined.
    #[must_use]
    pub fn with(mut self, flag: Flag) -> Self {
        if !self.contains(flag)
            && let Some(free) = self.0.iter_mut().find(|slot| slot.is_none())
        {
            *free = Some(flag);
        }
        self
    }

    /// Adds the flags of another set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        other.0.into_iter().flatten().fold(self, Self::with)
    }

    /// Whether the flag is set.
    pub fn contains(self, flag: Flag) -> bool {
        self.0.contains(&Some(flag))
    }

    /// Whether no flag is set.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

impl From<Flag> for Flags {
    fn from(flag: Flag) -> Self {
        Self::NONE.with(flag)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        let mut separator = "";
        for flag in self.0.iter().flatten() {
            write!(f, "{separator}{}", flag.as_str())?;
            separator = ",";
        }
        Ok(())
    }
}
