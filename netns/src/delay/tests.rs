use pretty_assertions::assert_eq;

use super::*;

#[test]
fn lost_packets_are_those_dropped_by_the_queue_and_by_the_socket() {
    // number, peer port id, queue length, copy mode and range, dropped by the queue and by the socket, last id, 1
    let counters = "    0   1234    17 1     0     3     4     5000  1\n";
    assert_eq!(lost(counters), 7);
    assert_eq!(lost(""), 0);
    assert_eq!(lost("what is this\n"), 0);
}

#[test]
fn a_delay_over_the_limit_is_refused_before_anything_is_made() {
    let error = Line::start(LONGEST + Duration::from_nanos(1)).unwrap_err();
    assert_eq!(error.to_string(), "a delay of 10.000000001s: the limit is 10s");
}
