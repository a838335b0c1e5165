//! Values that several tests use.

use std::{collections::BTreeMap, path::Path, time::Duration};

use mesh::{
    account::{
        Account, AppProtocol, AppSees, Callee, Caller, Interface, LayerKind, Leg, LegNumber, LegPath, Logged, Outcome,
        SCHEMA, TlsFacts,
    },
    model::{ControlPlane, Family, Flavor},
};

use crate::{
    data_plane::DataPlane,
    expect::Expectation,
    observe_call::{Evidence, Seen},
    run_report::{ProbeReport, RunReport},
    scenario::Scenario,
    verdict::Verdict,
};

/// A call that was delivered over mTLS.
pub(crate) fn account() -> Account {
    Account {
        schema: SCHEMA.into(),
        control_plane: ControlPlane::Compiler,
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
        app_speaks: None,
        legs: vec![Leg {
            layers: vec![LayerKind::Mtls, LayerKind::Http1],
            tls: vec![TlsFacts { sni: Some("a".into()), ..TlsFacts::default() }],
            interface: Some(Interface::Eth0),
            ..Leg::silent(LegNumber::BetweenPods, LegPath::SidecarToSidecar)
        }],
        read_by: vec![],
        steps: vec![],
        outcome: Outcome {
            delivered: true,
            at: None,
            reason: None,
            response_flags: Logged::default(),
            details: "via_upstream".into(),
            requested_server_name: Logged::default(),
            status: Some(200),
            grpc_status: None,
            admission: None,
            app_sees: AppSees::Status(200),
        },
        route: None,
        app_gets: None,
        assumes: None,
        alternatives: vec![],
        notes: vec![],
    }
}

/// The same call, as seen.
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
            gateway_log: None,
            flows: BTreeMap::new(),
            costs: BTreeMap::new(),
            counts: vec![],
            traces: vec![],
            loads: vec![],
            notes: vec![],
        },
    }
}

/// A run of one call that is expected and predicted to use mTLS, with this account of what was seen.
pub(crate) fn run(native: Account) -> RunReport {
    let expected: Expectation =
        serde_saphyr::from_str("{legs: {2: {layers: [mtls, http/1.1]}}, outcome: {delivered: true}}").unwrap();
    let predicted = account();
    let seen = BTreeMap::from([(DataPlane::Native, seen(native))]);
    let verdict = Verdict::compare_one(&expected, Some(&predicted), &seen);
    let probe = ProbeReport {
        scenario: "strict".into(),
        title: "A plaintext app".into(),
        probe: "a call with a name that does not fit its column".into(),
        mesh: predicted.mesh,
        cell: None,
        claims: vec!["C4".into()],
        signatures: vec![],
        url: "http://server:8080".into(),
        family: Family::Ipv4,
        expected,
        predicted: Some(predicted),
        seen,
        verdict,
    };
    RunReport::new(jiff::Timestamp::UNIX_EPOCH, Duration::from_secs(1), vec![probe])
}

/// The same run, whose call was seen in plaintext.
pub(crate) fn run_that_fails() -> RunReport {
    let mut plaintext = account();
    plaintext.legs[0].layers = vec![LayerKind::Http1];
    run(plaintext)
}

/// The scenario of that run, in a folder.
pub(crate) fn scenario(directory: &Path) -> Scenario {
    Scenario {
        name: "strict".into(),
        directory: directory.into(),
        title: "A plaintext app".into(),
        shows: String::new(),
        claims: vec!["C4".into()],
        signatures: vec![],
        grid: None,
        loads: vec![],
        probes: vec![],
    }
}
