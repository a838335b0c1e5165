use pretty_assertions::assert_eq;

use super::*;

#[test]
fn what_was_lost_is_what_did_not_fit_and_what_did_not_get_here() {
    // number, who has it, waiting, copy mode and range, lost in the kernel and on the way to user space, the last id, 1.
    let counters = "    0   1234    17 1     0     3     4     5000  1\n";
    assert_eq!(lost(counters), 7);
    assert_eq!(lost(""), 0);
    assert_eq!(lost("what is this\n"), 0);
}

#[test]
fn a_way_that_is_too_long_is_refused_before_anything_is_made() {
    let error = Line::start(LONGEST + Duration::from_nanos(1)).unwrap_err();
    assert_eq!(error.to_string(), "a delay of 10.000000001s: the longest way is 10s");
}
