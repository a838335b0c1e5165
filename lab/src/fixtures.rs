//! Values that several tests use.

use mesh::{
    account::{Account, AppProtocol, Callee, Caller, LayerKind, Leg, Outcome, SCHEMA, TlsFacts},
    model::Flavor,
};

use crate::{observe_call::Evidence, verdict::Seen};

/// A call that was delivered over mTLS.
pub(crate) fn account() -> Account {
    Account {
        schema: SCHEMA.into(),
        mesh: Flavor::Istio,
        from: Caller { pod: "client.default".into(), ips: vec![], sidecar: true },
        to: Callee {
            host: "server".into(),
            address: "10.96.0.10".parse().unwrap(),
            port: 8080,
            protocol: None,
            pod: None,
            target_port: None,
        },
        app_sends: AppProtocol::Http,
        legs: vec![Leg {
            leg: 2,
            path: "sidecar -> sidecar".into(),
            layers: vec![LayerKind::Mtls, LayerKind::Http1],
            tls: vec![TlsFacts { sni: Some("a".into()), ..TlsFacts::default() }],
            interface: Some("eth0".into()),
            source: None,
            dials: None,
            redirected_to: None,
        }],
        read_by: vec![],
        steps: vec![],
        outcome: Outcome {
            delivered: true,
            at: None,
            reason: None,
            response_flags: "-".into(),
            details: "via_upstream".into(),
            requested_server_name: "-".into(),
            status: Some(200),
            admission: None,
            app_sees: "200".into(),
        },
    }
}

/// The same, as seen.
pub(crate) fn seen(account: Account) -> Seen {
    let client = serde_json::from_value(serde_json::json!({
        "schema": demo_apps::report::CLIENT_SCHEMA, "url": "http://server:8080/", "ok": true, "error": null,
        "resolved": [], "local": null, "remote": null, "timings": {"total_us": 1}, "tls": null, "http": null,
        "stream": null,
    }));
    Seen {
        account,
        evidence: Evidence {
            client: client.unwrap(),
            client_sidecar_log: None,
            server_sidecar_log: None,
            flows: std::collections::BTreeMap::new(),
            costs: std::collections::BTreeMap::new(),
            notes: vec![],
        },
    }
}
