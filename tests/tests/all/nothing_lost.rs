//! User data is safe: folders that are not labs, paths in manifests, private keys.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use tests::{folder, labs::OwnLabs, may_make_labs, sidelab, text};

#[test]
fn a_folder_that_is_not_a_lab_survives_every_command_and_is_named() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let run = labs.path();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("mine"), "mine").unwrap();
    for folder in ["notes", "sl-dead", "sl-1234-old"] {
        fs::create_dir_all(run.join(folder)).unwrap();
        fs::write(run.join(folder).join("mine"), "mine").unwrap();
    }
    symlink(outside.path(), run.join("sl-beef")).unwrap();
    fs::write(run.join("file"), "mine").unwrap();

    let foreign = ["notes", "sl-dead", "sl-1234-old", "sl-beef"];
    let names_them_all = |printed: &str| {
        foreign.iter().all(|name| printed.contains(&format!("/{name} is not a lab, and was left alone: ")))
    };
    let listed = labs.sidelab(&["get", "labs"]);
    assert!(listed.status.success() && names_them_all(&text(&listed)), "{}", text(&listed));
    for name in ["..", ".", "a/b", "/", "", "notes", "sl-dead", "sl-1234-old", "sl-beef", "sl-beef/", "sl-0000"] {
        let refused = labs.sidelab(&["down", name]);
        assert_eq!(refused.status.code(), Some(2), "down {name:?}: {}", text(&refused));
    }
    let swept = labs.sidelab(&["down", "--all", "--force"]);
    assert!(swept.status.success() && names_them_all(&text(&swept)), "{}", text(&swept));

    for folder in foreign {
        assert_eq!(fs::read_to_string(run.join(folder).join("mine")).unwrap(), "mine", "{folder}");
    }
    assert_eq!(fs::read_to_string(run.join("file")).unwrap(), "mine");
    // This test removes them itself.
    fs::remove_dir_all(run).unwrap();
}

#[test]
fn the_record_of_the_last_run_outlives_the_labs() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.done(&["run", "loopback-app", "--mesh", "istio"]);
    let record = labs.path().join(lab::last_run::FILE);
    let before = fs::read(&record).unwrap();
    labs.done(&["down", "--all"]);
    assert_eq!(fs::read(&record).unwrap(), before);
}

#[test]
fn a_folder_named_by_the_user_stays_and_keeps_its_mode() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    fs::create_dir(labs.path()).unwrap();
    fs::set_permissions(labs.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    labs.up(&["-f", "scenarios/strict/manifests.yaml"]);
    labs.done(&["down"]);
    assert_eq!(fs::metadata(labs.path()).unwrap().mode() & 0o7777, 0o1777);
}

/// A pod whose document has a hostile path in one field, and the expected error; `None` if a cluster accepts it: then it must not lead
/// out of the pod.
struct Escape {
    document: String,
    refused: Option<&'static str>,
}

fn escape(document: impl Into<String>, refused: impl Into<Option<&'static str>>) -> Escape {
    Escape { document: document.into(), refused: refused.into() }
}

/// A pod with a volume at `/etc/v`.
fn pod_with(volume: &str) -> String {
    pod("a", "a", &format!("volumeMounts: [{{name: v, mountPath: /etc/v}}]}}]\n  volumes: [{{name: v, {volume}}}]"))
}

/// A pod; `rest` continues its container.
fn pod(name: &str, container: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{sidecar.istio.io/inject: \"false\"}}}}\nspec:\n  \
         containers: [{{name: {container}, image: sidelab/demo-client, command: [sleep, infinity], {rest}\n"
    )
}

