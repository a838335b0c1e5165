use demo_apps::report::RequestReport;
use pretty_assertions::assert_eq;

use super::*;

const MS: u64 = 1_000_000;

fn request(began_ms: u64, status: u16) -> RequestReport {
    let (began_ns, ended_ns) = (began_ms * MS, (began_ms + 1) * MS);
    RequestReport { began_ns, ended_ns, sent: 2, received: 3, status: Some(status), error: None }
}

fn connection(first_ms: u64, last_ms: u64, client: &str, server: &str) -> Connection {
    let certificate = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    Connection {
        first_ns: first_ms * MS,
        last_ns: last_ms * MS,
        chosen_ns: (first_ms + 1) * MS,
        client: certificate(client),
        server: certificate(server),
    }
}

/// Two changes: from 100 to 110 ms, and from 200 to 210 ms.
fn step() -> Step {
    Step { began_ns: 90 * MS, changes: vec![(100 * MS, 110 * MS), (200 * MS, 210 * MS)], ended_ns: 300 * MS }
}

fn expected(yaml: &str) -> Vec<(String, ExpectedLoad)> {
    vec![("new".to_owned(), serde_saphyr::from_str(yaml).unwrap())]
}

fn meets(yaml: &str, seen: &LoadSeen) -> bool {
    differences(&expected(yaml), std::slice::from_ref(seen)).is_empty()
}

#[test]
fn requests_are_counted_in_the_step_in_which_they_end() {
    let requests = [
        request(50, 503),
        request(95, 200),
        request(150, 503),
        request(250, 200),
        request(299, 200),
        request(310, 503),
    ];
    let seen = seen("new", &step(), &requests, &[]);
    assert_eq!((seen.requests, seen.failed, seen.requests_after, seen.failed_after), (4, 1, 2, 0));
    assert_eq!((seen.first_failure_ms, seen.errors.clone()), (Some(51), vec!["1x status 503".to_owned()]));
    assert_eq!((seen.sent, seen.received), (8, 12));
    assert!(meets("{fails: some}", &seen) && !meets("{fails: none}", &seen) && !meets("{fails: all}", &seen));
}

#[test]
fn all_fail_if_none_that_began_after_the_last_change_succeeds() {
    let found = seen("new", &step(), &[request(205, 200), request(220, 503)], &[]);
    assert!(meets("{fails: all}", &found) && meets("{fails: some}", &found));
    assert!(!meets("{fails: all}", &seen("new", &step(), &[request(205, 503)], &[])), "none began after it");
}

#[test]
fn a_load_without_requests_meets_no_expectation() {
    assert!(!meets("{fails: none}", &seen("new", &step(), &[], &[])));
    assert_eq!(differences(&expected("{fails: none}"), &[]).len(), 1);
}

#[test]
fn a_connection_is_kept_if_it_spans_all_changes() {
    let requests = [request(95, 200)];
    let kept = seen("new", &step(), &requests, &[connection(10, 290, "c", "s"), connection(120, 290, "c", "s")]);
    assert_eq!((kept.connections, kept.kept), (2, 1));
    assert!(meets("{fails: none, kept: true}", &kept) && !meets("{fails: none, kept: false}", &kept));
    let cut = seen("new", &step(), &requests, &[connection(10, 150, "c", "s")]);
    assert!(meets("{fails: none, kept: false}", &cut) && !meets("{fails: none, kept: true}", &cut));
}

#[test]
fn certificates_are_new_if_after_each_change_no_connection_shows_an_earlier_one() {
    let requests = [request(95, 200)];
    let shown = |connections: &[Connection]| {
        let seen = seen("new", &step(), &requests, connections);
        (seen.new_certificates, seen.renewals, meets("{fails: none, certificates: new}", &seen))
    };
    let before = connection(10, 20, "c0", "s0");
    let renewed = [connection(120, 130, "c1", "s1"), connection(220, 230, "c2", "s2")];
    assert_eq!(shown(&[vec![before.clone()], renewed.to_vec()].concat()), (2, 2, true));
    // Opened before the second change, and answered while it was made.
    let between = Connection { chosen_ns: 205 * MS, ..connection(199, 215, "c1", "s2") };
    assert_eq!(shown(&[vec![before.clone(), between], renewed.to_vec()].concat()), (2, 2, true));
    // During a change both are right.
    let meanwhile = connection(205, 207, "c1", "s2");
    assert_eq!(shown(&[vec![before.clone(), meanwhile], renewed.to_vec()].concat()), (2, 2, true));
    let one_stayed = [before.clone(), connection(120, 130, "c1", "s1"), connection(220, 230, "c2", "s1")];
    assert_eq!(shown(&one_stayed), (1, 1, false));
    let one_of_many_is_old = [vec![before.clone(), connection(230, 240, "c0", "s0")], renewed.to_vec()].concat();
    assert_eq!(shown(&one_of_many_is_old), (2, 1, false));
    assert_eq!(shown(&[before.clone(), renewed[0].clone()]), (1, 1, false), "none was opened after the second change");
    let same = seen("new", &step(), &requests, &[before.clone(), connection(120, 130, "c0", "s0")]);
    assert!(meets("{fails: none, certificates: same}", &same));
    assert!(!meets("{fails: none, certificates: same}", &seen("new", &step(), &requests, &renewed)));
}

#[test]
fn plaintext_connections_show_no_certificates() {
    let seen = seen("new", &step(), &[request(95, 200)], &[connection(10, 20, "", ""), connection(120, 130, "", "")]);
    assert_eq!((seen.new_certificates, seen.renewals), (0, 0));
    assert!(!meets("{fails: none, certificates: new}", &seen));
}
