//! Response flags (`source/common/stream_info/utility.h`).

use std::fmt;

/// Declares the flags, each with its short name.
macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $short:literal,)+) => {
        /// One of Envoy's response flags.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Flag { $($(#[$doc])* $name,)+ }

        impl Flag {
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            /// The short name, as access logs print it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $short,)+ }
            }
        }
    };
}

flags! {
    /// No endpoint of the cluster is healthy, or it has none.
    NoHealthyUpstream = "UH",
    /// The response took longer than the route allows.
    UpstreamRequestTimeout = "UT",
    /// The proxy reset the stream.
    LocalReset = "LR",
    /// The upstream reset the stream.
    UpstreamRemoteReset = "UR",
    /// Connecting upstream failed.
    UpstreamConnectionFailure = "UF",
    /// The upstream closed the connection.
    UpstreamConnectionTermination = "UC",
    /// The cluster has as much to do as it may.
    UpstreamOverflow = "UO",
    /// No route, or no filter chain.
    NoRouteFound = "NR",
    /// The downstream closed the connection.
    DownstreamConnectionTermination = "DC",
    /// The request was tried as often as it may be.
    UpstreamRetryLimitExceeded = "URX",
    /// Nothing moved for as long as the idle timeout.
    StreamIdleTimeout = "SI",
    /// The downstream did not speak the protocol.
    DownstreamProtocolError = "DPE",
    /// The connection or stream was as long as it may be.
    DurationTimeout = "DT",
    /// The upstream did not speak the protocol.
    UpstreamProtocolError = "UPE",
    /// The cluster is not there.
    NoClusterFound = "NC",
    /// The downstream reset the stream.
    DownstreamRemoteReset = "DR",
}

impl Flag {
    /// The flag of that short name, if it is one that this proxy sets.
    pub fn parse(short: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flag| flag.as_str() == short)
    }
}

/// Response flags, each once, in the order that they were set in. Prints as access logs have it: short names with commas
/// between, or `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags([Option<Flag>; 4]);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self([None; 4]);

    /// The flags that a log prints, such as `UF,URX`. Those that are not known here are left out.
    pub fn read(logged: &str) -> Self {
        logged.split(',').filter_map(Flag::parse).fold(Self::NONE, Self::with)
    }

    /// These and one more. More than four never come together; a fifth would be left out.
    #[must_use]
    pub fn with(mut self, flag: Flag) -> Self {
        if !self.contains(flag)
            && let Some(free) = self.0.iter_mut().find(|slot| slot.is_none())
        {
            *free = Some(flag);
        }
        self
    }

    /// These, and then those of the other that are not among them.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        other.0.into_iter().flatten().fold(self, Self::with)
    }

    /// Whether that one is in.
    pub fn contains(self, flag: Flag) -> bool {
        self.0.contains(&Some(flag))
    }

    /// Whether there is none.
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
