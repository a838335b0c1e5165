//! Makes faults in a lab that runs, and ends them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mesh::model::Mesh;
use netns::{FaultKind, FaultSpec, Lab, ProcessRecord};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::record::Record;
use crate::{
    deploy,
    faults::{Between, Faults, LabFault, Numbered, OfPod},
    interrupt, sidecar,
};

/// How long a killed program can take to end.
const DEATH: Duration = Duration::from_secs(5);

/// Makes a fault, and returns its number. The pods' names are full ones.
///
/// # Errors
/// If it can't be made: then nothing has changed.
pub(crate) fn make(lab: &Lab, record: &mut Record, mesh: &Mesh, fault: &LabFault) -> Result<u32> {
    let before = record.clone();
    let number = record.faults.add(fault.clone())?;
    // First the record, so that whatever happens next can be cleared.
    record.write(lab.dir())?;
    let made = match fault {
        LabFault::Kill(program) => kill(lab, program),
        LabFault::Stop(program) => running(lab, program).and_then(|process| send(&process, Signal::SIGSTOP)),
        LabFault::Istiod => Ok(()),
        _ => lab.set_network(&deploy::services(mesh), &specs(lab, &record.faults)).map_err(Into::into),
    };
    if let Err(error) = made {
        before.write(lab.dir())?;
        *record = before;
        return Err(error);
    }
    Ok(number)
}

/// Checks that what these faults stopped or killed can go on while the others last.
///
/// # Errors
/// If a sidecar would be started that istiod gives nothing.
pub(crate) fn check_clear(cleared: &[Numbered], left: &Faults) -> Result<()> {
    let is_sidecar = |one: &&Numbered| matches!(&one.fault, LabFault::Kill(program) if is_sidecar(program));
    match (cleared.iter().find(is_sidecar), left.without_istiod()) {
        (Some(Numbered { number, .. }), Some(istiod)) => bail!(
            "fault {number} can't be cleared: the sidecar would start without configuration and certificate, since istiod is gone (fault {istiod}); clear both"
        ),
        _ => Ok(()),
    }
}

/// Lets programs go on that were stopped.
///
/// # Errors
/// If one can't be signalled.
pub(crate) fn resume(lab: &Lab, faults: &[Numbered]) -> Result<()> {
    for Numbered { fault, .. } in faults {
        if let LabFault::Stop(program) = fault
            && let Some(process) = find(lab, program)?
        {
            send(&process, Signal::SIGCONT)?;
        }
    }
    Ok(())
}

/// The containers whose programs were killed, and have not been started again.
///
/// # Errors
/// If the lab's state can't be read.
pub(super) fn killed<'a>(lab: &Lab, faults: &'a [Numbered]) -> Result<Vec<&'a OfPod>> {
    let mut killed = Vec::new();
    for Numbered { fault, .. } in faults {
        if let LabFault::Kill(program) = fault
            && find(lab, program)?.is_none()
        {
            killed.push(program);
        }
    }
    Ok(killed)
}

/// The faults of the network, between the pods that exist.
pub(super) fn specs(lab: &Lab, faults: &Faults) -> Vec<FaultSpec> {
    faults.iter().filter_map(|one| spec(lab, &one.fault)).collect()
}

fn spec(lab: &Lab, fault: &LabFault) -> Option<FaultSpec> {
    let (port, kind) = match fault {
        LabFault::Partition(Between { port, .. }) => (port, FaultKind::Drop { percent: 100 }),
        LabFault::Drop { port, percent, .. } => (port, FaultKind::Drop { percent: *percent }),
        LabFault::Reset(Between { port, .. }) => (port, FaultKind::Reset),
        LabFault::Throttle { port, rate, .. } => (port, FaultKind::Throttle { rate: rate.bytes_per_second() }),
        LabFault::Kill(_) | LabFault::Stop(_) | LabFault::Istiod => return None,
    };
    let [a, b] = fault.pods()?;
    let spec = |name: &str| Some(lab.pod(name).ok()?.spec().clone());
    Some(FaultSpec { pods: [spec(a)?, spec(b)?], port: *port, kind })
}

fn is_sidecar(program: &OfPod) -> bool {
    program.container == sidecar::CONTAINER
}

/// The running program of a container.
///
/// # Errors
/// If it does not run.
fn running(lab: &Lab, program: &OfPod) -> Result<ProcessRecord> {
    let OfPod { pod, container } = program;
    find(lab, program)?.with_context(|| format!("{container} of {pod} does not run"))
}

/// The same; `None` if it does not run.
fn find(lab: &Lab, program: &OfPod) -> Result<Option<ProcessRecord>> {
    let is_it = |process: &ProcessRecord| {
        let of_container = match is_sidecar(program) {
            true => sidecar::PROGRAMS.contains(&process.name.as_str()),
            false => process.name == program.container,
        };
        process.pod == program.pod && of_container && process.is_running()
    };
    Ok(lab.processes()?.into_iter().rfind(is_it))
}

/// Ends the program of a container.
///
/// # Errors
/// If it does not run.
fn kill(lab: &Lab, program: &OfPod) -> Result<()> {
    let process = running(lab, program)?;
    send(&process, Signal::SIGKILL)?;
    // The kernel ends a killed program a little later: what is shown next must not find it running.
    wait_for_end(&[process], DEATH);
    Ok(())
}

/// Sends a signal to a program, and to its children of the same process group.
///
/// # Errors
/// If it has ended.
fn send(process: &ProcessRecord, signal: Signal) -> Result<()> {
    // A pod's program leads its process group.
    killpg(Pid::from_raw(process.pid.cast_signed()), signal)
        .with_context(|| format!("can't signal {} of {}", process.name, process.pod))
}

/// Waits until programs have ended, at most for this time.
pub(super) fn wait_for_end(processes: &[ProcessRecord], patience: Duration) {
    let deadline = Instant::now() + patience;
    while processes.iter().any(ProcessRecord::is_running) && Instant::now() < deadline {
        interrupt::pause(Duration::from_millis(1));
    }
}
