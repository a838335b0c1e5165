//! Types that other messages share (`envoy.config.core.v3`, `google.protobuf`).

use std::{collections::BTreeMap, fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

/// `envoy.config.core.v3.Address`: a TCP socket address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The only supported kind of address.
    pub socket_address: SocketAddress,
}

impl Address {
    pub fn tcp(address: impl Into<String>, port: u16) -> Self {
        Self { socket_address: SocketAddress { address: address.into(), port_value: port, protocol: None } }
    }

    /// The IP address, unless it is a host name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_address.address.parse().ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SocketAddress { address, port_value, .. } = &self.socket_address;
        if address.contains(':') { write!(f, "[{address}]:{port_value}") } else { write!(f, "{address}:{port_value}") }
    }
}

/// `envoy.config.core.v3.SocketAddress`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketAddress {
    /// An IP address, or a host name in DNS clusters.
    pub address: String,
    /// TCP port; 0 in bind addresses means any free port.
    #[serde(default)]
    pub port_value: u16,
    /// TCP by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<SocketProtocol>,
}

/// `envoy.config.core.v3.SocketAddress.Protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SocketProtocol {
    /// The only supported protocol.
    Tcp,
}

/// `envoy.config.core.v3.CidrRange`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CidrRange {
    /// Address of the network.
    pub address_prefix: IpAddr,
    /// Length of the prefix in bits; 0 if unset.
    #[serde(default)]
    pub prefix_len: u8,
}

/// `envoy.type.v3.Int32Range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Int32Range {
    /// First value, inclusive.
    #[serde(default)]
    pub start: i32,
    /// Last value, exclusive.
    pub end: i32,
}

/// `envoy.config.core.v3.SocketOption`: a numeric socket option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketOption {
    /// Its purpose, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Level, as for `setsockopt(2)`.
    pub level: i32,
    /// Name, as for `setsockopt(2)`.
    pub name: i32,
    /// Value of the option.
    pub int_value: i32,
    /// When it is set; `STATE_PREBIND` by default.
    #[serde(default)]
    pub state: SocketState,
}

/// `envoy.config.core.v3.SocketOption.SocketState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SocketState {
    /// Before `bind(2)`.
    #[default]
    StatePrebind,
    /// After `bind(2)`, before `listen(2)` or `connect(2)`.
    StateBound,
    /// After `listen(2)`.
    StateListening,
}

/// `envoy.config.core.v3.DataSource`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataSource {
    /// Path of a file.
    Filename(PathBuf),
    /// Inline text (PEM).
    InlineString(String),
    /// Inline bytes in base64.
    InlineBytes(String),
}

impl fmt::Debug for DataSource {
    /// Omits inline data, which may be a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filename(path) => write!(f, "Filename({})", path.display()),
            Self::InlineString(s) => write!(f, "InlineString({} bytes)", s.len()),
            Self::InlineBytes(s) => write!(f, "InlineBytes({} characters)", s.len()),
        }
    }
}

/// `envoy.config.core.v3.ConfigSource`: a file with a `DiscoveryResponse`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigSource {
    /// The file and how it is watched.
    pub path_config_source: PathConfigSource,
    /// Must be `V3` if set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_api_version: Option<ApiVersion>,
}

impl ConfigSource {
    /// A file that is reloaded when it is replaced by a rename.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self {
            path_config_source: PathConfigSource { path: path.into(), watched_directory: None },
            resource_api_version: Some(ApiVersion::V3),
        }
    }
}

/// `envoy.config.core.v3.ApiVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ApiVersion {
    /// The only supported version.
    V3,
}

/// `envoy.config.core.v3.PathConfigSource`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathConfigSource {
    /// Path of the file. It is reloaded when it is replaced by a rename; writing to it in place is not noticed, as in Envoy.
    pub path: PathBuf,
    /// Directory to watch instead of the file's own, for symbolic links that are swapped as Kubernetes does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_directory: Option<WatchedDirectory>,
}

/// `envoy.config.core.v3.WatchedDirectory`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedDirectory {
    /// Path of the directory.
    pub path: PathBuf,
}

/// `envoy.type.matcher.v3.StringMatcher`. As in Envoy, one without a pattern is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StringMatcherFields", into = "StringMatcherFields")]
pub struct StringMatcher {
    /// The pattern to compare with.
    pub pattern: StringPattern,
    /// Whether the case of ASCII letters is ignored.
    pub ignore_case: bool,
}

