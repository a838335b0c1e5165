use pretty_assertions::assert_eq;

use super::*;

const HOST: &str = "         0          0 4294967295\n";
const OWN: &str = "         0       1000          1\n";
const CONTAINER: &str = "0 1000 1\n1 100000 65536\n";

#[test]
fn a_namespace_with_one_user_has_no_others() {
    assert!(has_other_users(HOST));
    assert!(has_other_users(CONTAINER));
    assert!(!has_other_users(OWN));
    assert!(!has_other_users(""));
}

#[test]
fn the_user_outside_is_found_through_the_map() {
    assert_eq!(outside(HOST, 1000), 1000);
    assert_eq!(outside(OWN, 0), 1000);
    assert_eq!(outside(CONTAINER, 1337), 100_000 + 1336);
    assert_eq!(outside(OWN, 7), 7, "not mapped");
}
