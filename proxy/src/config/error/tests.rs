use super::*;

#[test]
fn the_message_starts_with_the_whole_path() {
    let fault = || Err::<(), _>("expected one of rds and route_config");
    assert_eq!(
        fault().at("filters[0]").at("chain").unwrap_err().to_string(),
        "chain.filters[0]: expected one of rds and route_config"
    );
    assert_eq!(Invalid::from("a field is missing").to_string(), "a field is missing");
}

#[test]
fn an_error_with_its_own_path_is_appended_to_it() {
    let routes = RouteError::Path { host: 0, route: 1 };
    let error = Err::<(), _>(routes).at("route_config").unwrap_err().to_string();
    assert_eq!(
        error,
        "route_config.virtual_hosts[0].routes[1].match.prefix: expected one of prefix, path, safe_regex and path_separated_prefix"
    );
}
