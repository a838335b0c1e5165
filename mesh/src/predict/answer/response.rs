//! How apps that understand a request respond.

use std::time::Duration;

use demo_args::duration;
use http::StatusCode;

use crate::{
    account::AppSpeaks,
    predict::{
        app::{ServerApp, Speaks},
        wire::{Request, Version},
    },
};

/// gRPC's status for a method that a server does not have.
const UNIMPLEMENTED: u32 = 12;

/// The methods of `demo-server`'s service.
const METHODS: [&str; 6] = ["Unary", "ClientStream", "ServerStream", "Stream", "Fail", "Seen"];

/// The status of the response, and that of gRPC if it is not `OK`.
pub(super) fn to(server: &ServerApp, version: Version, request: &Request) -> (u16, Option<u32>) {
    match request.speaks {
        Some(AppSpeaks::Websocket) => (101, None),
        // gRPC needs HTTP/2.
        Some(AppSpeaks::Grpc) if version == Version::Http1 && server.speaks != Speaks::Anything => (505, None),
        Some(AppSpeaks::Grpc) => (200, (server.is_demo && !has_method(&request.path)).then_some(UNIMPLEMENTED)),
        _ => (requested_status(&request.path).unwrap_or(200), None),
    }
}

/// Whether `demo-server` has a method of gRPC. A path without any is the client's own.
fn has_method(path: &str) -> bool {
    path == "/" || path.strip_prefix("/sidelab.Echo/").is_some_and(|method| METHODS.contains(&method))
}

/// The delay that a path requests of `demo-server` and of httpbin: `/delay/2`, in seconds and at most 10.
pub(super) fn requested_delay(path: &str) -> Duration {
    let asked = path.split('?').next().and_then(|path| path.strip_prefix("/delay/"));
    let asked = asked.and_then(|time| duration::parse_or_seconds(time).ok()).unwrap_or_default();
    asked.min(Duration::from_secs(10))
}

/// The status that a path requests of `demo-server` and of httpbin: `/status/503`.
fn requested_status(path: &str) -> Option<u16> {
    let path = path.split('?').next()?;
    let status: StatusCode = path.strip_prefix("/status/")?.parse().ok()?;
    (!status.is_informational()).then(|| status.as_u16())
}
