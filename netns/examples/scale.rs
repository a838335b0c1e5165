//! scratch
use netns::*;
use std::time::Instant;
fn main() {
    let n: u8 = std::env::args().nth(1).unwrap().parse().unwrap();
    let rules = std::fs::read_to_string("/tmp/rules").unwrap();
    let t = Instant::now();
    let lab = Lab::create(LabSpec::default()).unwrap();
    println!("create {:?}", t.elapsed());
    let t = Instant::now();
    let pods = lab
        .add_pods((2..2 + n).map(|i| PodSpec {
            iptables: Some(rules.clone()),
            ip6tables: Some(rules.clone()),
            ..PodSpec::new(format!("p{i}"), [10, 244, 0, i].into(), format!("fd00:244::{i}").parse().unwrap())
        }))
        .unwrap();
    println!("pods {:?}", t.elapsed());
    let t = Instant::now();
    let c = Capture::start(&pods).unwrap();
    println!("capture {:?}", t.elapsed());
    let t = Instant::now();
    for p in &pods {
        p.run_to_end(&Program::new("x", "true", [""; 0]), std::time::Duration::from_secs(5)).unwrap();
    }
    println!("run {:?}", t.elapsed());
    let t = Instant::now();
    drop(c.stop());
    println!("stop {:?}", t.elapsed());
    let t = Instant::now();
    lab.remove().unwrap();
    println!("remove {:?}", t.elapsed());
}
