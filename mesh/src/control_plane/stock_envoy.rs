//! Filters of Istio's own build of Envoy, which stock Envoy does not have.

use std::collections::BTreeSet;

use envoy_api::accepted::extension;
use serde_json::Value;

use super::alpn;
use crate::compile::PodConfig;

/// A filter that is removed for stock Envoy.
#[derive(Clone, Copy, Debug)]
pub struct Absent {
    pub name: &'static str,
    /// The ends of its type URLs.
    types: &'static [&'static str],
    /// The effect of its absence.
    pub without: &'static str,
}

pub const ABSENT: [Absent; 3] = [
    Absent {
        name: "istio.alpn",
        types: &["istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig"],
        without: "the same ALPN is named by clusters, and by a chain for each version of HTTP where it is detected",
    },
    Absent {
        name: "istio.metadata_exchange",
        types: &["envoy.tcp.metadataexchange.config.MetadataExchange", "io.istio.http.peer_metadata.Config"],
        without: "sidecars do not learn which workload their peer is",
    },
    Absent { name: "istio.stats", types: &["stats.PluginConfig"], without: "there are no istio_* metrics" },
];

impl PodConfig {
    /// Removes the filters that stock Envoy does not have, and returns them.
    pub fn fit_stock_envoy(&mut self) -> BTreeSet<&'static str> {
        let mut taken = BTreeSet::new();
        if let Some(written) = &mut self.as_written {
            alpn::name_it_elsewhere(written);
            let resources = written.listeners.iter_mut().chain(&mut written.clusters);
            resources.for_each(|resource| take_out(resource, &mut taken));
        }
        taken
    }
}

fn take_out(value: &mut Value, taken: &mut BTreeSet<&'static str>) {
    match value {
        Value::Array(items) => {
            items.retain(|item| {
                let absent = absent(item);
                taken.extend(absent.map(|absent| absent.name));
                absent.is_none()
            });
            items.iter_mut().for_each(|item| take_out(item, taken));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| take_out(field, taken)),
        _ => {}
    }
}

fn absent(item: &Value) -> Option<&'static Absent> {
    let name = extension(item)?.rsplit('/').next()?;
    ABSENT.iter().find(|absent| absent.types.contains(&name))
}
