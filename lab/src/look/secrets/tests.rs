use mesh::ca::{Authority, KeyType, Names, SVID_LIFETIME, Validity};
use serde_json::json;

use super::*;

fn dump() -> (Dump, i64) {
    let authority = Authority::new("cluster.local", KeyType::default()).unwrap();
    let names = Names { hosts: vec!["server.example".into()], ..Names::default() };
    let svid = authority.issue(&names, Validity::from_now(SVID_LIFETIME)).unwrap();
    let dump = Dump::new(
        json!({ "configs": [{ "@type": "envoy.admin.v3.SecretsConfigDump", "dynamic_active_secrets": [
        { "name": "default", "secret": { "tls_certificate": { "certificate_chain": { "inline_string": svid.chain_pem } } } },
        { "name": "ROOTCA", "secret": { "validation_context": { "trusted_ca": { "inline_bytes": STANDARD.encode(authority.root_pem()) } } } },
        { "name": "none", "secret": {} },
    ] }] }),
    );
    (dump, jiff::Timestamp::now().as_second())
}

#[test]
fn a_secrets_certificate_is_read_from_text_and_from_bytes() {
    let (dump, now) = dump();
    let secrets = SecretItem::of_dump(&dump, now);
    let [default, root, none] = &secrets[..] else { panic!("{secrets:?}") };
    let (leaf, ca) = (&default.certificates[0], &root.certificates[0]);
    assert_eq!((leaf.kind, &leaf.names[..], leaf.valid), ("Cert Chain", &["server.example".to_owned()][..], true));
    assert_eq!((ca.kind, ca.valid, default.certificates.len()), ("CA", true, 1));
    assert!(none.certificates.is_empty());
    let lifetime = i64::try_from(SVID_LIFETIME.as_secs()).unwrap();
    assert!((lifetime - 60..=lifetime + 60).contains(&leaf.seconds_left), "{leaf:?}");
    assert!(left(leaf).ends_with(" left"), "{}", left(leaf));
}

#[test]
fn a_certificate_that_has_expired_says_so() {
    let (dump, now) = dump();
    let later = now + 400 * 86_400 * 365;
    let leaf = &SecretItem::of_dump(&dump, later)[0].certificates[0];
    assert!(!leaf.valid && left(leaf).starts_with("expired "), "{}", left(leaf));
    let table = table(&SecretItem::of_dump(&dump, later));
    let titles = "RESOURCE NAME     TYPE           STATUS     VALID CERT     SERIAL NUMBER";
    assert!(table.starts_with(titles) && table.contains("Cert Chain     ACTIVE     false"), "{table}");
}
