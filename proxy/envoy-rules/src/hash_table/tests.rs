use std::collections::BTreeMap;

use serde_json::json;

use super::*;

fn table(fields: serde_json::Value, weights: &[u32]) -> Option<HashTable> {
    let mut cluster = fields;
    cluster["name"] = "c".into();
    let cluster: Cluster = envoy_api::read_value(cluster).unwrap();
    let endpoints: Vec<_> = weights.iter().enumerate().map(|(i, weight)| (format!("10.0.0.{i}:80"), *weight)).collect();
    HashTable::new(&cluster, &endpoints)
}

fn shares(table: &HashTable) -> BTreeMap<u32, usize> {
    let mut shares = BTreeMap::new();
    let places: Vec<u32> = match table {
        HashTable::Ring(points) => points.iter().map(|(_, endpoint)| *endpoint).collect(),
        HashTable::Maglev(table) => table.clone(),
    };
    places.into_iter().for_each(|endpoint| *shares.entry(endpoint).or_default() += 1);
    shares
}

#[test]
fn places_are_in_proportion_to_weights() {
    let ring = table(json!({"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": "8"}}), &[1, 3]);
    assert_eq!(shares(&ring.unwrap()), BTreeMap::from([(0, 2), (1, 6)]));
    let maglev = table(json!({"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": "101"}}), &[1, 3]);
    let shares = shares(&maglev.unwrap());
    assert!((24..=27).contains(&shares[&0]), "{shares:?}");
    assert_eq!(shares.values().sum::<usize>(), 101);
}

#[test]
fn a_hash_behind_the_last_point_leads_to_the_first() {
    let ring = HashTable::Ring(vec![(10, 0), (20, 1)]);
    let chosen = |hash, attempt| ring.choose(hash, attempt);
    assert_eq!([chosen(10, 0), chosen(11, 0), chosen(21, 0), chosen(0, 0)], [0, 1, 0, 0]);
    assert_eq!(chosen(10, 1), 1, "another attempt goes on to the next point");
}

#[test]
fn only_policies_of_a_hash_have_a_table() {
    assert!(table(json!({"lb_policy": "RANDOM"}), &[1, 1]).is_none());
    assert!(table(json!({"lb_policy": "RING_HASH"}), &[]).is_none());
}
