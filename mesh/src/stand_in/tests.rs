use pretty_assertions::assert_eq;

use super::*;
use crate::testing::mesh;

/// What would stand in for the only container of a pod with this spec, beside a Service with these ports.
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
fn it_speaks_what_the_services_port_says() {
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
fn a_probe_knows_better_than_the_services_port() {
    let probe = "readinessProbe: {httpGet: {port: 8080, scheme: HTTPS}}";
    assert_eq!(of("", probe, "{name: http, port: 80, targetPort: 8080}").ports, [(8080, Speaks::Https)]);
}

#[test]
fn a_server_that_speaks_first_is_known_by_its_port_or_its_name() {
    let ports = "{name: smtp, port: 2500}, {name: x, port: 3306}, {name: z, port: 3307}";
    let found = of("", "ports: [{containerPort: 2500, name: smtp}]", ports);
    assert_eq!(found.ports, [(2500, Speaks::TcpGreeting), (3306, Speaks::TcpGreeting), (3307, Speaks::Any)]);
}

#[test]
fn an_annotation_has_the_last_word() {
    let said = "annotations: {sidelab.io/app-speaks: '8080=tcp,greeting'}";
    let found = of(said, "", "{name: http, port: 80, targetPort: 8080}, {name: x, port: 90}");
    assert_eq!(found.ports, [(90, Speaks::TcpGreeting), (8080, Speaks::Tcp)]);
    assert!(parse_speaks("8080=gopher").is_err() && parse_speaks("x=http").is_err());
}

#[test]
fn a_certificate_that_is_not_mounted_is_made_for_the_names_of_the_service() {
    let found = of("", "", "{name: https, port: 443}");
    assert_eq!(found.names, ["s.default.svc.cluster.local", "s.default.svc", "s.default", "s"]);
    assert_eq!(of("", "", "{name: http, port: 80}").names, Vec::<String>::new());
}

#[test]
fn a_program_that_is_here_and_one_of_sidelabs_own_need_none() {
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
    assert_eq!(mesh.pods[2].containers[0].command, ["sleep", "infinity"], "nothing says where it listens");
}
