//! Lists of objects, which is how `kubectl get` prints several: each item counts as a document.

use serde_json::Value;

use super::{Content, Node};

/// The items of a `List`, a `PodList` or another, else the object itself. Items of a typed list may leave out their kind
/// (`decodeToList` in `k8s.io/apimachinery/pkg/apis/meta/v1/unstructured/unstructured_list.go`).
pub(super) fn flatten(mut node: Node) -> Vec<Node> {
    let Some(item_kind) = node.get("kind").and_then(Node::text).and_then(|kind| kind.strip_suffix("List")) else {
        return vec![node];
    };
    let item_kind = item_kind.to_owned();
    let Some(api_version) = node.get("apiVersion").cloned() else { return vec![node] };
    let Content::Mapping(entries) = &mut node.content else { return vec![node] };
    let at = entries.iter().position(|(key, value)| key == "items" && matches!(value.content, Content::Sequence(_)));
    let Some((_, Node { content: Content::Sequence(items), .. })) = at.map(|at| entries.swap_remove(at)) else {
        return vec![node];
    };
    let complete = |item: Node| if item_kind.is_empty() { item } else { with_kind(item, &item_kind, &api_version) };
    items.into_iter().flat_map(|item| flatten(complete(item))).collect()
}

fn with_kind(mut item: Node, kind: &str, api_version: &Node) -> Node {
    let is_bare = item.get("kind").is_none() && item.get("apiVersion").is_none();
    let place = item.place;
    if let Content::Mapping(entries) = &mut item.content
        && is_bare
    {
        let kind = Node { place, content: Content::Scalar(Value::String(kind.to_owned())) };
        entries.extend([("apiVersion".to_owned(), api_version.clone()), ("kind".to_owned(), kind)]);
    }
    item
}
