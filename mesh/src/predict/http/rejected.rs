//! Requests that a connection manager rejects before it looks for a route.

use envoy_rules::outcome::Outcome;

use crate::account::{Decision, Reason};

use crate::predict::{
    place::Place,
    simulate::Simulation,
    trace::Log,
    wire::{Reply, Version},
};

impl Simulation<'_> {
    /// A request to upgrade, where that is not allowed.
    pub(super) fn no_upgrade(&mut self, at: Place, codec: Version) -> Reply {
        let because = "upgrades to a websocket are not allowed here";
        self.trace.step(at.role.party(), Decision::Codec, "403", because, None);
        self.trace.refuse(at.role.party(), Reason::ProtocolError);
        self.trace.log(at.role, Log::of_request(&Outcome::Rejected("upgrade_failed".into()), false));
        Reply::Response(codec, 403)
    }

    /// A path that cannot be normalized.
    pub(super) fn not_normal(&mut self, at: Place, codec: Version, path: &str) -> Reply {
        let because = format!("the path {path:?} cannot be normalized");
        self.trace.step(at.role.party(), Decision::Codec, "400", because, None);
        self.trace.refuse(at.role.party(), Reason::ProtocolError);
        let outcome = Outcome::Rejected("path_normalization_failed".into());
        self.trace.log(at.role, Log::of_request(&outcome, false));
        Reply::Response(codec, 400)
    }

    /// A request in HTTP/1.0, where that is not accepted.
    pub(super) fn too_old(&mut self, at: Place) -> Reply {
        self.trace.refuse(at.role.party(), Reason::ProtocolError);
        let because = "HTTP/1.0 is rejected unless accept_http_10 is set";
        self.trace.step(at.role.party(), Decision::Codec, "426", because, None);
        self.trace.log(at.role, Log::of_request(&Outcome::DownstreamProtocolError("low_version".into()), false));
        Reply::Response(Version::Http1, 426)
    }

    /// Bytes that are not a request in the codec's version of HTTP.
    pub(super) fn not_http(&mut self, at: Place, codec: Version) -> Reply {
        self.trace.refuse(at.role.party(), Reason::ProtocolError);
        match codec {
            Version::Http1 => {
                self.trace.step(at.role.party(), Decision::Codec, "400", "the bytes are not HTTP/1.1", None);
                let outcome = Outcome::DownstreamProtocolError("http1.codec_error".into());
                self.trace.log(at.role, Log::of_request(&outcome, false));
                Reply::Response(Version::Http1, 400)
            }
            // Without the preface there is no stream to answer, and no log line.
            Version::Http2 => {
                self.trace.step(at.role.party(), Decision::Codec, "closed", "the bytes are not HTTP/2", None);
                Reply::Closed
            }
        }
    }
}
