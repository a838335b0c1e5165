use super::*;

#[test]
fn flags_print_in_the_order_that_they_were_set_in() {
    let flags = Flags::from(Flag::UpstreamRetryLimitExceeded).with(Flag::UpstreamConnectionFailure);
    assert_eq!(flags.to_string(), "URX,UF");
    assert_eq!(flags.union(Flag::UpstreamRetryLimitExceeded.into()).to_string(), "URX,UF");
    assert_eq!(Flags::NONE.to_string(), "-");
}

#[test]
fn every_flag_is_found_by_its_short_name() {
    for flag in Flag::ALL {
        assert_eq!(Flag::parse(flag.as_str()), Some(*flag));
    }
    assert_eq!(Flag::parse("XX"), None);
}

#[test]
fn no_chain_and_no_route_share_a_flag_but_not_a_label() {
    assert_eq!(Outcome::NoFilterChainMatch.flags(), Outcome::NoRoute.flags());
    assert_ne!(Outcome::NoFilterChainMatch.label(), Outcome::NoRoute.label());
}
