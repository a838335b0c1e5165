use envoy_api::{HttpTracing, Percent, RequestIdExtension, RequestIds, UuidRequestIdConfig};

use super::{Asked, Begin, Reason, Sampling, TraceContext};

/// Its first eight digits are 0x1388 = 5000.
const HALF: &str = "00001388-1111-4222-8333-444444444444";

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn sampling(random: f64, overall: f64) -> Sampling {
    let tracing = HttpTracing {
        random_sampling: Some(Percent { value: random }),
        overall_sampling: Some(Percent { value: overall }),
        ..HttpTracing::default()
    };
    Sampling::new(&tracing, None)
}

fn asked(id: &str) -> Asked<'_> {
    Asked { request_id: Some(id), ..Asked::default() }
}

#[test]
fn the_request_id_decides_by_chance_and_says_so_in_a_digit() {
    let decision = sampling(50.01, 100.0).decide(asked(HALF), 0);
    assert_eq!(decision.reason, Reason::Sampled);
    assert_eq!(decision.request_id.as_deref(), Some("00001388-1111-9222-8333-444444444444"));
    assert_eq!(sampling(50.0, 100.0).decide(asked(HALF), 0).reason, Reason::NotTraced);
}

#[test]
fn what_an_earlier_proxy_decided_stays_decided() {
    let decision = sampling(0.0, 100.0).decide(asked("00001388-1111-9222-8333-444444444444"), 0);
    assert_eq!((decision.reason, decision.request_id), (Reason::Sampled, None));
}

#[test]
fn the_overall_share_limits_what_others_demand() {
    let client = Asked { has_client_trace_id: true, ..asked(HALF) };
    assert_eq!(sampling(0.0, 100.0).decide(client, 99).reason, Reason::Client);
    assert_eq!(sampling(0.0, 50.0).decide(client, 99).reason, Reason::NotTraced);
    let forced = Asked { is_forced: true, ..asked(HALF) };
    let decision = sampling(0.0, 100.0).decide(forced, 0);
    assert_eq!(decision.request_id.as_deref(), Some("00001388-1111-a222-8333-444444444444"));
    let again = asked("00001388-1111-a222-8333-444444444444");
    let decision = sampling(0.0, 0.0).decide(again, 0);
    assert_eq!(decision.request_id.as_deref(), Some(HALF), "and says so");
}

#[test]
fn an_id_that_is_no_uuid_is_sampled_without_a_digit_or_not_at_all() {
    let decision = sampling(100.0, 100.0).decide(asked("00001388-short"), 0);
    assert_eq!((decision.reason, decision.request_id), (Reason::Sampled, None));
    assert_eq!(sampling(100.0, 100.0).decide(asked("no-digits"), 0).reason, Reason::NotTraced);
    assert_eq!(sampling(100.0, 100.0).decide(Asked::default(), 0).reason, Reason::NotTraced);
}

#[test]
fn without_the_request_id_every_request_is_sampled() {
    let uuid = UuidRequestIdConfig { use_request_id_for_trace_sampling: Some(false), ..UuidRequestIdConfig::default() };
    let ids = RequestIdExtension { typed_config: RequestIds::Uuid(uuid) };
    let none = HttpTracing { random_sampling: Some(Percent { value: 0.0 }), ..HttpTracing::default() };
    let decision = Sampling::new(&none, Some(&ids)).decide(asked(HALF), 0);
    assert_eq!((decision.reason, decision.request_id), (Reason::Sampled, None));
}

#[test]
fn a_trace_goes_on_as_its_caller_says() {
    let context = TraceContext::read(PARENT, "a=b").expect("it is one");
    assert_eq!(context.parent(), PARENT);
    assert_eq!(Begin::new(Some(PARENT), "a=b", Reason::NotTraced), Begin::Child(context));
    let unsampled = Begin::new(Some(&PARENT.replace("-01", "-00")), "", Reason::Sampled);
    assert!(matches!(unsampled, Begin::Child(context) if !context.sampled));
    assert_eq!(Begin::new(None, "", Reason::Sampled), Begin::New { sampled: true });
}

#[test]
fn a_parent_that_cannot_be_read_ends_the_trace() {
    let zero = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
    let signed = PARENT.replace("00-0a", "+0-0a");
    for wrong in ["", "00", &PARENT[..54], &format!("{PARENT}-x"), &zero, &signed, &PARENT.replace('f', "g")] {
        assert_eq!(Begin::new(Some(wrong), "", Reason::Sampled), Begin::Nothing, "{wrong}");
    }
}
