//! `sidelab exec`, and finding pods and containers of a running lab.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result, bail};
use mesh::model::{Container, Pod};

use super::opened::Opened;
use crate::{
    cli::{ExecArgs, LabArgs},
    container, sidecar,
    terminal::noteln,
};

pub(super) fn exec(args: &ExecArgs) -> Result<u8> {
    let (host, pod) = open_pod(&args.lab, &args.pod, &args.namespace)?;
    let Some((file, arguments)) = args.command.split_first() else { bail!("no command") };
    if args.tty && !io::stdin().is_terminal() {
        noteln!("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    let mut program = match args.container.as_deref() {
        // A gateway has no other container.
        None if pod.containers.is_empty() && pod.sidecar.is_some() => sidecar::beside(&host, file, arguments),
        Some(sidecar::CONTAINER) if pod.sidecar.is_some() => sidecar::beside(&host, file, arguments),
        name => container::program(&pod, container_of(&pod, name)?, &host, "exec", file, arguments),
    };
    // Programs on a terminal need its type.
    program.env.extend(std::env::vars_os().filter(|(name, _)| name == "TERM" || name == "HOME" || name == "LANG"));
    Err(host.exec(&program).into())
}

/// The pod of a name, `POD` or `POD.NAMESPACE`, in the selected lab. The name of a Deployment means its first pod.
pub(super) fn open_pod(lab: &LabArgs, name: &str, namespace: &str) -> Result<(netns::Pod, Pod)> {
    let opened = Opened::new(lab)?;
    let (host, pod) = opened.pod(name, namespace)?;
    Ok((host, pod.clone()))
}

/// The container of a name, else the first.
pub(super) fn container_of<'a>(pod: &'a Pod, name: Option<&str>) -> Result<&'a Container> {
    let mut containers = pod.containers.iter();
    match name {
        None => containers.next().with_context(|| format!("{} has no container", pod.name)),
        Some(name) => containers.find(|container| container.name == name).with_context(|| {
            let there: Vec<&str> = pod.containers.iter().map(|container| container.name.as_str()).collect();
            format!("{} has no container {name}, but {}", pod.name, there.join(", "))
        }),
    }
}
