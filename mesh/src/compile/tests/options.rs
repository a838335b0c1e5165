//! What no manifest decides: logs, sessions, groups.

use super::*;

/// All files of both pods, compiled with these options; a patch gives the server TLS to its app.
fn files(options: &Options) -> String {
    let (mesh, _) =
        mesh_with_warnings(&format!("{MESH}---\n{}", app_tls::filter("portNumber: 8080", "")), Flavor::Istio);
    let pods = 0..mesh.pods.len();
    let placement = placement(ProxyIdentity::ISTIO, options.clone());
    let all =
        pods.filter(|pod| mesh.pods[*pod].sidecar.is_some()).flat_map(|pod| compile(&mesh, pod, &placement).files(&[]));
    all.map(|(_, text)| text).collect()
}

#[test]
fn logs_are_written_where_they_are_asked_for() {
    let both = files(&Options { key_log: true, ..Options::default() });
    assert!(both.contains("access.log") && both.contains("keys.log"));
    let none = files(&Options { access_log: false, ..Options::default() });
    assert!(!none.contains("access.log") && !none.contains("keys.log"), "{none}");
}

#[test]
fn both_sides_resume_sessions_or_neither() {
    let fields = |resumption| {
        let text = files(&Options { resumption, ..Options::default() });
        ["\"max_session_keys\": 0", "disable_stateless", "disable_stateful"].map(|field| text.contains(field))
    };
    assert_eq!((fields(false), fields(true)), ([true; 3], [false; 3]));
}

#[test]
fn a_group_that_is_named_is_the_only_one_also_of_a_context_that_a_patch_makes() {
    let contexts = |text: &str| text.matches("\"common_tls_context\"").count();
    let text = files(&Options { group: Some("X25519".into()), ..Options::default() });
    assert!(!text.contains("MLKEM"), "{text}");
    assert_eq!(text.matches("\"X25519\"").count(), contexts(&text));
}
