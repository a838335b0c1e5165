use super::*;

#[test]
fn the_best_case_finds_a_chain_and_the_others_find_the_last() {
    for chains in [10, 1000] {
        let found = Case::ALL.map(|case| Lookup::new(case, chains).find());
        assert_eq!(found, [chains / 2, chains, chains].map(Match::Chain));
    }
}
