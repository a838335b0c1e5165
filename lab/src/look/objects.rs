//! Objects of any kind as `kubectl get` prints them.

use mesh::{
    Key,
    model::{Mesh, Service},
};
use serde_json::{Value, json};

use super::age::{age, timestamp};

#[cfg(test)]
mod tests;

/// The columns of a kind between NAME and AGE: titles, and the fields that they show.
///
/// Those of Istio's kinds are the `additionalPrinterColumns` of its CRDs (istio: `manifests/charts/base/files/crd-all.gen.yaml`).
const COLUMNS: &[(&str, &[(&str, &str)])] = &[
    ("AuthorizationPolicy", &[("ACTION", "/spec/action")]),
    ("DestinationRule", &[("HOST", "/spec/host")]),
    ("PeerAuthentication", &[("MODE", "/spec/mtls/mode")]),
    ("Secret", &[("TYPE", "/type")]),
    ("ServiceEntry", &[("HOSTS", "/spec/hosts"), ("LOCATION", "/spec/location"), ("RESOLUTION", "/spec/resolution")]),
    ("VirtualService", &[("GATEWAYS", "/spec/gateways"), ("HOSTS", "/spec/hosts")]),
    ("WorkloadEntry", &[("ADDRESS", "/spec/address")]),
];

fn fields(kind: &str) -> &'static [(&'static str, &'static str)] {
    COLUMNS.iter().find(|(of, _)| *of == kind).map_or(&[], |(_, columns)| columns)
}

/// The titles of [`cells`], after NAMESPACE.
pub(crate) fn titles(kind: &str, wide: bool) -> Vec<&'static str> {
    if kind == "Service" {
        let mut titles = vec!["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"];
        titles.extend(wide.then_some("SELECTOR"));
        return titles;
    }
    let fields = fields(kind).iter().map(|(title, _)| *title);
    ["NAME"].into_iter().chain(fields).chain(["AGE"]).collect()
}

/// An object's row. `created` is in seconds since the Unix epoch, as `now` is.
pub(crate) fn cells(key: &Key, object: &Value, created: Option<i64>, now: i64, wide: bool) -> Vec<String> {
    let age = created.map_or_else(|| "<unknown>".to_owned(), |created| age(now - created));
    if key.kind == "Service" {
        return service_cells(key, object, age, wide);
    }
    let fields = fields(&key.kind).iter().map(|(_, field)| object.pointer(field).map(cell).unwrap_or_default());
    [key.name.clone()].into_iter().chain(fields).chain([age]).collect()
}

/// A field as kubectl prints it in a column.
fn cell(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn service_cells(key: &Key, object: &Value, age: String, wide: bool) -> Vec<String> {
    let text = |field: &str| object.pointer(field).and_then(Value::as_str);
    let none = || "<none>".to_owned();
    let external = text("/spec/externalName").map(str::to_owned);
    let kind = text("/spec/type").unwrap_or("ClusterIP");
    let address = text("/spec/clusterIP").filter(|_| kind != "ExternalName");
    let ports: Vec<String> = list(object, "/spec/ports").iter().map(port).collect();
    let mut cells = vec![
        key.name.clone(),
        kind.to_owned(),
        address.map_or_else(none, |address| if address == "None" { "None".into() } else { address.to_owned() }),
        external.unwrap_or_else(none),
        if ports.is_empty() { none() } else { ports.join(",") },
        age,
    ];
    if wide {
        let selector = object.pointer("/spec/selector").and_then(Value::as_object);
        let pairs = selector.into_iter().flatten().map(|(name, value)| format!("{name}={}", cell(value)));
        let pairs = pairs.collect::<Vec<_>>().join(",");
        cells.push(if pairs.is_empty() { none() } else { pairs });
    }
    cells
}

/// `8080/TCP`; with a node port `8080:30080/TCP`.
fn port(port: &Value) -> String {
    let number = port.get("port").map(cell).unwrap_or_default();
    let node = port.get("nodePort").map(|node| format!(":{}", cell(node))).unwrap_or_default();
    format!("{number}{node}/{}", port.get("protocol").and_then(Value::as_str).unwrap_or("TCP"))
}

fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object.pointer(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An object of the lab as the API server would return it: with its namespace and its age, and a Service with its addresses.
pub(crate) fn object(key: &Key, applied: &Value, created: Option<i64>, is_namespaced: bool, mesh: &Mesh) -> Value {
    let mut object = applied.clone();
    if !object.get("metadata").is_some_and(Value::is_object) {
        object["metadata"] = json!({});
    }
    if is_namespaced {
        object["metadata"]["namespace"] = key.namespace.clone().into();
    }
    if let Some(created) = created.filter(|_| object.pointer("/metadata/creationTimestamp").is_none()) {
        object["metadata"]["creationTimestamp"] = timestamp(created).into();
    }
    let is_it = |service: &&Service| {
        service.entry.is_none() && service.name.name == key.name && service.name.namespace == key.namespace
    };
    if key.kind == "Service"
        && let Some(service) = mesh.services.iter().find(is_it)
        && object.pointer("/spec/type").and_then(Value::as_str) != Some("ExternalName")
        && object.get("spec").is_some_and(Value::is_object)
    {
        let addresses: Vec<String> = service.vips.iter().map(ToString::to_string).collect();
        object["spec"]["clusterIP"] = addresses.first().map_or("None", String::as_str).into();
        object["spec"]["clusterIPs"] = if addresses.is_empty() { json!(["None"]) } else { json!(addresses) };
    }
    object
}

/// Objects as `kubectl get -o json` prints them: one named object, or a list.
pub(crate) fn document(mut objects: Vec<Value>, is_one: bool) -> Value {
    match objects.pop() {
        Some(object) if is_one && objects.is_empty() => object,
        last => {
            objects.extend(last);
            json!({ "apiVersion": "v1", "items": objects, "kind": "List", "metadata": { "resourceVersion": "" } })
        }
    }
}

/// The name of a kind in messages and in `-o name`: `pods`, `peerauthentications.security.istio.io`.
pub(crate) fn plural(kind: &str, group: &str) -> String {
    let kind = kind.to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    };
    if group.is_empty() { plural } else { format!("{plural}.{group}") }
}
