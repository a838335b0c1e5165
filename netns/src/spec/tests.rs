use pretty_assertions::assert_eq;

use super::*;

fn pod(name: &str) -> PodSpec {
    PodSpec::new(name, Ipv4Addr::new(10, 244, 0, 2), "fd00:244::2".parse().unwrap())
}

#[test]
fn names_that_could_leave_the_labs_folder_are_refused() {
    for name in ["", ".", "..", "a/b", "node", "a b", &"a".repeat(201)] {
        assert!(pod(name).check().is_err(), "{name}");
    }
    pod("server-0.default").check().unwrap();
}

#[test]
fn a_pod_without_an_address_is_refused() {
    let spec = PodSpec { name: "client".to_owned(), ..PodSpec::default() };
    assert_eq!(spec.check().unwrap_err().to_string(), "pod `client`: a pod has an IPv4 or an IPv6 address");
}
