use std::collections::BTreeMap;

use super::*;
use crate::{
    bench::sample::{Held, Wire},
    role::Role,
};

#[test]
fn figures_are_reported_in_the_units_that_they_name() {
    let gib = Sample {
        per_second: Some(2.5e9),
        cost: BTreeMap::from([(Role::ClientSidecar, 1.5), (Role::ClientApp, 1.0)]),
        wire: Some(Wire { packets: 20_000.0, bytes: GIB * 1.5 }),
        ..Sample::default()
    };
    let reported = |figure: Figure| (figure.value(Measure::Down, &gib), figure.unit(Measure::Down));
    assert_eq!(reported(Figure::Rate), (2.5, "GB/s"));
    assert_eq!(reported(Figure::Cost), (2.5, "s/GiB"));
    assert_eq!(reported(Figure::Sidecars), (1.5, "s/GiB"));
    assert_eq!(reported(Figure::Packets), (20.0, "thousand/GiB"));
    assert_eq!(reported(Figure::Bytes), (1.5, "GiB/GiB"));

    let resident = BTreeMap::from([(Role::ClientSidecar, 3 << 20), (Role::ServerSidecar, 5 << 20)]);
    let idle = Sample {
        cost: BTreeMap::from([(Role::ClientSidecar, 2048.0)]),
        held: vec![Held { connections: 0, resident }],
        ..Sample::default()
    };
    let reported = |figure: Figure| (figure.value(Measure::Idle, &idle), figure.unit(Measure::Idle));
    assert_eq!(reported(Figure::Sidecars), (2.0, "KiB"));
    assert_eq!(reported(Figure::AtRest), (4.0, "MiB"));
}

#[test]
fn a_figure_that_was_not_measured_is_not_a_number() {
    for measure in Measure::ALL {
        for figure in measure.figures() {
            assert!(figure.value(measure, &Sample::default()).is_nan(), "{measure:?} {figure:?}");
        }
    }
    let without_sidecars = Sample { cost: BTreeMap::from([(Role::ClientApp, 1.0)]), ..Sample::default() };
    assert!(Figure::Sidecars.value(Measure::Connect, &without_sidecars).is_nan());
    assert_eq!(Figure::Cost.value(Measure::Connect, &without_sidecars), 1.0);
}
