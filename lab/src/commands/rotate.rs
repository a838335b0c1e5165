//! `sidelab rotate`.

use std::time::Duration;

use anyhow::{Result, bail};
use mesh::model::Mesh;
use netns::{Lab, Privilege};
use schemars::JsonSchema;
use serde::Serialize;

use super::{FAILED, OK, labs, print_json};
use crate::{
    cli::{Output, RootOrder, RotateArgs},
    interrupt,
    live::{
        Turn,
        record::Record,
        roll::Taken,
        rotate::{Order, Phase, Rotation},
    },
    manifests,
    report::words::counted,
    run::Interrupted,
    terminal::{noteln, outln},
};

/// The version of [`PhaseReport`].
pub(crate) const SCHEMA: &str = "sidelab.rotate/v1";

/// How often it is checked whether Ctrl-C ends the wait for the next rotation.
const LOOK: Duration = Duration::from_millis(20);

/// What sidecars were given in one phase of a rotation.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PhaseReport {
    schema: &'static str,
    lab: String,
    what: &'static str,
    /// How many sidecars were given it.
    sidecars: usize,
    /// How many have taken it.
    taken: usize,
    /// How long the last of them took.
    seconds: f64,
}

pub(super) fn rotate(args: &RotateArgs) -> Result<u8> {
    let lab = Lab::open(&labs::select(args.place.lab.lab.as_deref())?)?;
    let repeats = args.every.is_some();
    let mut code = OK;
    if repeats {
        interrupt::interruptible()?;
    }
    loop {
        let round = once(args, &lab)?;
        let Some(mut left) = args.every else { return Ok(round) };
        // Sidecars that had not answered yet when Ctrl-C ended the wait are no failure.
        if interrupt::is_asked() {
            return Ok(code);
        }
        code = code.max(round);
        while !left.is_zero() && !interrupt::is_asked() {
            // Signals are handled by another thread.
            let look = left.min(LOOK);
            interrupt::pause(look);
            left -= look;
        }
        if interrupt::is_asked() {
            return Ok(code);
        }
    }
}

fn once(args: &RotateArgs, lab: &Lab) -> Result<u8> {
    let _turn = Turn::take(lab)?;
    // Another process may have changed the lab meanwhile.
    let record = Record::read(lab)?;
    if let Some(fault) = record.faults.without_istiod() {
        bail!(
            "istiod is gone (fault {fault}), and signs no certificates; `sidelab fault clear {fault}` brings it back"
        );
    }
    let mesh = record.resolve()?;
    let (pods, privilege) = (chosen(args, &mesh)?, Privilege::of_entered_lab());
    let rotation = Rotation { lab, pods, mesh: &mesh, patience: args.timeout, privilege };
    let mut missing = 0;
    let mut report = |phase: &Phase| {
        missing += print(args, lab, phase)?;
        Ok(())
    };
    if args.root {
        if args.every.is_none() {
            interrupt::interruptible()?;
        }
        let order = match args.order {
            RootOrder::Overlap => Order::Overlap,
            RootOrder::LeafFirst => Order::LeafFirst,
            RootOrder::NoOverlap => Order::NoOverlap,
        };
        interrupt::hold();
        rotation.root(order, &|| Ok(()), &mut report)?;
        if interrupt::is_asked() {
            bail!(Interrupted);
        }
    } else {
        rotation.certificates()?.iter().try_for_each(&mut report)?;
    }
    Ok(if missing == 0 { OK } else { FAILED })
}

fn chosen(args: &RotateArgs, mesh: &Mesh) -> Result<Vec<usize>> {
    if let Some(name) = &args.pod {
        let index = manifests::find_pod(mesh, name, &args.place.namespace)?;
        if mesh.pods[index].sidecar.is_none() {
            bail!("{} has no sidecar, and so no certificate of the mesh", mesh.pods[index].name);
        }
        return Ok(vec![index]);
    }
    Ok(mesh.pods.iter().enumerate().filter(|(_, pod)| pod.sidecar.is_some()).map(|(index, _)| index).collect())
}

/// Prints a phase. Returns how many sidecars did not take it.
fn print(args: &RotateArgs, lab: &Lab, phase: &Phase) -> Result<usize> {
    let times: Vec<Duration> = phase.taken.iter().filter_map(|(_, taken)| taken.time()).collect();
    let seconds = times.iter().max().copied().unwrap_or_default().as_secs_f64();
    let sidecars = phase.taken.len();
    match args.place.output.output {
        Output::Json => print_json(&PhaseReport {
            schema: SCHEMA,
            lab: lab.id().to_owned(),
            what: phase.what,
            sidecars,
            taken: times.len(),
            seconds,
        })?,
        Output::Table => outln!("{}: taken by {} after {seconds:.3} s", phase.what, counted(times.len(), "sidecar"))?,
    }
    for (pod, taken) in &phase.taken {
        match taken {
            Taken::After(_) | Taken::HeldBack(_) => {}
            Taken::Refused { counter, output } => noteln!("{pod}: its sidecar refused it ({counter}): {output}"),
            Taken::NotYet(_) => noteln!("{pod}: its sidecar has not taken it yet"),
            Taken::DoesNotRun => noteln!("{pod}: its sidecar does not answer"),
        }
    }
    Ok(sidecars - times.len())
}
