use super::*;

#[test]
fn the_same_name_is_the_same_number() {
    let stats = Stats::default();
    let first = stats.scope(Scope::Cluster("ok".into())).counter("upstream_cx_total");
    let second = stats.scope(Scope::Cluster("ok".into())).counter("upstream_cx_total");
    first.inc();
    second.add(2);
    assert_eq!(stats.get("cluster.ok.upstream_cx_total"), Some(3));
}

#[test]
fn text_is_sorted_by_name_and_filtered() {
    let stats = Stats::default();
    stats.scope(Scope::Root).gauge("server.live").set(1);
    stats.scope(Scope::Http("in".into())).counter("downstream_rq_2xx").inc();
    assert_eq!(stats.text(|_| true), "http.in.downstream_rq_2xx: 1\nserver.live: 1\n");
    assert_eq!(stats.text(|name| name.starts_with("server")), "server.live: 1\n");
}

#[test]
fn prometheus_has_envoys_families_and_labels() {
    let stats = Stats::default();
    let cluster = stats.scope(Scope::Cluster("outbound|80||a.b".into()));
    cluster.counter("upstream_rq_200").inc();
    cluster.counter("upstream_rq_2xx").inc();
    stats.scope(Scope::Listener("[fd00::1]_80".into())).gauge("downstream_cx_active").set(4);
    assert_eq!(
        stats.prometheus(),
        "# TYPE envoy_cluster_upstream_rq counter\n\
         envoy_cluster_upstream_rq{envoy_response_code=\"200\",envoy_cluster_name=\"outbound|80||a.b\"} 1\n\
         # TYPE envoy_cluster_upstream_rq_xx counter\n\
         envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"outbound|80||a.b\"} 1\n\
         # TYPE envoy_listener_downstream_cx_active gauge\n\
         envoy_listener_downstream_cx_active{envoy_listener_address=\"[fd00__1]_80\"} 4\n"
    );
}

#[test]
fn a_held_gauge_is_decremented_on_drop() {
    let gauge = Gauge::default();
    let held = gauge.hold();
    assert_eq!(gauge.get(), 1);
    drop(held);
    assert_eq!(gauge.get(), 0);
}
