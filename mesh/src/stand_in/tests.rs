use pretty_assertions::assert_eq;

use super::*;
use crate::testing::mesh;

/// The stand-in for the only container of a pod with this spec, behind a Service with these ports.
fn of(metadata: &str, container: &str, ports: &str) -> StandIn {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, labels: {{app: p}}, {metadata}}}\nspec: {{containers: [{{name: c, image: 'example.com/app:1', {container}}}]}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{selector: {{app: p}}, ports: [{ports}]}}\n"
    );
    let mut found = vacancies(&mesh(&text), &|program| program == "here");
    assert_eq!(found.len(), 1);
    found.remove(0).stand_in
}

#[test]
fn it_speaks_the_protocol_of_the_services_port() {
    for (port, speaks) in [
        ("name: http", Speaks::Http),
        ("name: grpc-api", Speaks::Http2),
        ("name: https", Speaks::Https),
        ("appProtocol: tls", Speaks::Tls),
        ("name: redis", Speaks::Tcp),
        ("name: tcp", Speaks::Any),
        ("name: whatever", Speaks::Any),
    ] {
        let found = of("", "", &format!("{{{port}, port: 80, targetPort: 8080}}"));
        assert_eq!(found.ports, [(8080, speaks)], "{port}");
    }
}

#[test]
fn a_probe_takes_precedence_over_the_services_port() {
    let probe = "readinessProbe: {httpGet: {port: 8080, scheme: HTTPS}}";
    assert_eq!(of("", probe, "{name: http, port: 80, targetPort: 8080}").ports, [(8080, Speaks::Https)]);
}

#[test]
fn a_server_that_speaks_first_is_recognized_by_port_or_name() {
    let ports = "{name: smtp, port: 2500}, {name: x, port: 3306}, {name: z, port: 3307}";
    let found = of("", "ports: [{containerPort: 2500, name: smtp}]", ports);
    assert_eq!(found.ports, [(2500, Speaks::TcpGreeting), (3306, Speaks::TcpGreeting), (3307, Speaks::Any)]);
}

#[test]
fn an_annotation_takes_precedence() {
    let annotation = "annotations: {sidelab.io/app-speaks: '8080=tcp,greeting'}";
    let found = of(annotation, "", "{name: http, port: 80, targetPort: 8080}, {name: x, port: 90}");
    assert_eq!(found.ports, [(90, Speaks::TcpGreeting), (8080, Speaks::Tcp)]);
    assert!(parse_speaks("8080=gopher").is_err() && parse_speaks("x=http").is_err());
}

#[test]
fn a_missing_certificate_is_issued_for_the_names_of_the_service() {
    let found = of("", "", "{name: https, port: 443}");
    assert_eq!(found.names, ["s.default.svc.cluster.local", "s.default.svc", "s.default", "s"]);
    assert_eq!(of("", "", "{name: http, port: 80}").names, Vec::<String>::new());
}

#[test]
fn programs_of_the_host_and_sidelabs_own_need_no_stand_in() {
    let pod = |name: &str, container: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: c, {container}}}]}}\n"
        )
    };
    let text = pod("a", "image: app, command: [here]")
        + &pod("b", "image: sidelab/demo-client")
        + &pod("c", "image: app, command: [gone]");
    let mut mesh = Resolved::clone(&mesh(&text));
    let found = vacancies(&mesh, &|program| program == "here");
    assert_eq!(found.iter().map(|vacancy| vacancy.pod).collect::<Vec<_>>(), [2]);
    fill(&mut mesh, &found);
    assert_eq!(mesh.pods[2].containers[0].command, ["sleep", "infinity"], "it has no known port");
}
