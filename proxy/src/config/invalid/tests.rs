use super::*;

#[test]
fn the_text_begins_with_the_whole_path() {
    let fault = || Err::<(), _>("expected one of rds and route_config");
    assert_eq!(
        fault().at("filters[0]").at("chain").unwrap_err().to_string(),
        "chain.filters[0]: expected one of rds and route_config"
    );
    assert_eq!(Invalid::from("nothing is there").to_string(), "nothing is there");
}

#[test]
fn what_has_a_path_itself_goes_on_with_it() {
    let routes = RouteError::Path { host: 0, route: 1 };
    let error = Err::<(), _>(routes).at("route_config").unwrap_err().to_string();
    assert_eq!(error, "route_config.virtual_hosts[0].routes[1].match.prefix: expected one of prefix and path");
}
