use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;

fn stop(pod: &str) -> LabFault {
    LabFault::Stop(OfPod { pod: pod.into(), container: "istio-proxy".into() })
}

fn partition(a: &str, b: &str) -> LabFault {
    LabFault::Partition(Between { pods: [a.into(), b.into()], port: None })
}

#[test]
fn a_rate_is_a_number_of_bits_with_a_unit() {
    for (text, bytes) in [("1mbit", 125_000), ("500kbit", 62_500), ("8bit", 1)] {
        let rate: Rate = text.parse().unwrap();
        assert_eq!((rate.bytes_per_second(), rate.to_string().as_str()), (bytes, text));
    }
    for wrong in ["1", "1mb", "0kbit", "7bit", "-1kbit", "99999999999gbit"] {
        assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
    }
}

#[test]
fn faults_are_written_in_the_words_of_the_command_line() {
    let written = [
        json!({"partition": {"pods": ["client", "server"]}}),
        json!({"drop": {"pods": ["client", "server"], "port": 8080, "percent": 20}}),
        json!({"throttle": {"pods": ["client", "server"], "rate": "1mbit"}}),
        json!({"stop": {"pod": "server", "container": "app"}}),
        json!("istiod"),
    ];
    for one in written {
        let fault: LabFault = serde_json::from_value(one.clone()).unwrap();
        assert_eq!(serde_json::to_value(fault).unwrap(), one);
    }
    assert_eq!(serde_json::from_value::<LabFault>(json!({"stop": {"pod": "server"}})).unwrap(), stop("server"));
}

#[test]
fn a_fault_that_is_there_is_not_made_twice_and_one_that_is_not_there_is_not_cleared() {
    let mut faults = Faults::default();
    assert_eq!(faults.add(stop("a.default")).unwrap(), 1);
    assert_eq!(faults.add(LabFault::Istiod).unwrap(), 2);
    let twice = faults.add(stop("a.default")).unwrap_err().to_string();
    assert_eq!(twice, "this is fault 1: istio-proxy of a.default is stopped");
    assert_eq!(faults.take(&[2, 7]).unwrap_err().to_string(), "there is no fault 7; `sidelab fault list` lists them");
    assert_eq!(faults.numbers(), [1, 2], "nothing was removed");
    assert_eq!(faults.take(&[1]).unwrap().len(), 1);
    assert_eq!(faults.without_istiod(), Some(2));
}

#[test]
fn a_fault_ends_with_what_it_is_of() {
    let mut faults = Faults::default();
    for fault in [stop("a.default"), stop("b.default"), partition("a.default", "b.default"), LabFault::Istiod] {
        faults.add(fault).unwrap();
    }
    faults.end_with_pods(|_| false, |pod| pod == "a.default");
    assert_eq!(faults.numbers(), [2, 3, 4], "a pod that is made again has new programs and the same addresses");
    faults.end_with_pods(|pod| pod == "b.default", |_| false);
    assert_eq!(faults.numbers(), [4]);
}
