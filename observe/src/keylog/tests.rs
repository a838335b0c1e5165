use super::KeyLog;

const RANDOM: [u8; 32] = [0xab; 32];

fn line(label: &str) -> String {
    format!("{label} {} {}", "ab".repeat(32), "01".repeat(48))
}

#[test]
fn a_secret_is_found_by_label_and_client_random() {
    let keys = KeyLog::parse(&line("CLIENT_RANDOM"));
    assert_eq!(keys.secret("CLIENT_RANDOM", &RANDOM), Some([1; 48].as_slice()));
    assert_eq!(keys.secret("CLIENT_RANDOM", &[0; 32]), None);
    assert_eq!(keys.secret("CLIENT_TRAFFIC_SECRET_0", &RANDOM), None);
}

#[test]
fn lines_logged_by_both_ends_are_kept_once() {
    let mut keys = KeyLog::parse(&line("CLIENT_RANDOM"));
    keys.extend([line("CLIENT_RANDOM") + "\r\n", line("EXPORTER_SECRET")]);
    assert_eq!(keys.text().lines().count(), 2);
}

#[test]
fn comments_and_truncated_lines_are_ignored() {
    let whole = line("CLIENT_RANDOM");
    for text in
        ["# SSL/TLS secrets log file", "", &whole[..whole.len() - 1], &whole[..90], "a b c", "CLIENT_RANDOM zz zz"]
    {
        assert!(KeyLog::parse(text).is_empty(), "{text}");
    }
}
