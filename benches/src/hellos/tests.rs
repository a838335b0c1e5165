use super::*;

#[test]
fn hellos_are_parsed_and_their_length_depends_on_the_key_share() {
    let [x25519, post_quantum, http] = First::ALL.map(First::bytes);
    let (name, alpn) = client_hello(&post_quantum).unwrap();
    assert_eq!(name, "outbound_.8080_._.server.default.svc.cluster.local");
    assert_eq!(alpn, ["istio-http/1.1", "istio", "http/1.1"]);
    assert_eq!(First::PostQuantum.bytes(), post_quantum, "deterministic");
    assert!(inspect(&x25519) && !inspect(&http));
    assert!((200..500).contains(&x25519.len()), "{}", x25519.len());
    assert!((1400..1800).contains(&post_quantum.len()), "{}", post_quantum.len());
}
