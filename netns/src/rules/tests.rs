use pretty_assertions::assert_eq;

use super::*;

const RULES: &str = "*nat\n-A OUTPUT --frob\n-A OUTPUT -j NOWHERE\nCOMMIT\n";

#[test]
fn the_refused_line_is_read_from_either_flavour() {
    for (stderr, line) in [
        ("iptables-restore: line 2 failed\n", 2),
        ("ip6tables-restore: line 3 failed: No chain/target/match by that name.\n", 3),
        ("iptables-restore v1.8.9 (nf_tables): unknown option \"--frob\"\nError occurred at line: 2\nTry `...\n", 2),
        (
            "iptables-restore v1.8.9 (legacy): Couldn't load target `NOWHERE':No such file\n\nError occurred at line: 3\n",
            3,
        ),
    ] {
        assert_eq!(refused_line(RULES, stderr), Some(line), "{stderr}");
    }
    assert_eq!(refused_line(RULES, "no such thing"), None);
}

#[test]
fn a_fault_found_at_commit_is_traced_to_its_rule() {
    let stderr = "iptables-restore v1.8.9 (nf_tables): Chain 'NOWHERE' does not exist\nError occurred at line: 4\n";
    assert_eq!(refused_line(RULES, stderr), Some(3));
}

#[test]
fn a_refusal_names_the_rule() {
    let stderr = "iptables-restore v1.8.9 (legacy): unknown option \"--frob\"\nError occurred at line: 2\nTry `iptables-restore -h' for help.\n";
    assert_eq!(
        refused("iptables-restore", "client.default", RULES, stderr).to_string(),
        "iptables-restore refused line 2 of the rules of client.default: `-A OUTPUT --frob`: \
         iptables-restore v1.8.9 (legacy): unknown option \"--frob\""
    );
}

#[test]
fn a_long_table_is_loaded_in_parts_after_its_chains() {
    let text = "*nat\n:A - [0:0]\n-A A 1\n-A A 2\n-A A 3\n-A A 4\n-A A 5\nCOMMIT\n*filter\n-A B 1\nCOMMIT\n";
    assert_eq!(
        parts(text, 2),
        [
            "*nat\n:A - [0:0]\n-A A 1\n-A A 2\nCOMMIT\n*filter\n-A B 1\nCOMMIT\n",
            "*nat\n-A A 3\n-A A 4\nCOMMIT\n",
            "*nat\n-A A 5\nCOMMIT\n",
        ]
    );
    assert_eq!(parts(text, 5), [text]);
}
