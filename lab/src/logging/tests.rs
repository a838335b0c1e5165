use pretty_assertions::assert_eq;
use tracing_subscriber::filter::LevelFilter as L;

use super::*;

fn of(sidelab: Option<&str>, rust: Option<&str>) -> Result<Targets, BadFilter> {
    filter(|variable| match variable {
        "SIDELAB_LOG" => sidelab.map(str::to_owned),
        _ => rust.map(str::to_owned),
    })
}

#[test]
fn warnings_are_logged_by_default() {
    for unset in [None, Some(""), Some(" ")] {
        assert_eq!(of(unset, None), Ok(Targets::new().with_default(L::WARN)));
    }
}

#[test]
fn rust_log_applies_if_sidelab_log_is_not_set() {
    assert_eq!(of(None, Some("debug")), Ok(Targets::new().with_default(L::DEBUG)));
    assert_eq!(of(Some(""), Some("debug")), Ok(Targets::new().with_default(L::DEBUG)));
    assert_eq!(of(Some("INFO"), Some("debug")), Ok(Targets::new().with_default(L::INFO)));
    assert_eq!(of(Some("off"), Some("nonsense")), Ok(Targets::new().with_default(L::OFF)));
}

#[test]
fn a_target_can_have_a_separate_level() {
    let expected = Targets::new().with_default(L::INFO).with_target("netns", L::DEBUG);
    assert_eq!(of(Some("info, netns=debug"), None), Ok(expected));
}

#[test]
fn an_invalid_level_is_reported_with_its_variable() {
    let refusal = |sidelab, rust| of(sidelab, rust).unwrap_err().to_string();
    assert_eq!(
        refusal(Some("warning"), None),
        "SIDELAB_LOG: \"warning\" is not a level; write off, error, warn, info, debug, trace, or a level for one part of the \
         program, such as netns=debug"
    );
    assert!(refusal(Some("info,netns=debgu"), None).contains("\"netns=debgu\" is not a level (did you mean debug?)"));
    assert!(refusal(None, Some("verbose")).starts_with("RUST_LOG: \"verbose\" is not a level"));
}
