use pretty_assertions::assert_eq;

use super::*;
use crate::fixtures;

#[test]
fn an_annotation_is_always_one_line() {
    let annotation = Annotation {
        level: Level::Warning,
        place: Some(("a,b/scenario.yaml".into(), 7)),
        title: "strict: 100 %".into(),
        message: "leg 2: expected x\nleg 3: 5 %\n".into(),
    };
    assert_eq!(
        annotation.to_string(),
        "::warning file=a%2Cb/scenario.yaml,line=7,title=strict%3A 100 %25::leg 2: expected x%0Aleg 3: 5 %25"
    );
}

#[test]
fn a_call_that_fails_is_an_error_and_one_that_agrees_is_none() {
    assert_eq!(
        render(&fixtures::run_that_fails(), &[]),
        "::error title=strict (istio)%3A a call with a name that does not fit its column::leg 2 layers: expected [mtls, \
         http/1.1], native [http/1.1]\n"
    );
    assert_eq!(render(&fixtures::run(fixtures::account()), &[]), "");
}
