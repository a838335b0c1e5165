use super::*;

/// The scripts of all ways through points with these numbers of choices.
fn scripts(points: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    let mut next = 0;
    while next < all.len() {
        let mut picks = Picks { script: all[next].clone(), among: vec![] };
        for among in points {
            picks.pick(*among);
        }
        all.extend(others(&picks));
        next += 1;
    }
    all
}

#[test]
fn every_way_is_followed_once() {
    assert_eq!(scripts(&[]).len(), 1);
    assert_eq!(scripts(&[1, 1]).len(), 1);
    let mut ways: Vec<Vec<usize>> = scripts(&[2, 1, 3])
        .into_iter()
        .map(|mut script| {
            script.resize(3, 0);
            script
        })
        .collect();
    ways.sort();
    assert_eq!(ways, [[0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 0], [1, 0, 1], [1, 0, 2]]);
}
