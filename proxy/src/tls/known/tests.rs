use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

fn certificate(name: &str) -> CertificateDer<'static> {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2030, 1, 1));
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn at(years_since_1970: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(years_since_1970 * 365 * 24 * 3600))
}

#[test]
fn a_chain_is_known_after_verification_and_only_with_the_same_certificates() {
    let count = Counter::default();
    let known = KnownChains::new(count.clone());
    let (leaf, other, middle) = (certificate("leaf"), certificate("leaf"), certificate("middle"));
    let middle = [middle];
    assert!(!known.has(&leaf, &middle, at(55)));
    known.add(&leaf, &middle);
    assert!(known.has(&leaf, &middle, at(55)));
    assert!(!known.has(&leaf, &[], at(55)), "other intermediates");
    assert!(!known.has(&other, &[], at(55)), "another leaf of the same name");
    assert_eq!(count.get(), 1);
}

#[test]
fn a_known_chain_is_invalid_before_and_after_its_validity() {
    let known = KnownChains::new(Counter::default());
    let leaf = certificate("leaf");
    known.add(&leaf, &[]);
    assert!(known.has(&leaf, &[], at(55)));
    assert!(!known.has(&leaf, &[], at(45)));
    assert!(!known.has(&leaf, &[], at(65)));
}

#[test]
fn the_size_of_the_cache_is_limited() {
    let known = KnownChains::new(Counter::default());
    let one = certificate("leaf");
    for i in 0..=REMEMBERED {
        known.add(&one, &vec![one.clone(); i]);
        known.add(&certificate(&i.to_string()), &[]);
    }
    assert!(known.lock().len() <= REMEMBERED);
}
