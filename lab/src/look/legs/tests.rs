use super::*;

fn legs(has_sidecar: bool) -> Legs {
    let ips = PodIps { v4: "10.244.0.2".parse().unwrap(), v6: "fd00:244::2".parse().unwrap() };
    Legs { ips, has_sidecar, to_sidecar: HashSet::new(), to_itself: HashSet::new() }
}

fn ends(source: &str, destination: &str) -> Ends {
    Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap(), opens: false }
}

#[test]
fn a_redirected_connection_and_its_answers_are_leg_1() {
    let mut legs = legs(true);
    let mut leg = |source, destination| legs.leg(Interface::Lo, ends(source, destination));
    assert_eq!(leg("10.96.0.10:8080", "10.244.0.2:40000"), Some(LegNumber::ToSidecar), "an answer, before any request");
    assert_eq!(leg("10.244.0.2:40000", "127.0.0.1:15001"), Some(LegNumber::ToSidecar));
    assert_eq!(leg("10.96.0.10:8080", "10.244.0.2:40000"), Some(LegNumber::ToSidecar));
}

#[test]
fn between_pods_it_is_leg_2_and_from_the_sidecar_to_its_app_leg_3() {
    let mut legs = legs(true);
    assert_eq!(legs.leg(Interface::Eth0, ends("10.244.0.2:1", "10.244.0.3:8080")), Some(LegNumber::BetweenPods));
    assert_eq!(legs.leg(Interface::Lo, ends("127.0.0.6:5", "10.244.0.2:8080")), Some(LegNumber::ToApp));
    assert_eq!(legs.leg(Interface::Lo, ends("10.244.0.2:8080", "127.0.0.6:5")), Some(LegNumber::ToApp));
    assert_eq!(legs.leg(Interface::Lo, ends("[::6]:5", "[fd00:244::2]:8080")), Some(LegNumber::ToApp));
    assert_eq!(legs.leg(Interface::Lo, ends("127.0.0.1:5", "127.0.0.1:15000")), None, "the admin port");
}

#[test]
fn a_pod_that_calls_itself_meets_its_sidecar_again_as_leg_2() {
    let mut legs = legs(true);
    assert_eq!(legs.leg(Interface::Lo, ends("10.244.0.2:7", "127.0.0.1:15006")), Some(LegNumber::BetweenPods));
    assert_eq!(legs.leg(Interface::Lo, ends("10.244.0.2:8080", "10.244.0.2:7")), Some(LegNumber::BetweenPods));
}

#[test]
fn a_port_that_is_used_again_belongs_to_its_new_connection() {
    let mut legs = legs(true);
    assert_eq!(legs.leg(Interface::Lo, ends("10.244.0.2:9", "127.0.0.1:15001")), Some(LegNumber::ToSidecar));
    let opens = Ends { opens: true, ..ends("10.244.0.2:9", "10.244.0.2:8080") };
    assert_eq!(legs.leg(Interface::Lo, opens), Some(LegNumber::ToApp));
}

#[test]
fn without_a_sidecar_there_is_only_leg_2() {
    let mut legs = legs(false);
    assert_eq!(legs.leg(Interface::Lo, ends("10.244.0.2:9", "10.244.0.2:15000")), Some(LegNumber::BetweenPods));
}
