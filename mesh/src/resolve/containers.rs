//! The programs of a pod.

use k8s_openapi::api::core::v1 as k8s;

use super::pods::Draft;
use crate::{
    fault::Faults,
    manifests::Manifests,
    model::{Container, ContainerPort},
};

/// A pod's containers, in the order of its document.
pub(super) fn of(pod: &Draft<'_>, _manifests: &Manifests, faults: &mut Faults) -> Vec<Container> {
    pod.spec.containers.iter().enumerate().map(|(i, container)| one(pod, i, container, faults)).collect()
}

fn one(pod: &Draft<'_>, i: usize, container: &k8s::Container, faults: &mut Faults) -> Container {
    let field = format!("spec.containers[{i}]");
    let mut env = Vec::new();
    for (j, variable) in container.env.iter().flatten().enumerate() {
        if variable.value_from.is_some() {
            let field = pod.at(&format!("{field}.env[{j}].valueFrom")).field;
            faults.error(pod.head, field, "is not supported yet; write a value");
        }
        env.push((variable.name.clone(), variable.value.clone().unwrap_or_default()));
    }
    if container.env_from.as_ref().is_some_and(|from| !from.is_empty()) {
        faults.error(pod.head, pod.at(&format!("{field}.envFrom")).field, "is not supported yet; write env");
    }
    let ports = container.ports.iter().flatten().filter_map(|port| {
        Some(ContainerPort { name: port.name.clone(), port: u16::try_from(port.container_port).ok()? })
    });
    Container {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        command: container.command.clone().unwrap_or_default(),
        args: container.args.clone().unwrap_or_default(),
        env,
        ports: ports.collect(),
        source: pod.at(&field),
    }
}
