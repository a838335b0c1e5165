use super::*;

#[test]
fn memory_is_returned_once_after_a_burst() {
    let mut tide = Tide::default();
    let seen = [0, 100, 0, 5_000, 4_000, 2_501, 2_400, 2_400, 2_000, 10, 10, 0];
    let fallen = seen.map(|active| tide.has_fallen(active));
    let when: Vec<usize> = (0..seen.len()).filter(|i| fallen[*i]).collect();
    assert_eq!(when, [6, 9], "at {:?}", when.iter().map(|i| seen[*i]).collect::<Vec<_>>());
}
