//! What a text contains: words, the response flags and status of an access log, and the side that wrote it.

use std::fmt;

use envoy_rules::outcome::Flag;

use super::cause::Clue;
use crate::access_log;

/// Envoy's response flags that are not in [`Flag`], since a lab never has them (`source/common/stream_info/utility.h`).
const OTHER_FLAGS: [&str; 12] = ["LH", "RL", "UAEX", "RLSE", "IH", "UMSDR", "RFCF", "NFCF", "OM", "DF", "DO", "UDO"];

/// `%RESPONSE_FLAGS_LONG%`, and the flag (envoy: source/common/stream_info/utility.h, `CORE_RESPONSE_FLAGS`).
const LONG_FLAGS: [(&str, &str); 18] = [
    ("NoHealthyUpstream", "UH"),
    ("UpstreamConnectionFailure", "UF"),
    ("UpstreamOverflow", "UO"),
    ("NoRouteFound", "NR"),
    ("UpstreamRetryLimitExceeded", "URX"),
    ("NoClusterFound", "NC"),
    ("DownstreamConnectionTermination", "DC"),
    ("LocalReset", "LR"),
    ("UpstreamRequestTimeout", "UT"),
    ("UpstreamRemoteReset", "UR"),
    ("UpstreamConnectionTermination", "UC"),
    ("DelayInjected", "DI"),
    ("FaultInjected", "FI"),
    ("RateLimited", "RL"),
    ("UnauthorizedExternalService", "UAEX"),
    ("StreamIdleTimeout", "SI"),
    ("DownstreamProtocolError", "DPE"),
    ("UpstreamProtocolError", "UPE"),
];

/// The first four bytes of HTTP/1 messages.
const HTTP: [&[u8; 4]; 5] = [b"HTTP", b"GET ", b"POST", b"PUT ", b"HEAD"];

/// The clues in a text.
pub(super) struct Clues {
    /// In lower case, with single spaces, and with spaces for underscores, as access logs write both.
    text: String,
    flags: Vec<String>,
    status: Option<u16>,
    /// Whether it is a line of an access log with an SNI.
    has_sni: bool,
    /// The duration in an access log.
    milliseconds: Option<u64>,
    /// Numbers of four bytes, as such.
    lengths: Vec<[u8; 4]>,
}

impl Clues {
    pub(super) fn read(text: &str) -> Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        let spaced = text.to_lowercase().replace('_', " ");
        let spaced = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = access_log::read(text).into_iter().next();
        Self {
            text: format!(" {spaced} "),
            flags: flags(text, &words),
            status: status(text, &words),
            has_sni: line.as_ref().is_some_and(|line| line.requested_server_name.is_some()),
            milliseconds: line.map(|line| line.duration).or_else(|| number_after(text, &["\"duration\""])),
            lengths: lengths(text),
        }
    }

    pub(super) fn has(&self, clue: &Clue) -> bool {
        match clue {
            Clue::Text(text) => self.text.contains(text),
            Clue::Flag(flag) => self.flags.iter().any(|one| one == flag),
            Clue::Status(status) => self.status == Some(*status),
            Clue::Inbound => self.text.contains("inbound|"),
            Clue::Outbound => self.text.contains("outbound|") && !self.text.contains(" inbound|"),
            Clue::Connection => self.text.contains("\"- - -\""),
            Clue::OutsideHost => self.names_an_outside_host(),
            Clue::Sni => self.has_sni,
            Clue::TenSeconds => self.milliseconds.is_some_and(|time| time >= 10_000),
            Clue::TlsAsLength => self.lengths.iter().any(|bytes| matches!(bytes, [0x15 | 0x16, 0x03, ..])),
            Clue::HttpAsLength => self.lengths.iter().any(|bytes| HTTP.contains(&bytes)),
            Clue::No(clue) => !self.has(clue),
        }
    }

    /// Whether it names a host of a public domain.
    fn names_an_outside_host(&self) -> bool {
        let hosts = self.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
        let mut public = hosts.filter_map(|host| host.trim_matches('.').rsplit_once('.'));
        public.any(|(rest, last)| {
            ["com", "org", "net", "io", "dev", "cloud"].contains(&last) && !rest.ends_with("istio") && !rest.is_empty()
        })
    }
}

/// What numbers are as four bytes, in either order.
fn lengths(text: &str) -> Vec<[u8; 4]> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() >= 9);
    digits.filter_map(|digits| digits.parse::<u32>().ok()).flat_map(|n| [n.to_be_bytes(), n.to_le_bytes()]).collect()
}

/// The response flags: after a status, as the value of a field, or alone.
fn flags(text: &str, words: &[&str]) -> Vec<String> {
    let read = |word: &str| -> Option<Vec<String>> {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let short =
            |flag: &str| LONG_FLAGS.iter().find(|(long, _)| *long == flag).map_or(flag, |(_, short)| short).to_owned();
        let flags: Vec<String> = word.split(',').map(short).collect();
        let is_flag = |word: &str| Flag::parse(word).is_some() || OTHER_FLAGS.contains(&word);
        flags.iter().all(|flag| is_flag(flag)).then_some(flags)
    };
    let follows_status = words.windows(2).filter(|pair| is_status(pair[0])).find_map(|pair| read(pair[1]));
    let value = || {
        let key = ["response_flags", "response flags", "response_flag", "response flag", "flags"];
        let after = key.iter().find_map(|key| text.split_once(key)).map(|(_, after)| after)?;
        after.split(|c: char| !(c.is_ascii_alphanumeric() || c == ',')).filter(|word| !word.is_empty()).find_map(read)
    };
    let alone = || if words.len() <= 4 { words.iter().find_map(|word| read(word)) } else { None };
    follows_status.or_else(value).or_else(alone).unwrap_or_default()
}

/// The status: after the quoted request of an access log, as the value of a field, or the first number that can be one.
fn status(text: &str, words: &[&str]) -> Option<u16> {
    let number = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u16>().ok();
    let quoted = |pair: &&[&str]| pair[0].ends_with('"') && is_status(pair[1]);
    let in_log = words.windows(2).find(quoted).and_then(|pair| number(pair[1]));
    let value =
        || number_after(text, &["response_code\"", "status code", "http_status", "statuscode"])?.try_into().ok();
    let first = || words.iter().find(|word| word.len() == 3 && is_status(word)).and_then(|word| number(word));
    in_log.or_else(value).or_else(first)
}

/// The first number after one of the keys.
fn number_after(text: &str, keys: &[&str]) -> Option<u64> {
    let lower = text.to_lowercase();
    let (_, after) = keys.iter().find_map(|key| lower.split_once(key))?;
    after.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
}

fn is_status(word: &str) -> bool {
    word == "0" || (word.len() == 3 && word.parse::<u16>().is_ok_and(|status| (100..600).contains(&status)))
}

impl fmt::Display for Clue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{:?}", text.trim()),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Inbound => f.write_str("the log of a server's sidecar"),
            Self::Outbound => f.write_str("the log of a client's sidecar"),
            Self::Connection => f.write_str("a connection, not a request"),
            Self::OutsideHost => f.write_str("a host outside the cluster"),
            Self::Sni => f.write_str("an SNI"),
            Self::TenSeconds => f.write_str("ten seconds or more"),
            Self::TlsAsLength => f.write_str("a length that is the beginning of a TLS record"),
            Self::HttpAsLength => f.write_str("a length that is the beginning of an HTTP message"),
            Self::No(clue) => write!(f, "not {clue}"),
        }
    }
}
