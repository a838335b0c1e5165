//! A lab without root: as an ordinary user, in a user namespace.
//!
//! Root first becomes user 65534. If the host does not allow ordinary users user namespaces, the test says that it is skipped, which
//! is a failure if `CI=true`.

use std::{
    env, fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use netns::{Capture, Host, Lab, LabSpec, Pod, PodSpec, Privilege, Program, ServiceSpec, Start, User, labs};

const NOBODY: u32 = 65534;

fn main() {
    if nix::unistd::geteuid().is_root() {
        run_as_ordinary_user();
    } else {
        match Privilege::acquire() {
            Ok(privilege) => {
                assert_eq!(privilege, Privilege::UserNamespace);
                a_lab_works_without_root();
                println!("test a_lab_works_without_root ... ok");
            }
            Err(error) => {
                assert!(env::var("CI").as_deref() != Ok("true"), "{error}");
                println!("skipped: {error}");
            }
        }
    }
}

/// Runs this program from a folder that everybody can reach: the build folder may be inside a private home folder.
fn run_as_ordinary_user() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("rootless");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let runtime = folder.path().join("runtime");
    fs::create_dir(&runtime).unwrap();
    std::os::unix::fs::chown(&runtime, Some(NOBODY), Some(NOBODY)).unwrap();
    let status = Command::new(program).uid(NOBODY).gid(NOBODY).env("XDG_RUNTIME_DIR", &runtime).status().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(fs::read_dir(runtime).unwrap().count(), 0, "something is left behind");
}

fn a_lab_works_without_root() {
    let host = Host::probe();
    assert!(host.can_make_labs(), "{host:#?}");

    let lab = Lab::create(LabSpec::default()).unwrap();
    let redirect = |port| format!("*nat\n-A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports {port}\nCOMMIT\n");
    let client = PodSpec::new("client", [10, 244, 0, 2].into(), "fd00:244::2".parse().unwrap());
    let server = PodSpec {
        iptables: Some(redirect(15006)),
        ip6tables: Some(redirect(15006)),
        ..PodSpec::new("server", [10, 244, 0, 3].into(), "fd00:244::3".parse().unwrap())
    };
    let pods = lab.add_pods([client, server]).unwrap();
    let capture = Capture::start(&pods).unwrap();
    for (any, vip, endpoint) in [("0.0.0.0", "10.96.0.10", "10.244.0.3"), ("::", "fd00:96::a", "fd00:244::3")] {
        let service = ServiceSpec {
            name: "default/server:http".to_owned(),
            vip: vip.parse().unwrap(),
            port: 80,
            endpoints: vec![(endpoint.parse().unwrap(), 8080)],
        };
        lab.set_network(&[service], &[]).unwrap();
        let any: SocketAddr = SocketAddr::new(any.parse().unwrap(), 15006);
        let listener = pods[1].enter(|| TcpListener::bind(any)).unwrap().unwrap();
        let served = thread::spawn(move || listener.accept().unwrap().0.write_all(b"hello").unwrap());
        let vip = SocketAddr::new(vip.parse().unwrap(), 80);
        let mut stream = pods[0].enter(|| TcpStream::connect(vip)).unwrap().unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).unwrap();
        assert_eq!(received, "hello");
        served.join().unwrap();
    }
    assert!(!capture.stop().packets.is_empty());
    a_delay_holds_packets_back(&lab, &pods[0], &pods[1]);

    let id = Program { user: Some(User { uid: 1337, gid: 1337 }), ..Program::new("id", "id", ["-u"]) };
    let output = pods[0].run_to_end(&id, Duration::from_secs(10)).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "the only user");
    let app = pods[0].start(&Program::new("app", "sleep", ["1000"]), &Start::default()).unwrap();
    assert_eq!(labs().unwrap().labs.len(), 1);
    lab.remove().unwrap();
    assert!(app.wait(Duration::from_secs(10)).unwrap().is_some());
}

fn a_delay_holds_packets_back(lab: &Lab, client: &Pod, server: &Pod) {
    let one_way = Duration::from_millis(5);
    let delay = lab.delay(one_way).unwrap();
    for address in ["10.244.0.3", "fd00:244::3"] {
        let to = SocketAddr::new(address.parse().unwrap(), 0);
        let listener = server.enter(|| TcpListener::bind(to)).unwrap().unwrap();
        let to = listener.local_addr().unwrap();
        let begun = Instant::now();
        client.enter(|| TcpStream::connect(to)).unwrap().unwrap();
        assert!(begun.elapsed() >= 2 * one_way, "connecting to {to} took {:?}", begun.elapsed());
    }
    assert_eq!(delay.lost().unwrap(), 0);
}