/// A pod with a sidecar that mounts `item` at `mount_path`, by annotations.
fn pod_with_sidecar_volume(item: &str, mount_path: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {{sidecar.istio.io/inject: \"true\"}}\n  annotations:\n    \
         sidecar.istio.io/userVolume: '{{\"v\": {{\"secret\": {{\"secretName\": \"s\", \"items\": [{{\"key\": \"k\", \"path\": \"{item}\"}}]}}}}}}'\n    \
         sidecar.istio.io/userVolumeMount: '{{\"v\": {{\"mountPath\": \"{mount_path}\"}}}}'\nspec:\n  \
         containers: [{{name: a, image: sidelab/demo-client, command: [sleep, infinity]}}]\n"
    )
}

/// Every field of a manifest that could become part of a path in a pod's folder, with `target` in it.
fn escapes(target: &Path) -> Vec<Escape> {
    const RELATIVE: &str = "must be a relative path";
    const NO_BACKSTEPS: &str = "must not contain '..'";
    let absolute = target.display();
    let above = format!("../../../../../../../../../../../..{absolute}");
    let mut all = Vec::new();
    for (path, why) in
        [(absolute.to_string(), RELATIVE), (above.clone(), NO_BACKSTEPS), (format!("a/{above}"), NO_BACKSTEPS)]
    {
        for source in ["secret: {secretName: s, ", "configMap: {name: c, "] {
            all.push(escape(pod_with(&format!("{source}items: [{{key: k, path: \"{path}\"}}]}}")), why));
        }
        all.push(escape(pod_with_sidecar_volume(&path, "/etc/v"), why));
        // Sources that are not supported create no files.
        for source in [
            format!("projected: {{sources: [{{secret: {{name: s, items: [{{key: k, path: \"{path}\"}}]}}}}]}}"),
            format!("projected: {{sources: [{{serviceAccountToken: {{path: \"{path}\"}}}}]}}"),
            format!("downwardAPI: {{items: [{{path: \"{path}\", fieldRef: {{fieldPath: metadata.name}}}}]}}"),
            format!("hostPath: {{path: \"{path}\"}}"),
        ] {
            all.push(escape(pod_with(&source), None));
        }
        for field in ["subPath", "subPathExpr"] {
            let mount = format!(
                "volumeMounts: [{{name: v, mountPath: /etc/v, {field}: \"{path}\"}}]}}]\n  volumes: [{{name: v, secret: {{secretName: s}}}}]"
            );
            all.push(escape(pod("a", "a", &mount), why));
        }
        // There is nothing above a container's root.
        let mount = format!(
            "volumeMounts: [{{name: v, mountPath: \"{path}\"}}]}}]\n  volumes: [{{name: v, secret: {{secretName: s}}}}]"
        );
        all.push(escape(pod("a", "a", &mount), None));
        all.push(escape(pod_with_sidecar_volume("k", &path), None));
        for (kind, field) in
            [("Secret", "stringData"), ("ConfigMap", "data"), ("ConfigMap", "binaryData"), ("Secret", "data")]
        {
            let object = format!(
                "apiVersion: v1\nkind: {kind}\nmetadata: {{name: keyed}}\n{field}: {{\"{path}\": aGVsbG8=}}\n---\n"
            );
            let source = if kind == "Secret" { "secret: {secretName: keyed}" } else { "configMap: {name: keyed}" };
            all.push(escape(object + &pod_with(source), "a key is letters, digits, '-', '_' and '.'"));
        }
        all.push(escape(pod(&format!("\"{path}\""), "a", "}]"), "metadata.name"));
        all.push(escape(pod("a", &format!("\"{path}\""), "}]"), "is not a container name"));
        let namespaced = pod("a", "a", "}]").replacen("name: a,", &format!("name: a, namespace: \"{path}\","), 1);
        all.push(escape(namespaced, "metadata.namespace"));
        all.push(escape(pod_with(&format!("secret: {{secretName: \"{path}\"}}")), None));
    }
    all
}

#[test]
fn no_path_in_a_manifest_leads_out_of_its_pod() {
    if !may_make_labs() {
        return;
    }
    let sources = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: escaped}\n---\n\
                   apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: escaped}\n---\n";
    // The folder exists, so that only the program protects it.
    let outside = tempfile::tempdir_in("/var/tmp").unwrap();
    let target = outside.path().join("escaped");
    let labs = OwnLabs::new();
    let mut taken = 0;
    for Escape { document, refused } in escapes(&target) {
        let (_folder, files) = folder(&[("pod.yaml", &format!("{sources}{document}"))]);
        let file = files[0].to_str().unwrap();
        let validated = sidelab(&["validate", "-f", file]);
        let up = labs.sidelab(&["up", "-f", file]);
        assert!(!target.exists(), "{document}");
        if let Some(why) = refused {
            assert_eq!(validated.status.code(), Some(2), "{document}{}", text(&validated));
            assert!(text(&validated).contains(why), "{document}{}", text(&validated));
            assert_eq!(up.status.code(), Some(2), "{document}{}", text(&up));
        } else if up.status.success() {
            taken += 1;
            labs.done(&["down"]);
        }
        assert!(!target.exists(), "{document}");
    }
    assert!(taken > 0, "a lab of manifests that a cluster accepts comes up");
}

