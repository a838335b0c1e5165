use super::*;

#[test]
fn every_byte_arrives_on_every_path_by_every_means() {
    let rig = Rig::default();
    for path in Path::ALL {
        for by in path.means() {
            assert!(rig.run(path, *by, 300_000).unwrap() > Duration::ZERO, "{path:?} {by:?}");
        }
    }
}
