//! Connection tracking events.

use std::net::SocketAddr;

use netns::{PodSpec, Tracked, Tracking};
use pretty_assertions::assert_eq;

use crate::common::{call, lab, pod, serve_once, v4};

/// A rule that redirects one port to another.
fn redirect(from: u16, to: u16) -> String {
    format!("*nat\n-A PREROUTING -p tcp --dport {from} -j REDIRECT --to-ports {to}\nCOMMIT\n")
}

#[test]
fn a_redirect_is_reported_by_the_pod_that_makes_it_even_if_the_connection_is_refused() {
    let Some(lab) = lab() else { return };
    let server = PodSpec { iptables: Some(redirect(80, 81)), ..pod("server", 3) };
    let pods = lab.add_pods([pod("client", 2), server]).unwrap();
    let tracking = Tracking::start(&pods).unwrap();
    let at = |port| SocketAddr::new(v4(3).into(), port);
    // Nothing listens on port 81.
    call(&pods[0], at(80)).unwrap_err();
    let (open, served) = serve_once(&pods[1], v4(3).into());
    call(&pods[0], open).unwrap();
    let source = served.join().unwrap();

    let mut taken = tracking.take();
    assert_eq!(taken["client"].connections, [], "a pod without rules tracks nothing");
    let server = taken.remove("server").unwrap();
    assert!(!server.incomplete);
    let [refused, accepted] = server.connections[..] else { panic!("{server:?}") };
    assert_eq!((refused.dialled, refused.reached), (at(80), at(81)));
    assert_eq!(accepted, Tracked { source, dialled: open, reached: open });
    assert_eq!(tracking.take()["server"].connections, [], "each is reported once");
}