#[test]
fn keys_secrets_and_logs_are_private() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", "scenarios/app-tls/manifests.yaml"]);
    let lab = labs.path().join(&id);
    // Whether the mode of the file, or of a folder on the way to it, excludes other users.
    let closed = |file: &Path| {
        let way = file.ancestors().take_while(|path| *path != labs.path());
        way.into_iter().any(|path| fs::metadata(path).unwrap().mode() & 0o007 == 0)
    };
    let mut keys = 0;
    for file in files_below(&lab) {
        let has_key = fs::read(&file).is_ok_and(|text| text.windows(11).any(|part| part == b"PRIVATE KEY"));
        let is_log = file.extension().is_some_and(|extension| extension == "log" || extension == "stderr");
        if has_key || is_log || file.ends_with("manifests.json") {
            assert!(closed(&file), "{}", file.display());
            keys += usize::from(has_key);
        }
    }
    assert!(keys >= 3, "sidecars' and an app's keys are among them");

    let captures = tempfile::tempdir().unwrap();
    let folder = captures.path().join("new");
    labs.done(&["run", "strict", "--mesh", "istio", "--pcap", folder.to_str().unwrap()]);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("strict-istio-native.pcapng"))), (0o700, 0o600));
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let below = |path: PathBuf| if path.is_dir() && !path.is_symlink() { files_below(&path) } else { vec![path] };
    entries.flat_map(below).filter(|path| path.is_file()).collect()
}

#[test]
fn an_app_can_read_only_its_own_pods_files() {
    if !may_make_labs() {
        return;
    }
    let secret = |name: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{k: \"of {name}\"}}\n---\n")
    };
    let pod = |name: &str, uid: u32| {
        let mount = format!(
            "securityContext: {{runAsUser: {uid}}}, volumeMounts: [{{name: v, mountPath: /etc/v}}]}}]\n  volumes: [{{name: v, secret: {{secretName: {name}}}}}]"
        );
        pod(name, "app", &mount) + "---\n"
    };
    let manifests = secret("one") + &secret("two") + &pod("one", 0) + &pod("two", 2002);
    let (_folder, files) = folder(&[("pods.yaml", &manifests)]);
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", files[0].to_str().unwrap()]);
    assert_eq!(labs.done(&["exec", "one", "--", "cat", "/etc/v/k"]), "of one");
    assert_eq!(labs.done(&["exec", "two", "--", "cat", "/etc/v/k"]), "of two");
    let others = labs.path().join(id).join("pods/two.default/containers/app/mounts/0/k");
    assert_eq!(fs::read_to_string(&others).unwrap(), "of two");
    let refused = labs.sidelab(&["exec", "one", "--", "cat", others.to_str().unwrap()]);
    assert!(text(&refused).contains("No such file or directory"), "{}", text(&refused));
}

#[test]
fn an_app_cannot_read_keys_write_to_the_host_or_see_its_processes_unless_it_is_unconfined() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let written = labs.path().parent().unwrap().join("written");
    let script = format!(
        "exec 2>/dev/null; find {labs} -name '*.key' -o -name keys.log -o -name manifests.json | wc -l; \
         touch {written} && echo written; ls -d /proc/[0-9]*; touch /done/it; exec sleep 1000",
        labs = labs.path().display(),
        written = written.display()
    );
    let manifest = |command: &str| {
        let ready =
            "readinessProbe: {exec: {command: [test, -e, /done/it]}}, volumeMounts: [{name: v, mountPath: /done}]";
        let container = format!("{{name: app, image: any, command: [sh, -c, \"{command}\"], {ready}}}");
        let spec = format!("containers: [{container}], volumes: [{{name: v, emptyDir: {{}}}}]");
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: app}}\nspec: {{{spec}}}\n")
    };
    let (_folder, files) = folder(&[("pod.yaml", &manifest(&script))]);
    let file = files[0].to_str().unwrap();
    let printed = |args: &[&str]| {
        labs.up(&[&["-f", file], args].concat());
        let printed = labs.done(&["logs", "app"]);
        labs.done(&["down"]);
        printed
    };
    let confined = printed(&[]);
    assert_eq!(confined, "0\n/proc/1\n");
    assert!(!written.exists());
    let unconfined = printed(&["--unconfined"]);
    assert!(!unconfined.starts_with("0\n") && unconfined.contains("written\n") && written.exists(), "{unconfined}");
    assert!(unconfined.matches("/proc/").count() > 1, "{unconfined}");
}

#[test]
fn an_empty_input_is_an_error_everywhere() {
    let (folder, files) = folder(&[
        ("empty.yaml", ""),
        ("comments.yaml", "# nothing\n---\n---\n"),
        ("list.yaml", "apiVersion: v1\nkind: List\nitems: []\n"),
    ]);
    let nothing = folder.path().join("folder");
    fs::create_dir(&nothing).unwrap();
    for file in files.iter().chain([&nothing]) {
        let file = file.to_str().unwrap();
        for args in [
            &["validate", "-f", file][..],
            &["explain", "-f", file, "--from", "client", "--to", "server:8080"],
            &["config", "client", "-f", file],
            &["up", "-f", file],
        ] {
            if args[0] == "up" && !may_make_labs() {
                continue;
            }
            let refused = sidelab(args);
            assert_eq!(refused.status.code(), Some(2), "{args:?}: {}", text(&refused));
            let why = text(&refused);
            assert!(why.contains("no manifests in ") || why.contains("contains no document"), "{args:?}: {why}");
        }
    }
}
