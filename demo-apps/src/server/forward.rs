//! `/forward/HOST:PORT/PATH`: calls on, as an app in the middle of a call chain does.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::client::{CallArgs, call};

/// How long the next server may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The headers that an app passes on, so that its sidecar's spans belong to the caller's trace
/// (<https://istio.io/latest/docs/tasks/observability/distributed-tracing/overview/>).
const PASSED_ON: [&str; 13] = [
    "x-request-id",
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-ot-span-context",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "sw8",
];

/// Calls `http://TARGET`, and returns the status to answer with: 200 once there is an answer, whatever it says, and 502 without one.
///
/// # Errors
/// If the target is not an address with a port.
pub(super) async fn forward(target: &str, headers: &HeaderMap) -> Result<StatusCode, String> {
    let passed = PASSED_ON.iter().flat_map(|name| headers.get_all(*name).iter().map(move |value| (name, value)));
    let target = format!("http://{target}").parse().map_err(|error| format!("/forward/HOST:PORT/PATH: {error}"))?;
    let args = CallArgs {
        headers: passed.map(|(name, value)| format!("{name}:{}", String::from_utf8_lossy(value.as_bytes()))).collect(),
        ..CallArgs::new(target, TIMEOUT)
    };
    let report = call(&args).await.map_err(|error| error.to_string())?;
    Ok(if report.http.is_some() { StatusCode::OK } else { StatusCode::BAD_GATEWAY })
}
