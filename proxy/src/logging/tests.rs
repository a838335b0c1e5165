use super::*;

#[test]
fn a_warning_comes_once_in_ten_seconds_and_says_how_often_it_was_left_out() {
    let warning = Seldom::new();
    assert_eq!(warning.due_at(0), Some(0));
    assert_eq!([1, 5_000, 9_999].map(|now| warning.due_at(now)), [None; 3]);
    assert_eq!(warning.due_at(10_000), Some(3));
    assert_eq!(warning.due_at(10_001), None);
    assert_eq!(warning.due_at(90_000), Some(1));
}
