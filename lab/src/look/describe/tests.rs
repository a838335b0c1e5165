use serde_json::json;

use super::*;

#[test]
fn a_chain_says_whether_it_demands_a_client_certificate() {
    let chain = |socket: Value| json!({ "name": "0.0.0.0_8080", "filter_chain_match": { "destination_port": 8080 }, "transport_socket": { "typed_config": socket } });
    let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    let column = |socket: Value| chain_row(&chain(socket))[2].clone();
    assert_eq!(column(json!({ "@type": tls, "require_client_certificate": true })), "mTLS");
    assert_eq!(column(json!({ "@type": tls })), "TLS");
    assert_eq!(chain_row(&json!({ "name": "a" })), ["  a", "ALL", "-", "Non-HTTP/Non-TCP"].map(str::to_owned));
}

#[test]
fn labels_are_below_each_other_and_none_are_said_to_be_none() {
    let labels = [("app".to_owned(), "a".to_owned()), ("version".to_owned(), "v1".to_owned())].into();
    assert_eq!(pairs(&labels, "="), "app=a\n                  version=v1");
    assert_eq!(pairs(&std::collections::BTreeMap::new(), "="), "<none>");
}
