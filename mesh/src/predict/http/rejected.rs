//! Requests that a connection manager rejects before it looks for a route.

use envoy_rules::outcome::Outcome;

use crate::{
    account::{Decision, Reason},
    predict::{
        place::Place,
        simulate::Simulation,
        trace::Log,
        wire::{Reply, Version},
    },
};

impl Simulation<'_> {
    /// A request to upgrade, where that is not allowed.
    pub(super) fn no_upgrade(&mut self, at: Place, codec: Version, to: &str) -> Reply {
        let because = format!("upgrades to {to} are not allowed here");
        self.rejected(at, codec, 403, because, &Outcome::Rejected("upgrade_failed".into()))
    }

    /// An extended CONNECT (RFC 8441), whose field `:protocol` is invalid without `allow_connect`: the connection is closed.
    pub(super) fn extended_connect(&mut self, at: Place) -> Reply {
        let because = "the upgrade comes as an extended CONNECT, which is not allowed";
        self.trace.step(at.role.party(), Decision::Codec, "closed", because, None);
        self.trace.refuse(at.role.party(), Reason::ProtocolError);
        let outcome = Outcome::DownstreamProtocolError("http2.invalid.header.field".into());
        self.trace.log(at.role, Log::of_request(&outcome, false));
        Reply::Closed
    }

    /// A path that cannot be normalized.
    pub(super) fn not_normal(&mut self, at: Place, codec: Version, path: &str) -> Reply {
        let because = format!("the path {path:?} cannot be normalized");
        self.rejected(at, codec, 400, because, &Outcome::Rejected("path_normalization_failed".into()))
    }

    /// A path with escaped slashes, where its sender is to unescape them.
    pub(super) fn sent_to_normal(&mut self, at: Place, codec: Version, path: &str) -> Reply {
        let because = format!("the path's escaped slashes are redirected to {path:?}");
        self.rejected(at, codec, 307, because, &Outcome::Rejected("path_normalization_failed".into()))
    }

    /// A request in HTTP/1.0, where that is not accepted.
    pub(super) fn too_old(&mut self, at: Place) -> Reply {
        let because = "HTTP/1.0 is rejected unless accept_http_10 is set";
        let outcome = Outcome::DownstreamProtocolError("low_version".into());
        self.rejected(at, Version::Http1, 426, because, &outcome)
    }

    /// Bytes that are not a request in the codec's version of HTTP.
    pub(super) fn not_http(&mut self, at: Place, codec: Version) -> Reply {
        match codec {
            Version::Http1 => {
                let outcome = Outcome::DownstreamProtocolError("http1.codec_error".into());
                self.rejected(at, codec, 400, "the bytes are not HTTP/1.1", &outcome)
            }
            // Without the preface there is no stream to answer, and no log line.
            Version::Http2 => {
                self.trace.step(at.role.party(), Decision::Codec, "closed", "the bytes are not HTTP/2", None);
                self.trace.refuse(at.role.party(), Reason::ProtocolError);
                Reply::Closed
            }
        }
    }

    fn rejected(
        &mut self,
        at: Place,
        codec: Version,
        status: u16,
        because: impl Into<String>,
        outcome: &Outcome,
    ) -> Reply {
        self.trace.step(at.role.party(), Decision::Codec, status.to_string(), because, None);
        self.trace.refuse(at.role.party(), Reason::ProtocolError);
        self.trace.log(at.role, Log::of_request(outcome, false));
        Reply::Response(codec, status)
    }
}
