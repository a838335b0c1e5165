use pretty_assertions::assert_eq;

use super::*;

fn call(probe: &str, agrees: bool, saw: &str) -> CallOfClaim {
    CallOfClaim { scenario: "matrix".into(), probe: probe.into(), agrees, saw: saw.into() }
}

fn claim(seen: BTreeMap<Flavor, SeenOfClaim>) -> ListedClaim {
    let claim = Claim {
        claim: "DestinationRule DISABLE to STRICT fails, in every protocol that a port can be named for by its owner"
            .into(),
        textbook: "no filter chain".into(),
        istio: "same".into(),
    };
    ListedClaim { number: "C27".into(), claim, scenarios: vec!["matrix".into()], seen }
}

fn seen() -> BTreeMap<Flavor, SeenOfClaim> {
    let long = "leg 1 http/1.1, leg 2 mtls > tls > http/1.1, leg 3 tls > http/1.1: 503, refused by the server sidecar";
    let good = SeenOfClaim {
        held: true,
        calls: vec![call("a", true, "leg 2 tcp: eof"), call("b", true, long), call("c", true, long)],
    };
    let bad = SeenOfClaim {
        held: false,
        calls: vec![call("a", true, "1"), call("b", false, "2"), call("c", true, "3"), call("d", true, "4")],
    };
    [(Flavor::Textbook, good), (Flavor::Istio, bad)].into()
}

fn run() -> LastRun {
    LastRun { schema: String::new(), started: jiff::Timestamp::UNIX_EPOCH, probes: vec![] }
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [80, 200] {
        let text = plain(&render(&[claim(seen()), claim(BTreeMap::new())], Some(&run()), width));
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{line:?}");
        }
    }
}

#[test]
fn the_commonest_end_comes_first_with_how_often_it_was_seen() {
    let texts = lines(&seen()[&Flavor::Textbook]);
    let texts: Vec<&str> = texts.lines().collect();
    assert_eq!(texts[0], "✓ 3 calls: matrix");
    assert!(texts[1].starts_with("2x leg 1 http/1.1, leg 2 mtls > tls > http/1.1"), "{texts:?}");
    assert_eq!(texts[2], "1x leg 2 tcp: eof");
}

#[test]
fn a_claim_that_is_not_held_names_the_calls() {
    let texts = lines(&seen()[&Flavor::Istio]);
    let texts: Vec<&str> = texts.lines().collect();
    assert_eq!((texts[0], texts[1]), ("✗ 4 calls: matrix", "✗ not as expected: b"));
    assert_eq!(texts.last(), Some(&"and 1 more; -o json shows all"));
}

#[test]
fn without_a_run_it_says_how_to_get_one() {
    let text = plain(&render(&[claim(BTreeMap::new())], None, 80));
    assert!(text.contains("· not run: matrix"), "{text}");
    assert!(text.contains("no run is stored: `sidelab run` stores what it sees"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}
