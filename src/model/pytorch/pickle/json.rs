//! A pickle's plain values as JSON.
use super::value::{Heap, Node, Value};
use serde_json::{Map, Value as Json, json};

/// Nodes that are turned into JSON at most, and how deep: hyper-parameters are small.
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 12;

/// Numbers, texts, lists and dictionaries; objects by their attributes (`argparse.Namespace`, OmegaConf's containers without their
/// wrapping). Tensors, classes and everything without a plain value are left out.
pub fn to_json(heap: &Heap, value: Value) -> Option<Json> {
    convert(heap, value, &mut MAX_NODES.clone(), 0)
}

fn convert(heap: &Heap, value: Value, left: &mut usize, depth: usize) -> Option<Json> {
    *left = left.checked_sub(1)?;
    if depth > MAX_DEPTH {
        return None;
    }
    let entries = |of: &[(Value, Value)], map: &mut Map<String, Json>, left: &mut usize| {
        for (key, value) in of {
            let name = match (key, heap.text(*key)) {
                (_, Some(text)) => text.to_owned(),
                (Value::Int(n), _) => n.to_string(),
                _ => continue,
            };
            if let Some(value) = convert(heap, *value, left, depth + 1) {
                map.insert(name, value);
            }
        }
    };
    match value {
        Value::None => return Some(Json::Null),
        Value::Bool(v) => return Some(json!(v)),
        Value::Int(v) => return Some(json!(v)),
        Value::Float(v) => return v.is_finite().then(|| json!(v)),
        Value::Node(_) => {}
    }
    match heap.get(value)? {
        Node::Text(text) => Some(json!(text)),
        Node::List(items) | Node::Tuple(items) | Node::Set(items) => {
            let convert = |v: &Value| convert(heap, *v, left, depth + 1).unwrap_or_default();
            Some(Json::Array(items.iter().map(convert).collect()))
        }
        Node::Dict(items) => {
            let mut map = Map::new();
            entries(items, &mut map, left);
            Some(Json::Object(map))
        }
        Node::Object(object) => {
            // OmegaConf: `_content` of a container, `_val` of a leaf.
            for inner in ["_content", "_val"] {
                if let Some(inner) = heap.attribute(value, inner) {
                    return convert(heap, inner, left, depth + 1);
                }
            }
            let mut map = Map::new();
            entries(&object.entries, &mut map, left);
            let attributes = heap.attributes(value).map(|state| heap.entries(state)).unwrap_or_default();
            entries(attributes, &mut map, left);
            (!map.is_empty()).then_some(Json::Object(map))
        }
        Node::Bytes(_) | Node::Global(_) | Node::Storage(_) | Node::Tensor(_) => None,
    }
}
