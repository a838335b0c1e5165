//! Copies of requests for other clusters, whose answers nobody waits for (`source/common/router/shadow_writer_impl.cc`).
//!
//! A copy is sent when the request has been answered, and only if its body is still there (1 MiB at most).

use std::sync::Arc;

use envoy_api::{FractionalPercent, RequestMirrorPolicy};
use envoy_rules::upstream::http_version;
use http::{HeaderValue, header};
use rand::RngExt as _;

use super::{body::RequestSource, connection::Connection, exchange::Exchange, headers, pool::Wanted};
use crate::{access_log::RequestHead, cluster::ConnectContext};

/// Sends the copies that a route asks for.
pub(super) fn send(
    connection: &Arc<Connection>,
    exchange: &Exchange,
    body: &RequestSource,
    policies: &[RequestMirrorPolicy],
) {
    let Some(head) = exchange.http.request.as_ref().filter(|_| body.can_replay()) else { return };
    for policy in policies.iter().filter(|policy| happens(policy)) {
        let mut head = head.clone();
        if !policy.disable_shadow_host_suffix_append {
            let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            let host: HeaderValue = headers::text(&format!("{host}-shadow"));
            head.headers.insert(header::HOST, host);
        }
        tokio::spawn(copy(connection.clone(), policy.cluster.clone(), head, body.clone()));
    }
}

fn happens(policy: &RequestMirrorPolicy) -> bool {
    let share: FractionalPercent = match policy.runtime_fraction {
        Some(share) => share.default_value,
        None => return true,
    };
    share.is_all() || rand::rng().random_range(0..share.of()) < share.numerator
}

/// Sends one copy, and drops what comes of it.
async fn copy(connection: Arc<Connection>, cluster: String, head: RequestHead, body: RequestSource) {
    let Some(cluster) = connection.worker.cluster(&cluster) else { return };
    let version = http_version(cluster.config(), connection.version);
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let context = ConnectContext {
        original_dst: connection.info.original_dst,
        filter_state: Some(&connection.info.filter_state),
        request: Some((&host, version)),
        alpn: connection.hcm.alpn.as_ref().and_then(|filter| {
            envoy_rules::upstream::alpn_override(filter, cluster.config().metadata.as_ref(), version)
        }),
        bytes_follow: false,
        tried: &[],
        choices: 1,
        hash: None,
    };
    let Ok(endpoint) = cluster.pick(&context) else { return };
    let wanted = Wanted {
        cluster: &cluster,
        endpoint: &endpoint,
        context: &context,
        version,
        downstream: connection.info.id,
        fresh: true,
    };
    let Ok(upstream) = connection.worker.http.acquire(wanted).await else { return };
    // The answer is read to its head, and the connection is given back.
    drop(upstream.send(&head, &body, false).await);
}
