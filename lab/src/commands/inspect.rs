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
    let mut program = match choose(&pod, args.container.as_deref())? {
        Chosen::Sidecar => sidecar::beside(&host, file, arguments),
        Chosen::Container(container) => container::program(&pod, container, &host, "exec", file, arguments),
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

/// A container that a user has chosen.
pub(super) enum Chosen<'a> {
    Sidecar,
    Container(&'a Container),
}

impl Chosen<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Sidecar => sidecar::CONTAINER,
            Self::Container(container) => &container.name,
        }
    }
}

/// The container of a name, else the first. A gateway has only its proxy.
pub(super) fn choose<'a>(pod: &'a Pod, name: Option<&str>) -> Result<Chosen<'a>> {
    let mut containers = pod.containers.iter();
    let chosen = match name {
        Some(sidecar::CONTAINER) if pod.sidecar.is_some() => return Ok(Chosen::Sidecar),
        None if pod.containers.is_empty() && pod.sidecar.is_some() => return Ok(Chosen::Sidecar),
        None => containers.next().with_context(|| format!("{} has no container", pod.name)),
        Some(name) => containers.find(|container| container.name == name).with_context(|| {
            let there = pod.containers.iter().map(|container| container.name.as_str());
            let there: Vec<&str> = there.chain(pod.sidecar.is_some().then_some(sidecar::CONTAINER)).collect();
            format!("{} has no container {name}, but {}", pod.name, there.join(", "))
        }),
    };
    chosen.map(Chosen::Container)
}
