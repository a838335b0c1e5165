use super::*;

#[test]
fn programs_that_are_pinned_never_share_a_cpu_with_their_neighbours_where_there_are_two() {
    let seats = [Role::ClientApp, Role::ClientSidecar, Role::ServerSidecar, Role::ServerApp];
    let seated = |concurrency, cpus: &[usize]| {
        let tuning = Tuning { concurrency, pin: true, ..Tuning::default() };
        seats.map(|seat| tuning.seated(seat, cpus))
    };
    assert_eq!(seated(1, &[0, 1]), [vec![0], vec![1], vec![0], vec![1]]);
    assert_eq!(seated(2, &[0, 2, 4, 6, 8, 9]), [vec![0], vec![2, 4], vec![6, 8], vec![9]]);
    assert_eq!(seated(4, &[0, 1])[1], [1, 0]);
    assert!(seated(1, &[])[0].is_empty());
    assert!(Tuning::default().cpus(Role::ServerApp).is_empty());
}
