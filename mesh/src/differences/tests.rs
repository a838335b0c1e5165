use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;

fn paths(istio: &Value, here: &Value) -> Vec<String> {
    compare(istio, here).iter().map(|judged| judged.difference.path.join(" / ")).collect()
}

#[test]
fn elements_are_paired_by_name_and_chains_by_what_they_match() {
    let chain = |port: u16, name: &str| json!({"filter_chain_match": {"destination_port": port, "application_protocols": ["b", "a"]}, "name": name});
    let istio = json!({"listeners": [{"name": "a", "filter_chains": [chain(1, "x"), chain(2, "y")]}, {"name": "b"}]});
    let here = json!({"listeners": [{"name": "b"}, {"name": "a", "filter_chains": [chain(2, "y"), chain(1, "z")]}]});
    assert_eq!(paths(&istio, &here), ["listeners / a / filter_chains / 1 a,b / name"]);
}

#[test]
fn the_order_of_filters_counts_and_that_of_clusters_does_not() {
    let filters =
        |names: [&str; 2]| json!({"listeners": [{"name": "l", "filters": names.map(|name| json!({"name": name}))}]});
    assert_eq!(paths(&filters(["a", "b"]), &filters(["b", "a"])), ["listeners / l / filters / (order)"]);
    let clusters = |names: [&str; 2]| json!({"clusters": names.map(|name| json!({"name": name}))});
    assert_eq!(paths(&clusters(["a", "b"]), &clusters(["b", "a"])), [""; 0]);
}

#[test]
fn a_name_without_a_kind_is_a_name_of_all_four_kinds() {
    let untyped = json!({"clusters": [{"name": "c", "match_subject_alt_names": [{"exact": "a"}]}]});
    let typed = ["EMAIL", "DNS", "URI", "IP_ADDRESS"].map(|kind| json!({"san_type": kind, "matcher": {"exact": "a"}}));
    let of = |typed: &[Value]| json!({"clusters": [{"name": "c", "match_typed_subject_alt_names": typed}]});
    assert_eq!(paths(&untyped, &of(&typed)), [""; 0]);
    assert_eq!(paths(&untyped, &of(&typed[..3])).len(), 2, "three kinds are not four");
}

#[test]
fn a_whole_number_is_equal_with_and_without_a_fraction() {
    let weight = |value: Value| json!({"clusters": [{"name": "c", "min_weight_percent": {"value": value}}]});
    assert_eq!(paths(&weight(json!(10)), &weight(json!(10.0))), [""; 0]);
    assert_eq!(paths(&weight(json!(10)), &weight(json!(10.5))).len(), 1);
}

#[test]
fn a_missing_cluster_is_one_difference() {
    let istio = json!({"clusters": [{"name": "c", "connect_timeout": "10s"}]});
    let found = compare(&istio, &json!({}));
    assert_eq!(found.len(), 1);
    assert!(found[0].known.is_none(), "nothing explains a missing cluster");
}

#[test]
fn a_cluster_by_name_is_explained_only_where_it_has_no_name() {
    let cluster = |kind: &str, endpoints: Value| {
        let assignment = json!({"cluster_name": "c", "endpoints": endpoints});
        json!({"clusters": [{"name": "c", "type": kind, "load_assignment": assignment}]})
    };
    let named = json!([{"lb_endpoints": [{"endpoint": {"address": {}}}]}]);
    let explained = |istio: Value| compare(&istio, &json!({}))[0].known.map(|known| known.id);
    assert_eq!(explained(cluster("LOGICAL_DNS", json!([]))), Some("passed-on-by-name"));
    assert_eq!(explained(cluster("LOGICAL_DNS", named)), None);
    assert_eq!(explained(cluster("EDS", json!([]))), None);
}
