//! What a sidecar lacks before it can do its part.

use super::super::cause::{
    Cause,
    Clue::{Flag, No, Status, Text},
};

pub(super) const CAUSES: &[Cause] = &[
    Cause {
        id: "sidecar-not-ready",
        signature: Some("F25"),
        what: "the app started before its sidecar was ready",
        why: "its connections are redirected to port 15001, where nobody listens yet. The same happens while a pod ends, after its sidecar has",
        look: &[
            "kubectl get pod POD -o yaml | grep holdApplicationUntilProxyStarts",
            "does it happen only in the first and last seconds of a pod?",
            "use native sidecars, or have the app try again",
        ],
        scenario: None,
        rules: &[
            (97, &[Text("connection refused"), Text("15001")]),
            (96, &[Text("connection refused"), Text("15020")]),
            (96, &[Text("connection refused"), Text("app-health")]),
            (80, &[Text("the connection to the server"), Text("was refused")]),
            (90, &[Text("connection refused"), Text("startup")]),
            (88, &[Text("connection refused"), Text("15021")]),
            (80, &[Text("connection refused"), Text("init container")]),
            (62, &[Text("connection refused"), No(&Text("delayed connect error")), No(&Flag("UF")), No(&Status(503))]),
            (62, &[Text("econnrefused")]),
        ],
    },
    Cause {
        id: "probe-under-strict",
        signature: None,
        what: "the kubelet's probe reaches the app's port, which is STRICT",
        why: "the kubelet has no sidecar. Istio rewrites HTTP probes to ask the sidecar, unless rewriteAppHTTPProbers is false",
        look: &[
            "kubectl get pod POD -o yaml | grep -A4 -i probe: /app-health/... on port 15020 if it is rewritten",
            "the annotation sidecar.istio.io/rewriteAppHTTPProbers",
        ],
        scenario: Some("strict"),
        rules: &[
            (92, &[Text("probe failed"), Text("reset by peer")]),
            (90, &[Text("probe failed"), Text("eof")]),
            (85, &[Text("probe failed"), Text("connection refused")]),
        ],
    },
    Cause {
        id: "fault-in-force",
        signature: None,
        what: "a fault that was set in the lab is in force",
        why: "until it is cleared, packets are lost, held back or answered with a reset, or a program is stopped or killed, whatever the configuration says",
        look: &["sidelab fault list", "sidelab fault clear N: does the call succeed then?"],
        scenario: Some("faults"),
        rules: &[],
    },
    Cause {
        id: "istiod-unreachable",
        signature: None,
        what: "the sidecar does not reach istiod, or istiod rejects it",
        why: "without istiod a new sidecar gets no configuration and no certificate, and never becomes ready; a running one keeps what it has until its certificate expires",
        look: &[
            "kubectl get pods -n istio-system, and the log of istiod",
            "istioctl proxy-status",
            "does a NetworkPolicy allow TCP 15012 to istio-system?",
        ],
        scenario: None,
        rules: &[
            (96, &[Text("failed to generate workload certificate")]),
            (95, &[Text("streamaggregatedresources")]),
            (95, &[Text("config not received from xds")]),
            (93, &[Text("envoy proxy is not ready")]),
            (92, &[Text("istiod"), Text("connection refused")]),
            (92, &[Text("istiod"), Text("unavailable")]),
            (90, &[Text("failed to warm certificate")]),
            (88, &[Text("xds"), Text("unavailable")]),
        ],
    },
];
