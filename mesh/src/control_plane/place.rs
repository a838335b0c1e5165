//! Turns pushed resources into files.

use std::{collections::BTreeSet, path::Path};

use envoy_api::{ConfigSource, Resource, TypeUrl as _};
use serde_json::{Map, Value, json};

use crate::{
    compile::{Placement, access_log, files, tls::KEY_LOG},
    model::Pushed,
};

pub(crate) fn name(resource: &Value) -> &str {
    resource["name"].as_str().or_else(|| resource["cluster_name"].as_str()).unwrap_or_default()
}

/// The resources as they are written to files, each with its type, and the names of the secrets that they request.
pub(crate) fn placed(pushed: &Pushed, placement: &Placement) -> (Pushed, BTreeSet<String>) {
    let mut places = Places { placement, secrets: BTreeSet::new(), endpoints: BTreeSet::new() };
    let mut of = |kind, written: &[Value]| -> Vec<Value> {
        written.iter().map(|resource| places.resource(kind, resource)).collect()
    };
    let mut placed = Pushed {
        listeners: of("Listener", &pushed.listeners),
        routes: of("RouteConfiguration", &pushed.routes),
        clusters: of("Cluster", &pushed.clusters),
        endpoints: of("ClusterLoadAssignment", &pushed.endpoints),
    };
    // A cluster whose endpoints were not pushed has none, but needs a file.
    let there: BTreeSet<String> = placed.endpoints.iter().map(|set| name(set).to_owned()).collect();
    let missing = places.endpoints.difference(&there);
    placed
        .endpoints
        .extend(missing.map(|cluster| json!({"@type": url("ClusterLoadAssignment"), "cluster_name": cluster})));
    (placed, places.secrets)
}

struct Places<'a> {
    placement: &'a Placement,
    /// The secrets that resources request.
    secrets: BTreeSet<String>,
    /// The sets of endpoints that clusters request.
    endpoints: BTreeSet<String>,
}

impl Places<'_> {
    fn resource(&mut self, kind: &str, written: &Value) -> Value {
        let mut fields = Map::new();
        fields.insert("@type".into(), url(kind).into());
        fields.extend(written.as_object().cloned().unwrap_or_default());
        let mut resource = Value::Object(fields);
        self.put(&mut resource);
        resource
    }

    fn put(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.put(item)),
            Value::Object(fields) => {
                self.sources(fields);
                log_all(fields);
                self.extension(fields);
                fields.values_mut().for_each(|field| self.put(field));
            }
            _ => {}
        }
    }

    /// Replaces requests to the control plane and its agent by files.
    fn sources(&mut self, fields: &mut Map<String, Value>) {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        if fields.contains_key("sds_config") {
            let secret = text(fields.get("name"));
            fields.insert("sds_config".into(), self.file(&files::secret(&secret)));
            self.secrets.insert(secret);
        }
        if fields.contains_key("config_source") && fields.contains_key("route_config_name") {
            let routes = text(fields.get("route_config_name"));
            fields.insert("config_source".into(), self.file(&files::routes(&routes)));
        }
        let cluster = text(fields.get("name"));
        if let Some(Value::Object(eds)) = fields.get_mut("eds_cluster_config") {
            let service = text(eds.get("service_name"));
            let set = if service.is_empty() { cluster } else { service };
            eds.insert("eds_config".into(), self.file(&files::endpoints(&set)));
            self.endpoints.insert(set);
        }
    }

    fn file(&self, path: &Path) -> Value {
        serde_json::to_value(ConfigSource::path(self.placement.config_dir.join(path))).unwrap_or_default()
    }

    /// Enables what the lab needs to observe: logs, keys and certificates.
    fn extension(&self, fields: &mut Map<String, Value>) {
        let Placement { log_dir, options, .. } = self.placement;
        let message = fields.get("@type").and_then(Value::as_str).and_then(|url| url.rsplit('.').next());
        match message {
            Some("FileAccessLog") => {
                fields.insert("path".into(), json!(log_dir.join(access_log::FILE)));
            }
            Some("DownstreamTlsContext") => {
                self.key_log(fields);
                if !options.resumption {
                    fields.insert("disable_stateless_session_resumption".into(), true.into());
                    fields.insert("disable_stateful_session_resumption".into(), true.into());
                }
            }
            Some("UpstreamTlsContext") => {
                self.key_log(fields);
                if !options.resumption {
                    fields.insert("max_session_keys".into(), 0.into());
                }
            }
            _ => {}
        }
    }

    fn key_log(&self, context: &mut Map<String, Value>) {
        let Placement { log_dir, options, .. } = self.placement;
        if options.key_log {
            let common = context.entry("common_tls_context").or_insert_with(|| json!({}));
            common["key_log"] = json!({"path": log_dir.join(KEY_LOG)});
        }
    }
}

/// Removes a log's filter in CEL (`filter.expression` of a Telemetry): verdicts need every line, and lines decide nothing.
fn log_all(fields: &mut Map<String, Value>) {
    let config = fields.get("filter").and_then(|filter| filter.pointer("/extension_filter/typed_config/@type"));
    if config.and_then(Value::as_str).is_some_and(|url| url.ends_with(".cel.v3.ExpressionFilter")) {
        fields.shift_remove("filter");
    }
}

/// The type of a kind of resource.
fn url(kind: &str) -> &'static str {
    let of_kind = |url: &&&'static str| url.rsplit('.').next() == Some(kind);
    Resource::SUPPORTED.iter().find(of_kind).copied().unwrap_or_default()
}
