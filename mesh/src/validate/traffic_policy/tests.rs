use crate::testing::faults;
use crate::time::go_nanoseconds;

fn rule(policy: &str) -> String {
    format!(
        "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: r}}, spec: {{host: a, trafficPolicy: {policy}}}}}"
    )
}

/// What Istio's own table has as invalid (`TestValidateTrafficPolicy`, `TestValidateConnectionPool`,
/// `TestValidateOutlierDetection` and `TestValidateLoadBalancer` in `pkg/config/validation/validation_test.go`).
#[test]
fn what_istios_webhook_refuses_is_an_error() {
    for (policy, expected) in [
        ("{connectionPool: {}}", "connectionPool: is empty"),
        ("{connectionPool: {tcp: {maxConnections: -1}}}", "tcp.maxConnections: -1 is negative"),
        ("{connectionPool: {tcp: {connectTimeout: 500ns}}}", "tcp.connectTimeout: 500ns is less than 1ms"),
        ("{connectionPool: {tcp: {maxConnectionDuration: 1500us}}}", "maxConnectionDuration: 1500us is not in whole"),
        ("{connectionPool: {tcp: {tcpKeepalive: {time: 1}}}}", "time"),
        ("{connectionPool: {http: {http1MaxPendingRequests: -1}}}", "http1MaxPendingRequests: -1 is negative"),
        ("{connectionPool: {http: {http2MaxRequests: -1}}}", "http2MaxRequests: -1 is negative"),
        ("{connectionPool: {http: {maxRequestsPerConnection: -1}}}", "maxRequestsPerConnection: -1 is negative"),
        ("{connectionPool: {http: {maxRetries: -1}}}", "maxRetries: -1 is negative"),
        ("{connectionPool: {http: {maxConcurrentStreams: -1}}}", "maxConcurrentStreams: -1 is negative"),
        ("{connectionPool: {http: {idleTimeout: 0s}}}", "http.idleTimeout: 0s is less than 1ms"),
        ("{connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}", "useClientProtocol: cannot"),
        ("{connectionPool: {http: {http2KeepAlive: {timeout: 1s}}}}", "http2KeepAlive.interval: is missing"),
        ("{connectionPool: {http: {http2KeepAlive: {interval: 1s}}}}", "http2KeepAlive.timeout: is missing"),
        ("{outlierDetection: {maxEjectionPercent: 105}}", "maxEjectionPercent: 105 is not a percentage"),
        ("{outlierDetection: {maxEjectionPercent: -1}}", "maxEjectionPercent: -1 is not a percentage"),
        ("{outlierDetection: {minHealthPercent: 105}}", "minHealthPercent: 105 is not a percentage"),
        ("{outlierDetection: {interval: 0.5ms}}", "interval: 0.5ms is less than 1ms"),
        ("{outlierDetection: {baseEjectionTime: -1s}}", "baseEjectionTime: -1s is less than 1ms"),
        ("{outlierDetection: {consecutiveLocalOriginFailures: 5}}", "needs splitExternalLocalOriginErrors"),
        ("{loadBalancer: {consistentHash: {httpCookie: {ttl: 1s}}}}", "httpCookie.name: is missing"),
        ("{loadBalancer: {consistentHash: {maglev: {}}}}", "tableSize: is missing"),
        ("{loadBalancer: {consistentHash: {maglev: {tableSize: 1000}}}}", "tableSize: 1000 is not a prime number"),
        ("{loadBalancer: {consistentHash: {maglev: {tableSize: 5000011}}}}", "tableSize: 5000011 is not less than"),
        ("{loadBalancer: {consistentHash: {minimumRingSize: 9, maglev: {tableSize: 7}}}}", "minimumRingSize: cannot"),
        ("{loadBalancer: {simple: RANDOM, warmup: {duration: 1us}}}", "warmup.duration: 1us is less than 1ms"),
        ("{loadBalancer: {simple: RANDOM, warmup: {duration: 1s, aggression: 0}}}", "aggression: must be greater"),
        ("{loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 50}}]}}}", "do not add up to 100"),
        ("{loadBalancer: {localityLbSetting: {failover: [{from: a, to: a}]}}}", "names the same region twice"),
        ("{}", "spec.trafficPolicy: is empty"),
    ] {
        let text = faults(&rule(policy));
        let found = text.lines().any(|line| line.contains(expected) && !line.contains("warning:"));
        assert!(found, "{policy}: {expected}\n{text}");
    }
}

#[test]
fn what_istios_webhook_takes_is_no_error() {
    for policy in [
        "{connectionPool: {tcp: {maxConnections: 7, connectTimeout: 2s, idleTimeout: 0s, tcpKeepalive: {time: 1h30m}}}}",
        "{connectionPool: {http: {h2UpgradePolicy: UPGRADE, maxRetries: 0, idleTimeout: 1.5s}}}",
        "{outlierDetection: {consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 100}}",
        "{outlierDetection: {splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 1}}",
        "{loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: 0s}, maglev: {tableSize: 65537}}}}",
        "{loadBalancer: {simple: LEAST_REQUEST, warmup: {duration: 10s}}}",
    ] {
        let text = faults(&rule(policy));
        assert!(text.lines().all(|line| line.contains("warning:")), "{policy}\n{text}");
    }
}

#[test]
fn durations_are_read_as_go_reads_them() {
    for (text, expected) in [
        ("0", Some(0)),
        ("1.5s", Some(1_500_000_000)),
        ("1h30m", Some(5_400_000_000_000)),
        ("-2ms", Some(-2_000_000)),
        ("5", None),
        ("s", None),
        ("", None),
        ("1d", None),
    ] {
        assert_eq!(go_nanoseconds(text), expected, "{text}");
    }
}
