//! `sidelab fault`.

use std::time::Duration;

use anyhow::Result;
use netns::Lab;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    OK,
    change::{Changed, PodReport, carried_out, kept, pod_report, print_pods},
    labs, print_json,
};
use crate::{
    cli::{FaultArgs, FaultCommand, OneProgram, Output, Place, TwoPods},
    faults::{Between, LabFault, Numbered, OfPod},
    live::{
        Turn,
        change::{self, Wanted},
        faults,
        record::Record,
    },
    terminal::outln,
};

/// The version of [`FaultReport`].
pub(crate) const SCHEMA: &str = "sidelab.fault/v1";

/// How long each sidecar can take for what was held back from it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The faults of a lab.
#[derive(Serialize, JsonSchema)]
pub(crate) struct FaultReport {
    schema: &'static str,
    lab: String,
    /// Those that last.
    faults: Vec<Numbered>,
    /// Those that were just cleared.
    cleared: Vec<Numbered>,
    /// The pods whose sidecars got what was held back.
    pods: Vec<PodReport>,
}

pub(super) fn fault(args: &FaultArgs) -> Result<u8> {
    match &args.command {
        FaultCommand::Partition(pods) => make(&pods.place, LabFault::Partition(between(pods))),
        FaultCommand::Reset(pods) => make(&pods.place, LabFault::Reset(between(pods))),
        FaultCommand::Drop { between: both, percent } => {
            let Between { pods, port } = between(both);
            make(&both.place, LabFault::Drop { pods, port, percent: *percent })
        }
        FaultCommand::Throttle { between: both, rate } => {
            let Between { pods, port } = between(both);
            make(&both.place, LabFault::Throttle { pods, port, rate: *rate })
        }
        FaultCommand::Kill(program) => make(&program.place, LabFault::Kill(of_pod(program))),
        FaultCommand::Stop(program) => make(&program.place, LabFault::Stop(of_pod(program))),
        FaultCommand::Istiod(place) => make(place, LabFault::Istiod),
        FaultCommand::List(place) => {
            let lab = Lab::open(&labs::select(place.lab.lab.as_deref())?)?;
            let faults: Vec<Numbered> = Record::read(&lab)?.faults.iter().cloned().collect();
            if faults.is_empty() && place.output.output == Output::Table {
                outln!("no faults")?;
            }
            print(place, &lab, faults, vec![], vec![])
        }
        FaultCommand::Clear { numbers, all, place } => clear(place, (!all).then_some(numbers)),
    }
}

fn between(TwoPods { pod, other, port, .. }: &TwoPods) -> Between {
    Between { pods: [pod.clone(), other.clone()], port: *port }
}

fn of_pod(OneProgram { pod, container, .. }: &OneProgram) -> OfPod {
    OfPod { pod: pod.clone(), container: container.clone() }
}

fn make(place: &Place, fault: LabFault) -> Result<u8> {
    let lab = Lab::open(&labs::select(place.lab.lab.as_deref())?)?;
    let _turn = Turn::take(&lab)?;
    let mut record = Record::read(&lab)?;
    let mesh = record.resolve()?;
    let number = faults::make(&lab, &mut record, &mesh, &fault.resolve(&mesh, &place.namespace)?)?;
    let shown = record.faults.iter().filter(|one| place.output.output == Output::Json || one.number == number);
    print(place, &lab, shown.cloned().collect(), vec![], vec![])
}

/// Ends the faults with these numbers, by default all.
fn clear(place: &Place, numbers: Option<&Vec<u32>>) -> Result<u8> {
    kept(|| {
        let lab = Lab::open(&labs::select(place.lab.lab.as_deref())?)?;
        let _turn = Turn::take(&lab)?;
        let mut record = Record::read(&lab)?;
        let cleared = record.faults.take(&numbers.cloned().unwrap_or_else(|| record.faults.numbers()))?;
        faults::check_clear(&cleared, &record.faults)?;
        faults::resume(&lab, &cleared)?;
        let options = record.options(lab.id().to_owned());
        let objects = record.objects.clone();
        let planned = change::plan(&lab, &record, Wanted { objects, files: &[], options, calls: &|_| vec![] })?;
        let pods = carried_out(&planned, &lab, PATIENCE)?;
        let starts = !planned.restart(&lab, &cleared)?.is_empty();
        let faults = if place.output.output == Output::Json { record.faults.iter().cloned().collect() } else { vec![] };
        let code = print(place, &lab, faults, cleared, pods.into_iter().map(pod_report).collect())?;
        Ok(Changed { code, started_in: starts.then_some(lab) })
    })
}

fn print(place: &Place, lab: &Lab, faults: Vec<Numbered>, cleared: Vec<Numbered>, pods: Vec<PodReport>) -> Result<u8> {
    if place.output.output == Output::Json {
        print_json(&FaultReport { schema: SCHEMA, lab: lab.id().to_owned(), faults, cleared, pods })?;
        return Ok(OK);
    }
    faults.iter().try_for_each(|one| outln!("{one}"))?;
    cleared.iter().try_for_each(|one| outln!("cleared {one}"))?;
    print_pods(&pods)?;
    Ok(OK)
}
