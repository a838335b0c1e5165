//! What a program in a pod cannot reach.

use std::{fs, path::Path, process::Command};

use netns::{Bind, Pod, PodSpec, Program, User};
use pretty_assertions::assert_eq;

use crate::common::{PATIENCE, lab, pod};

fn sh(script: &str) -> Program {
    Program::new("script", "sh", ["-c", script])
}

/// What a script prints, whether it succeeds or not.
fn printed(pod: &Pod, program: &Program) -> String {
    let output = pod.run_to_end(program, PATIENCE).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_can_write_only_to_what_is_mounted_for_it() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let own = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folders = ["/", "/etc", "/usr/bin", "/root", "/var", elsewhere.path().to_str().unwrap(), "/own", "/tmp"];
    let tries: Vec<String> = folders.iter().map(|folder| format!("touch {folder}/sl-test && echo {folder}")).collect();
    let binds = vec![Bind { source: own.path().into(), target: "/own".into() }];
    assert_eq!(printed(&pod, &Program { binds, ..sh(&tries.join(";")) }), "/own\n/tmp\n");
    assert!(own.path().join("sl-test").exists());
    assert!(!Path::new("/tmp/sl-test").exists(), "its /tmp is not the host's");
    for file in ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/etc/hostname"] {
        let script = format!("[ ! -e {file} ] || {{ echo x >>{file}; }} 2>/dev/null && [ -e {file} ] && echo written");
        assert_eq!(printed(&pod, &sh(&script)), "", "{file}");
    }
}

#[test]
fn a_program_cannot_undo_that() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    for script in [
        "mount -o remount,rw /etc",
        "umount /tmp",
        "mount -t tmpfs none /mnt",
        "unshare --mount true",
        "nsenter --target 1 --net=/proc/1/ns/net ip link set eth0 down",
        "mknod /tmp/disk b 8 0",
    ] {
        let output = pod.run_to_end(&sh(script), PATIENCE).unwrap();
        assert!(!output.status.success(), "{script}");
    }
}

#[test]
fn a_program_sees_neither_the_files_of_labs_nor_the_hosts_sockets_and_devices() {
    let Some(lab) = lab() else { return };
    let client = lab.add_pod(pod("client", 2)).unwrap();
    let server = lab.add_pod(pod("server", 3)).unwrap();
    let key = server.dir().join("key.pem");
    fs::write(&key, "secret").unwrap();
    let script = format!("cat {} 2>/dev/null; ls {} 2>/dev/null; ls /run; ls /dev", key.display(), lab.dir().display());
    let devices = "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    assert_eq!(printed(&client, &sh(&script)), devices);
    let other = lab.add_pod(PodSpec { unconfined: true, ..pod("other", 4) }).unwrap();
    assert_eq!(printed(&other, &sh(&format!("cat {}", key.display()))), "secret");
}

#[test]
fn a_program_sees_no_process_but_its_own() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let script = format!("echo $$; echo /proc/[0-9]*; kill -0 {} 2>&1 || echo refused", std::process::id());
    let seen = printed(&pod, &sh(&script));
    assert!(seen.starts_with("1\n/proc/1\n") && seen.ends_with("refused\n"), "{seen}");
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = other.id();
    let unconfined = lab.add_pod(PodSpec { unconfined: true, ..self::pod("other", 3) }).unwrap();
    assert_eq!(printed(&unconfined, &sh(&format!("kill -0 {pid} && echo sees it"))), "sees it\n");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_program_has_the_capabilities_of_a_container() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ours = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
    let ours = u64::from_str_radix(ours.trim(), 16).unwrap();
    // In the order of linux/capability.h, as `capsh --decode` prints them.
    let (container, net_admin, none) = (0xa004_25fb, 0x1000, 0);
    let ordinary = Some(User { uid: 1000, gid: 1000 });
    for (program, bounds, effective) in [
        (Program::default(), container, container),
        (Program { network_admin: true, ..Program::default() }, container | net_admin, container | net_admin),
        (Program { user: ordinary, ..Program::default() }, container, none),
    ] {
        let Program { name, file, args, .. } = sh("grep -E 'CapBnd|CapEff' /proc/self/status | sort");
        let seen = printed(&pod, &Program { name, file, args, ..program });
        let expected = format!("CapBnd:\t{:016x}\nCapEff:\t{:016x}\n", ours & bounds, ours & effective);
        assert_eq!(seen, expected);
    }
}
