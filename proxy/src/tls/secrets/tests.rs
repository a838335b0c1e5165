use envoy_api::{CombinedCertificateValidationContext, StringMatcher, SubjectAltNameMatcher};

use super::*;

fn combined() -> CommonTlsContext {
    let san =
        SubjectAltNameMatcher { san_type: envoy_api::SanType::Uri, matcher: StringMatcher::prefix("spiffe://td/") };
    CommonTlsContext {
        combined_validation_context: Some(CombinedCertificateValidationContext {
            default_validation_context: CertificateValidationContext {
                match_typed_subject_alt_names: vec![san],
                ..CertificateValidationContext::default()
            },
            validation_context_sds_secret_config: SdsSecretConfig { name: "ROOTCA".into(), sds_config: None },
        }),
        ..CommonTlsContext::default()
    }
}

fn roots(pem: &str) -> Secret {
    Secret {
        name: "ROOTCA".into(),
        tls_certificate: None,
        validation_context: Some(CertificateValidationContext {
            trusted_ca: Some(DataSource::InlineString(pem.into())),
            ..CertificateValidationContext::default()
        }),
    }
}

#[test]
fn a_context_waits_for_its_secret_and_keeps_the_configured_names() {
    let secrets = Secrets::new(&combined()).unwrap();
    assert!(secrets.in_place().unwrap().is_none());
    let mut built = None;
    secrets
        .replace(&roots("pem"), |material| {
            built = material.validation;
            Ok(())
        })
        .unwrap();
    let validation = built.unwrap();
    assert_eq!(validation.match_typed_subject_alt_names.len(), 1);
    assert_eq!(validation.trusted_ca, Some(DataSource::InlineString("pem".into())));
}

#[test]
fn a_secret_that_prevents_building_is_not_kept() {
    let secrets = Secrets::new(&combined()).unwrap();
    secrets.replace(&roots("good"), |_| Ok(())).unwrap();
    secrets.replace(&roots("bad"), |_| Err("no".into())).unwrap_err();
    let kept = secrets.received.lock().unwrap();
    assert_eq!(*kept, [roots("good")]);
}

#[test]
fn a_secret_of_the_wrong_type_is_named() {
    let secrets = Secrets::new(&combined()).unwrap();
    let wrong = Secret { validation_context: None, ..roots("") };
    let error = secrets.replace(&wrong, |_| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "secret \"ROOTCA\" contains no validation_context");
}
