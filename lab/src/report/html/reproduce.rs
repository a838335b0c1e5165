//! The commands that reproduce a result.

use maud::{Markup, html};
use mesh::account::{Account, AppProtocol};

use super::{Call, ScenarioText};

/// The commands for a whole scenario.
pub(super) fn scenario(text: &ScenarioText) -> Markup {
    let (name, folder) = (&text.name, &text.folder);
    commands(&[
        (format!("sidelab run {folder} --data-plane both"), "this scenario again, in both meshes"),
        (format!("sidelab run {folder} --pcap captures"), "also write the captures, with the keys that decrypt them"),
        (format!("tshark -r captures/{name}-istio-native.pcapng"), "read it"),
        (format!("sidelab up -f {folder}/manifests.yaml --mesh istio"), "the same pods, to work in by hand"),
        ("sidelab down".into(), "remove them"),
    ])
}

/// The commands for one call.
pub(super) fn call(call: &Call<'_>, text: Option<&ScenarioText>) -> Option<Markup> {
    let text = text?;
    let account = call.meshes.iter().find_map(|probe| probe.predicted.as_ref())?;
    let probe = call.meshes.first()?;
    let (_, destination) = probe.url.split_once("://")?;
    let manifests = format!("{}/manifests.yaml", text.folder);
    let from = short(&account.from.pod);
    let v6 = if probe.family == mesh::model::Family::Ipv6 { " --ipv6" } else { "" };
    let explain = format!(
        "sidelab explain -f {manifests} --from {from} --to {destination} --app {}{v6} --mesh both",
        account.app_sends
    );
    Some(commands(&[
        (explain, "the prediction"),
        (format!("sidelab up -f {manifests} --mesh istio"), "a lab with these pods; or --mesh textbook"),
        (format!("sidelab exec {from} -- {}", by_hand(&probe.url, account)), "the call by hand"),
        (format!("sidelab logs {from} -c istio-proxy"), "its sidecar's log"),
    ]))
}

/// A pod's name, without the default namespace.
fn short(pod: &str) -> &str {
    pod.strip_suffix(".default").unwrap_or(pod)
}

/// The call with the tools that every host has.
fn by_hand(url: &str, account: &Account) -> String {
    let family = if account.to.address.is_ipv6() { "-6" } else { "-4" };
    match url.split_once("://") {
        Some(("tcp", destination)) => {
            let (host, port) = destination.rsplit_once(':').unwrap_or((destination, ""));
            format!("sh -c 'echo hello | nc {family} -w 2 {} {port}'", host.trim_matches(['[', ']']))
        }
        Some(("https", _)) => format!("curl -skv {family} {url}/"),
        _ if account.app_sends == AppProtocol::H2 => format!("curl -sv {family} --http2-prior-knowledge {url}/"),
        _ => format!("curl -sv {family} {url}/"),
    }
}

fn commands(commands: &[(String, &str)]) -> Markup {
    html! {
        dl .commands {
            @for (command, what) in commands { dt { code { (command) } } dd { (what) } }
        }
    }
}
