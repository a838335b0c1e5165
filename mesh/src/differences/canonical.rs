//! A canonical form for equivalent messages: where resources come from, how durations are written, which kinds of names are
//! matched, what is Envoy's default.

use serde_json::{Map, Value, json};

/// Protobuf's default for an absent field: the first value of its enumeration.
const UNSET: [(&str, &str); 5] = [
    ("codec_type", "AUTO"),
    ("server_header_transformation", "OVERWRITE"),
    ("forward_client_cert_details", "SANITIZE"),
    ("lb_policy", "ROUND_ROBIN"),
    ("response_code", "MOVED_PERMANENTLY"),
];

/// Messages that have no meaning when empty.
const EMPTY: [&str; 9] = [
    "common_lb_config",
    "endpoints",
    "filter_chain_match",
    "filter_metadata",
    "lb_endpoints",
    "locality",
    "metadata",
    "validation_context",
    "virtual_hosts",
];

/// Brings a message to its canonical form.
pub(super) fn canonical(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match name.as_str() {
                    // The source differs by design: files here, the control plane and the agent there.
                    "sds_config" | "eds_config" | "config_source" => *value = json!("(pushed)"),
                    _ => canonical(value),
                }
            }
            names_of_peers(fields);
            without_tracer(fields);
            // A locality without endpoints does not count.
            if let Some(Value::Array(localities)) = fields.get_mut("endpoints") {
                localities.retain(|locality| !locality.as_object().is_some_and(Map::is_empty));
            }
            if let Some(Value::Array(chains)) = fields.get_mut("filter_chains") {
                merge_versions(chains);
            }
            if let Some(Value::Array(clusters)) = fields.get_mut("clusters") {
                clusters.iter_mut().for_each(name_offers);
            }
            fields.retain(|name, value| {
                let is_unset = UNSET.iter().any(|(field, unset)| name == field && value == unset);
                let is_empty =
                    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
                // A range from 0, a share of none, and a hash of nothing.
                let is_unset = is_unset || matches!(name.as_str(), "start" | "numerator") && *value == 0;
                let is_unset =
                    is_unset || name == "source_ip" && *value == false || name == "path_redirect" && *value == "";
                !(value.is_null() || is_unset || is_empty && EMPTY.contains(&name.as_str()))
            });
        }
        Value::Array(items) => items.iter_mut().for_each(canonical),
        Value::String(text) => {
            if let Some(duration) = duration(text) {
                *text = duration;
            }
        }
        // Protobuf writes a whole number of a floating-point field without a fraction.
        Value::Number(number) => {
            if let Some(whole) =
                number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0 && value.abs() < 1e15)
            {
                *value = (whole as i64).into();
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Where no tracer is configured, sampling reports nothing; and ids that decide what is sampled are Envoy's default.
fn without_tracer(fields: &mut Map<String, Value>) {
    if fields.get("tracing").is_some_and(|tracing| tracing.is_object() && tracing.get("provider").is_none())
        && let Some(tracing) = fields.shift_remove("tracing")
    {
        fields.insert("(tracing without a tracer)".into(), tracing);
    }
    let ids = fields.get("request_id_extension").map(|ids| &ids["typed_config"]["use_request_id_for_trace_sampling"]);
    if ids == Some(&json!(true)) {
        fields.shift_remove("request_id_extension");
    }
}

/// A duration without trailing zeros: protobuf writes 0.100s, others 0.1s.
fn duration(text: &str) -> Option<String> {
    let number = text.strip_suffix('s')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (is_number && number.contains('.')).then(|| format!("{}s", number.trim_end_matches('0').trim_end_matches('.')))
}

/// The names of which a peer's certificate must have one. The deprecated field has no type, and Envoy matches each name against
/// all four types: equivalent are typed matchers of all types for one name, and a URI matcher for a SPIFFE ID.
fn names_of_peers(fields: &mut Map<String, Value>) {
    const KINDS: [&str; 4] = ["EMAIL", "DNS", "URI", "IP_ADDRESS"];
    let mut taken = |name: &str| match fields.shift_remove(name) {
        Some(Value::Array(items)) => items,
        _ => vec![],
    };
    let (mut any, typed) = (taken("match_subject_alt_names"), taken("match_typed_subject_alt_names"));
    let mut of_one_kind = vec![];
    for name in &typed {
        let of_kind =
            |kind: &&str| typed.iter().any(|other| other["san_type"] == *kind && other["matcher"] == name["matcher"]);
        let is_spiffe = name["san_type"] == "URI" && name["matcher"].to_string().contains("spiffe://");
        if !is_spiffe && !KINDS.iter().all(of_kind) {
            of_one_kind.push(name.clone());
        } else if !any.contains(&name["matcher"]) {
            any.push(name["matcher"].clone());
        }
    }
    for (field, mut names) in [("match_subject_alt_names", any), ("match_typed_subject_alt_names", of_one_kind)] {
        names.sort_by_key(ToString::to_string);
        if !names.is_empty() {
            fields.insert(field.into(), names.into());
        }
    }
}

/// What Istio's filter `istio.alpn` offers for HTTP/1.1 (`pilot/pkg/xds/filters/filters.go`).
const HTTP1: [&str; 3] = ["istio-http/1.1", "istio", "http/1.1"];
/// What it offers for HTTP/2.
const HTTP2: [&str; 3] = ["istio-h2", "istio", "h2"];

/// What a cluster of HTTP offers here of itself, and Istio by its filter: only where the cluster speaks that version.
fn name_offers(cluster: &mut Value) {
    let options =
        &cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    let explicit = &options["explicit_http_config"];
    let offer = if explicit["http_protocol_options"].is_object() {
        (json!(HTTP1), "(offers what istio.alpn offers for HTTP/1.1)")
    } else if explicit["http2_protocol_options"].is_object() {
        (json!(HTTP2), "(offers what istio.alpn offers for HTTP/2)")
    } else {
        return;
    };
    let matched = cluster.get_mut("transport_socket_matches").and_then(Value::as_array_mut);
    let sockets = matched.into_iter().flatten().map(|matched| &mut matched["transport_socket"]);
    let mut name = |socket: &mut Value| {
        if let Some(alpn) =
            socket.pointer_mut("/typed_config/common_tls_context/alpn_protocols").filter(|a| **a == offer.0)
        {
            *alpn = offer.1.into();
        }
    };
    sockets.for_each(&mut name);
    if let Some(socket) = cluster.get_mut("transport_socket") {
        name(socket);
    }
}

/// One chain of the two that the compiler writes for the versions of HTTP, each with what its upstream handshake offers
/// (`offer` in `compile/filters.rs`): Istio has one, whose filter `istio.alpn` offers by version.
fn merge_versions(chains: &mut Vec<Value>) {
    let protocols = |chain: &Value| chain["filter_chain_match"]["application_protocols"].clone();
    let rest = |chain: &Value| chain["filters"].as_array().map(|filters| filters.get(1..).unwrap_or_default().to_vec());
    let offers = |chain: &Value, alpn: [&str; 3]| {
        let config = &chain["filters"][0]["typed_config"]["on_new_connection"];
        config.as_array().is_some_and(|state| state.len() == 1)
            && config[0]["object_key"] == "envoy.network.application_protocols"
            && config[0]["shared_with_upstream"] == "ONCE"
            && config[0]["format_string"]["text_format_source"]["inline_string"] == alpn.join(",")
    };
    let mut i = 1;
    while i < chains.len() {
        let (first, second) = (&chains[i - 1], &chains[i]);
        let are_versions = protocols(first) == json!(["http/1.1"]) && protocols(second) == json!(["h2c"]);
        if are_versions && offers(first, HTTP1) && offers(second, HTTP2) && rest(first) == rest(second) {
            chains.remove(i);
            chains[i - 1]["filter_chain_match"]["application_protocols"] = json!(["http/1.1", "h2c"]);
            // It keeps its place in the order.
            chains[i - 1]["filters"][0] = json!({"name": "(offers what istio.alpn offers)"});
        } else {
            i += 1;
        }
    }
}
