use super::*;

#[test]
fn query_parameters_are_found_by_name() {
    let query = Query("format=json&include_eds&filter=a.b");
    assert_eq!(query.get("format"), Some("json"));
    assert_eq!(query.get("include_eds"), Some(""));
    assert_eq!(query.get("filter"), Some("a.b"));
    assert_eq!(query.get("usedonly"), None);
}

#[test]
fn the_list_of_paths_is_sorted_and_marks_those_that_require_post() {
    assert!(PATHS.is_sorted_by_key(|(path, _, _)| *path));
    assert!(help().contains("  /quitquitquit (POST): exit the proxy\n"));
}
