//! Pods reach each other, themselves and services, as pods of a cluster do.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use crate::common::{call, lab, pod, serve_once, v4, v6};
use netns::ServiceSpec;
use pretty_assertions::assert_eq;

#[test]
fn pods_reach_each_other_over_both_ip_versions() {
    let Some(lab) = lab() else { return };
    let before = Instant::now();
    let pods = lab.add_pods([pod("client", 2), pod("server", 3)]).unwrap();
    eprintln!("a pair of pods took {:?}", before.elapsed());
    let [client, server] = &pods[..] else { panic!("asked for two pods") };
    for (to, from) in [(IpAddr::V4(v4(3)), IpAddr::V4(v4(2))), (IpAddr::V6(v6(3)), IpAddr::V6(v6(2)))] {
        let (address, served) = serve_once(server, to);
        assert_eq!(call(client, address).unwrap(), "server");
        assert_eq!(served.join().unwrap().ip(), from);
    }
}

#[test]
fn a_service_leads_to_its_endpoints_and_to_the_caller_itself() {
    let Some(lab) = lab() else { return };
    let pods = lab.add_pods([pod("client", 2), pod("server", 3)]).unwrap();
    for (vip, client, server) in
        [("10.96.0.10", v4(2).into(), v4(3).into()), ("fd00:96::a", v6(2).into(), v6(3).into())]
    {
        let vip = SocketAddr::new(vip.parse().unwrap(), 80);
        for (endpoint, address) in [(&pods[1], server), (&pods[0], client)] {
            let (to, served) = serve_once(endpoint, address);
            lab.set_services(&[ServiceSpec {
                name: "default/server:http".to_owned(),
                vip: vip.ip(),
                port: vip.port(),
                endpoints: vec![(to.ip(), to.port())],
            }])
            .unwrap();
            assert_eq!(call(&pods[0], vip).unwrap(), endpoint.name());
            served.join().unwrap();
        }
        lab.set_services(&[ServiceSpec {
            name: "default/server:http".to_owned(),
            vip: vip.ip(),
            port: vip.port(),
            endpoints: vec![],
        }])
        .unwrap();
        let refused = call(&pods[0], vip).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}
