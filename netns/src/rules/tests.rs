use pretty_assertions::assert_eq;

use super::*;

#[test]
fn the_refused_line_is_read_from_either_flavour() {
    for said in [
        "iptables-restore: line 7 failed\n",
        "iptables-restore v1.8.9 (nf_tables): \nline 7: RULE_APPEND failed (No such file or directory): rule in chain OUTPUT\n",
        "iptables-restore v1.8.9 (nf_tables): unknown option \"--frob\"\nError occurred at line: 7\nTry `iptables-restore -h' for help.\n",
    ] {
        assert_eq!(line_number(said), Some(7), "{said}");
    }
    assert_eq!(line_number("no such thing"), None);
}

#[test]
fn a_refusal_names_the_rule() {
    let rules = "*nat\n-A OUTPUT --frob\nCOMMIT\n";
    let said =
        "iptables-restore: unknown option \"--frob\"\nError occurred at line: 2\nTry `iptables-restore -h' for help.\n";
    assert_eq!(
        refused("iptables-restore", "client.default", rules, said).to_string(),
        "iptables-restore refused line 2 of the rules of client.default: `-A OUTPUT --frob`: \
         iptables-restore: unknown option \"--frob\"; Error occurred at line: 2"
    );
}
