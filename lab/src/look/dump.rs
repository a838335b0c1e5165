//! The parts of a sidecar's `config_dump`, native or Envoy.

use serde_json::Value;

#[cfg(test)]
mod tests;

/// A `config_dump` with endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Dump(Value);

/// A secret, and whether it has arrived: `ACTIVE` or `WARMING`.
pub(crate) struct DumpedSecret<'a> {
    pub(crate) name: &'a str,
    pub(crate) state: &'static str,
    pub(crate) secret: &'a Value,
}

impl Dump {
    /// What is asked of the administration interface.
    pub(crate) const PATH: &str = "/config_dump?include_eds";

    pub(crate) fn new(dump: Value) -> Self {
        Self(dump)
    }

    pub(crate) fn as_json(&self) -> &Value {
        &self.0
    }

    /// A list in a section, such as `static_listeners` of `ListenersConfigDump`; empty if there is none.
    fn list(&self, section: &str, list: &str) -> &[Value] {
        let sections = self.0.get("configs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let is_it = |one: &&Value| one.get("@type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with(section));
        let found = sections.iter().filter(is_it).find_map(|section| section.get(list));
        found.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Resources of two lists, those from files first, each at a place in its entry.
    fn resources(&self, section: &str, lists: [(&str, &str); 2]) -> Vec<&Value> {
        let of_list = |(list, place): (&str, &str)| {
            self.list(section, list).iter().filter_map(|one| one.pointer(place)).collect::<Vec<_>>()
        };
        lists.into_iter().flat_map(of_list).collect()
    }

    pub(crate) fn listeners(&self) -> Vec<&Value> {
        let lists = [("dynamic_listeners", "/active_state/listener"), ("static_listeners", "/listener")];
        self.resources("ListenersConfigDump", lists)
    }

    pub(crate) fn clusters(&self) -> Vec<&Value> {
        self.resources("ClustersConfigDump", [("dynamic_active_clusters", "/cluster"), ("static_clusters", "/cluster")])
    }

    pub(crate) fn routes(&self) -> Vec<&Value> {
        let lists = [("dynamic_route_configs", "/route_config"), ("static_route_configs", "/route_config")];
        self.resources("RoutesConfigDump", lists)
    }

    /// The secrets that came by SDS: those that have not arrived first.
    pub(crate) fn secrets(&self) -> Vec<DumpedSecret<'_>> {
        let of_list = |(list, state): (&str, &'static str)| {
            let secret = move |one| DumpedSecret {
                name: text(one, "/name"),
                state,
                secret: one.get("secret").unwrap_or(&Value::Null),
            };
            self.list("SecretsConfigDump", list).iter().map(secret).collect::<Vec<_>>()
        };
        [("dynamic_warming_secrets", "WARMING"), ("dynamic_active_secrets", "ACTIVE")]
            .into_iter()
            .flat_map(of_list)
            .collect()
    }
}

/// A text at a place; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a list at a place.
pub(crate) fn items<'a>(value: &'a Value, place: &str) -> &'a [Value] {
    value.pointer(place).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of a list at a place.
pub(crate) fn texts<'a>(value: &'a Value, place: &str) -> Vec<&'a str> {
    items(value, place).iter().filter_map(Value::as_str).collect()
}
