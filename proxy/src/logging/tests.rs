use super::*;

#[test]
fn a_warning_is_logged_every_ten_seconds_with_the_number_of_suppressed_ones() {
    let warning = Seldom::new();
    assert_eq!(warning.due_at(0), Some(0));
    assert_eq!([1, 5_000, 9_999].map(|now| warning.due_at(now)), [None; 3]);
    assert_eq!(warning.due_at(10_000), Some(3));
    assert_eq!(warning.due_at(10_001), None);
    assert_eq!(warning.due_at(90_000), Some(1));
}
