//! What Envoy offers in its ClientHello.

use pretty_assertions::assert_eq;

use super::*;

fn offered(bytes: &[u8]) -> Offered {
    let record = tls_parser::parse_tls_plaintext(bytes).expect("a record").1;
    let hello = record.msg.iter().find_map(|message| match message {
        tls_parser::TlsMessage::Handshake(tls_parser::TlsMessageHandshake::ClientHello(hello)) => hello.ext,
        _ => None,
    });
    let extensions =
        tls_parser::parse_tls_client_hello_extensions(hello.expect("a ClientHello")).expect("extensions").1;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut offered = (None, vec![]);
    for extension in extensions {
        match extension {
            tls_parser::TlsExtension::SNI(names) => offered.0 = names.first().map(|(_, name)| text(name)),
            tls_parser::TlsExtension::ALPN(protocols) => offered.1 = protocols.into_iter().map(text).collect(),
            _ => {}
        }
    }
    offered
}

#[test]
fn envoys_client_hello_is_the_expected_one() {
    if !has_envoy() {
        return;
    }
    let (sender, hellos) = mpsc::channel();
    let port = upstream(move |mut stream| {
        let mut hello = vec![0; 16 * 1024];
        let length = stream.read(&mut hello).unwrap_or(0);
        let _ = sender.send(offered(&hello[..length])); // the test may have ended
    });
    let secured = |name: &str, sni: &str, alpn: &[&str], options: &Value| {
        let mut cluster = cluster(name, port);
        let context = json!({"@type": TLS, "sni": sni, "common_tls_context": {"alpn_protocols": alpn}});
        cluster["transport_socket"] = json!({"name": "tls", "typed_config": context});
        let mut typed = json!({"@type": HTTP_OPTIONS});
        typed.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
        cluster["typed_extension_protocol_options"] =
            json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed});
        cluster
    };
    let http1 = json!({"explicit_http_config": {"http_protocol_options": {}}});
    let auto = json!({"explicit_http_config": {"http_protocol_options": {}}, "upstream_http_protocol_options": {"auto_sni": true}});
    let clusters = [
        secured("auto", "static", &[], &auto),
        secured("auto-alone", "", &[], &auto),
        secured("fixed", "static", &[], &http1),
        secured("alpn", "static", &["x", "y"], &http1),
        secured("http2", "static", &[], &json!({"explicit_http_config": {"http2_protocol_options": {}}})),
        secured("downstream", "static", &[], &json!({"use_downstream_protocol_config": {}})),
    ];
    let names: Vec<&str> = clusters.iter().map(|cluster| cluster["name"].as_str().expect("a name")).collect();
    let route = |name: &&str| json!({"match": {"path": format!("/{name}")}, "route": {"cluster": name}});
    let routes = configuration("r", &names.iter().map(route).collect::<Vec<_>>());
    let state = |key: &str, value: &str| {
        let value = json!({"object_key": key, "shared_with_upstream": "ONCE",
                           "format_string": {"text_format_source": {"inline_string": value}}});
        [json!({"name": "state", "typed_config": {"@type": FILTER_STATE, "on_new_connection": [value]}})]
    };
    let protocols = ["q".to_owned(), "r".to_owned()];
    let states = [
        ("none", vec![], HelloFacts::default()),
        (
            "sni",
            state("envoy.network.upstream_server_name", "from-state").to_vec(),
            HelloFacts { state_server_name: Some("from-state"), ..HelloFacts::default() },
        ),
        (
            "alpn",
            state("envoy.network.application_protocols", "q,r").to_vec(),
            HelloFacts { state_alpn: Some(&protocols), ..HelloFacts::default() },
        ),
    ];
    let listeners = states.iter().map(|(name, filters, _)| listener(name, &routes, filters));
    let envoy = Envoy::start(&listeners.collect::<Vec<_>>(), &clusters);
    let hosts = [
        "a.b",
        "a.b:80",
        "A.B",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]:80",
        "::1",
        "fd00::1",
        "fd00::",
        "a:b",
        "a:",
        "a.b:99999",
    ];
    for (name, _, facts) in &states {
        let address = format!("127.0.0.1:{}", envoy.port(name));
        for cluster in &clusters {
            let typed: envoy_api::Cluster = envoy_api::read_value(cluster.clone()).expect("a cluster");
            let context = &cluster["transport_socket"]["typed_config"];
            let mut context = context.clone();
            context.as_object_mut().expect("an object").shift_remove("@type");
            let context: UpstreamTlsContext = envoy_api::read_value(context).expect("a context");
            let options = http_options(&typed).and_then(|options| options.upstream_http_protocol_options.as_ref());
            for host in hosts {
                get(&address, host, &format!("/{}", typed.name), "");
                let seen = hellos.recv_timeout(PATIENCE).expect("a ClientHello");
                let request = Some((host, http_version(&typed, HttpVersion::Http1)));
                let hello = Hello::new(&context, options, HelloFacts { request, ..*facts });
                let expected = (hello.server_name.map(ToOwned::to_owned), hello.alpn.protocols());
                assert_eq!(seen, expected, "{name} {} {host}", typed.name);
            }
        }
    }
}
