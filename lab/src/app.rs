//! The programs of a pod's containers.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use mesh::model::{Container, ObjectName, Pod, Source};
use netns::{Process, Ready, Sink, Start};
use thiserror::Error;

use crate::{container, role::Role, tools::Tools, tuning::Tuning};

/// How long an app may take until it is ready.
const APP_READY_WITHIN: Duration = Duration::from_secs(60);

/// Starts a container's program: its `command`, else the program of the image `sidelab/NAME`.
pub(crate) fn start(
    pod: &Pod,
    container: &Container,
    host: &netns::Pod,
    role: Role,
    (tools, tuning): (&Tools, &Tuning),
) -> Result<Process> {
    let (file, args, ready) = match (container.command.split_first(), own(container)) {
        (Some((command, arguments)), _) => (PathBuf::from(command), arguments.to_vec(), Ready::Immediately),
        (None, Some(program)) => (tools.own(program)?, Vec::new(), Ready::Notify { timeout: APP_READY_WITHIN }),
        (None, None) => anyhow::bail!(
            "{}: images are not run: image {:?} of container {} needs a `command` that this host has, or is one of \
             sidelab/demo-server, sidelab/demo-client",
            container.source,
            container.image,
            container.name
        ),
    };
    let args = args.into_iter().chain(container.args.iter().cloned());
    let mut program = container::program(pod, container, host, &container.name, file, args);
    program.cpus = tuning.cpus(role);
    if !tuning.compile.key_log {
        container::keep_keys_secret(&mut program);
    }
    let log = Sink::File(container::log(host, &container.name));
    host.start(&program, &Start { stdout: log.clone(), stderr: log, ready }).map_err(|source| {
        let error = AppNotStarted {
            place: container.source.clone(),
            container: container.name.clone(),
            pod: pod.name.clone(),
            source,
        };
        error.into()
    })
}

/// A container's program did not start, or ended before it was ready.
#[derive(Debug, Error)]
#[error("{place}: container {container} of {pod} did not start: {source}{}", fix(source))]
struct AppNotStarted {
    place: Source,
    container: String,
    pod: ObjectName,
    source: netns::Error,
}

/// Whether a container's program signals its readiness, as sidelab's own do (`NOTIFY_SOCKET`).
pub(crate) fn reports(container: &Container) -> bool {
    container.command.is_empty() && own(container).is_some()
}

/// The name of sidelab's own program in an image, such as `demo-server` for `sidelab/demo-server`.
fn own(container: &Container) -> Option<&str> {
    container.image.split(':').next().and_then(|image| image.strip_prefix("sidelab/"))
}

fn fix(error: &netns::Error) -> &'static str {
    match error {
        netns::Error::EndedBeforeReady { stderr, .. } if stderr.contains("in use") => {
            "; the containers of a pod share its ports, and its sidecar has 15000, 15001, 15006, 15021 and 15090: give \
             each container different ports"
        }
        _ => "",
    }
}