/// `StringMatcher.match_pattern`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StringPattern {
    /// The whole string, which may be empty.
    Exact(String),
    /// A non-empty prefix.
    Prefix(String),
    /// A non-empty suffix.
    Suffix(String),
    /// A non-empty substring.
    Contains(String),
    /// A regular expression that the whole string matches.
    SafeRegex(RegexMatcher),
}

/// `envoy.type.matcher.v3.RegexMatcher`, with RE2, the one engine that there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegexMatcher {
    /// The regular expression.
    pub regex: String,
    /// The engine, which is RE2 in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_re2: Option<Empty>,
}

impl RegexMatcher {
    /// A regular expression.
    pub fn new(regex: impl Into<String>) -> Self {
        Self { regex: regex.into(), google_re2: None }
    }
}

/// The JSON form of a [`StringMatcher`].
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StringMatcherFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suffix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contains: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    safe_regex: Option<RegexMatcher>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ignore_case: bool,
}

impl StringMatcher {
    /// Matches a whole string.
    pub fn exact(value: impl Into<String>) -> Self {
        Self { pattern: StringPattern::Exact(value.into()), ignore_case: false }
    }

    /// The pattern, if it matches a whole string.
    pub fn as_exact(&self) -> Option<&str> {
        match &self.pattern {
            StringPattern::Exact(whole) => Some(whole),
            _ => None,
        }
    }

    /// Matches a prefix.
    pub fn prefix(value: impl Into<String>) -> Self {
        Self { pattern: StringPattern::Prefix(value.into()), ignore_case: false }
    }
}

impl TryFrom<StringMatcherFields> for StringMatcher {
    type Error = &'static str;

    /// Performs the checks of Envoy's `StringMatcher` (`api/envoy/type/matcher/v3/string.proto`).
    fn try_from(fields: StringMatcherFields) -> Result<Self, Self::Error> {
        let StringMatcherFields { exact, prefix, suffix, contains, safe_regex, ignore_case } = fields;
        let patterns = [
            exact.map(StringPattern::Exact),
            prefix.map(StringPattern::Prefix),
            suffix.map(StringPattern::Suffix),
            contains.map(StringPattern::Contains),
            safe_regex.map(StringPattern::SafeRegex),
        ];
        let mut patterns = patterns.into_iter().flatten();
        match (patterns.next(), patterns.next()) {
            (Some(StringPattern::Prefix(text) | StringPattern::Suffix(text) | StringPattern::Contains(text)), None)
                if text.is_empty() =>
            {
                Err("the pattern is empty, which is only allowed for `exact`")
            }
            (Some(pattern), None) => Ok(Self { pattern, ignore_case }),
            _ => Err("expected one of `exact`, `prefix`, `suffix`, `contains` and `safe_regex`"),
        }
    }
}

impl From<StringMatcher> for StringMatcherFields {
    fn from(StringMatcher { pattern, ignore_case }: StringMatcher) -> Self {
        let fields = Self { ignore_case, ..Self::default() };
        match pattern {
            StringPattern::Exact(text) => Self { exact: Some(text), ..fields },
            StringPattern::Prefix(text) => Self { prefix: Some(text), ..fields },
            StringPattern::Suffix(text) => Self { suffix: Some(text), ..fields },
            StringPattern::Contains(text) => Self { contains: Some(text), ..fields },
            StringPattern::SafeRegex(regex) => Self { safe_regex: Some(regex), ..fields },
        }
    }
}

/// A message without fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// `google.protobuf.Duration` in its JSON form: seconds with a trailing `s`, such as `"10s"` or `"0.250s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtoDuration(pub Duration);

impl FromStr for ProtoDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_suffix('s')
            .and_then(|seconds| seconds.parse::<f64>().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a duration: expected seconds with a trailing `s`, such as \"10s\""))
    }
}

impl fmt::Display for ProtoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

impl Serialize for ProtoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProtoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl From<Duration> for ProtoDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

/// `envoy.config.core.v3.Metadata`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Fields by filter name.
    #[serde(default)]
    pub filter_metadata: BTreeMap<String, Map<String, Value>>,
}
