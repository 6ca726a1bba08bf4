//! The state dicts of a checkpoint: found below the names that training programs give them, whatever lies beside.
use super::Result;
use super::pickle::{Heap, Node, Value, to_json};
use crate::model::{keys, stored::OtherDict};
use serde_json::{Map, Value as Json};
use std::collections::HashSet;

/// How deep wrappers are nested at most, and how many entries are looked at: dictionaries may hold themselves.
const MAX_DEPTH: usize = 5;
const MAX_ENTRIES: usize = 1 << 20;

/// What training programs call what they say about the network and its training.
const ABOUT: [&str; 14] = [
    "hyper_parameters",
    "hparams",
    "hyperparameters",
    "args",
    "config",
    "cfg",
    "conf",
    "model_args",
    "model_config",
    "model_kwargs",
    "unet_config",
    "network_config",
    "params_config",
    "settings",
];

/// What words of a name begin with whose tensors are no weights.
const OTHERS: [&str; 8] = ["optim", "sched", "scaler", "loops", "callbacks", "rng", "amp", "loss"];

/// What was found.
#[derive(Default)]
pub struct Found {
    /// The path to a state dict, the key in it, the tensor.
    pub tensors: Vec<(Vec<String>, String, Value)>,
    pub about: Map<String, Json>,
    pub nameless: Option<String>,
    /// Those that are not taken, though they look like a network's.
    pub others: Vec<OtherDict>,
}

/// One dictionary with tensors right in it.
struct Group {
    path: Vec<String>,
    tensors: Vec<(String, Value)>,
    /// All names on the way are those of wrappers.
    known: bool,
}

struct Search<'h> {
    heap: &'h Heap,
    groups: Vec<Group>,
    nameless: Option<String>,
    modules: Vec<String>,
    /// Tensors of a kind that is not read, with the class.
    unread: Vec<(Vec<String>, String, String)>,
    /// Entries that may still be looked at.
    left: usize,
}

/// The state dicts below `root`, and what stands beside them.
/// # Errors
/// What the file holds when there are none, or several without a known name.
pub fn find(heap: &Heap, root: Value) -> Result<Found> {
    let (groups, modules, unread) = Default::default();
    let mut search = Search { heap, groups, nameless: None, modules, unread, left: MAX_ENTRIES };
    search.visit(root, &mut Vec::new(), true);
    let Search { mut groups, nameless, modules, unread, .. } = search;
    // A counter beside the dictionaries is no state dict.
    if groups.len() > 1 {
        groups.retain(|g| !g.path.is_empty() || g.tensors.iter().any(|(k, _)| k.contains('.')));
    }
    // Below known names first; of those without, only what stands alone is certain.
    let look = |g: &&Group| !g.known && g.tensors.iter().any(|(k, _)| k.contains('.'));
    let other = |g: &Group| OtherDict { place: g.path.join("."), tensors: g.tensors.len() };
    let others: Vec<OtherDict> = groups.iter().filter(look).map(other).collect();
    let known = groups.iter().any(|g| g.known && !g.path.is_empty());
    if known {
        // Beside a wrapped state dict, counters and losses are no weights.
        groups.retain(|g| g.known);
        groups.iter_mut().filter(|g| g.path.is_empty()).for_each(|g| g.tensors.retain(|(k, _)| k.contains('.')));
    } else if groups.iter().any(|g| g.known) {
        groups.retain(|g| g.known);
    }
    if groups.is_empty() {
        return Err(instead(heap, root, &modules));
    }
    if !groups[0].known {
        if groups.len() > 1 {
            let names: Vec<String> = groups.iter().take(8).map(|g| format!("`{}`", g.path.join("."))).collect();
            return Err(format!(
                "holds several dictionaries of tensors, none under a name that says which is the network: {}; save the one \
                 that is with torch.save",
                names.join(", ")
            ));
        }
        groups[0].path.clear();
    }
    let paths: HashSet<&[String]> = groups.iter().map(|g| g.path.as_slice()).collect();
    if let Some((_, key, class)) = unread.iter().find(|(path, ..)| paths.contains(path.as_slice())) {
        return Err(format!("tensor `{key}` is of a kind that is not read (`{class}`)"));
    }
    let mut found = Found { nameless, about: about(heap, root), ..Found::default() };
    if groups[0].known {
        found.others = others;
    }
    for group in groups {
        found.tensors.extend(group.tensors.into_iter().map(|(key, value)| (group.path.clone(), key, value)));
    }
    Ok(found)
}

impl Search<'_> {
    fn visit(&mut self, value: Value, path: &mut Vec<String>, known: bool) {
        let heap = self.heap;
        let attributes = heap.attributes(value).map_or(0, |state| heap.entries(state).len());
        let cost = heap.entries(value).len() + heap.elements(value).len() + attributes + 1;
        self.left = self.left.saturating_sub(cost);
        if self.left == 0 {
            return;
        }
        if is_module(heap, value) {
            let class = heap.object(value).map(|o| o.class.clone()).unwrap_or_default();
            let place = if path.is_empty() { String::new() } else { format!("`{}` is ", path.join(".")) };
            self.modules.push(format!("{place}an object of the class `{class}`"));
            return;
        }
        let list = heap.elements(value);
        if keys::names_average(path) && list.len() > 1 && list.iter().all(|v| heap.tensor(*v).is_some()) {
            self.nameless = Some(path.join("."));
            return;
        }
        let entries = heap.entries(value);
        let optimizer = heap.entry(value, "param_groups").is_some() && heap.entry(value, "state").is_some();
        if optimizer || path.len() > MAX_DEPTH {
            return;
        }
        let mut tensors = Vec::new();
        for &(key, value) in entries {
            let Some(name) = heap.text(key) else { continue };
            match heap.get(value) {
                Some(Node::Tensor(_)) => tensors.push((name.to_owned(), value)),
                Some(Node::Object(o))
                    if o.class.starts_with("torch._utils._rebuild") || o.class.starts_with("torch.Tensor") =>
                {
                    self.unread.push((path.clone(), name.to_owned(), o.class.clone()));
                }
                _ => {}
            }
        }
        if !tensors.is_empty() {
            self.groups.push(Group { path: path.clone(), tensors, known });
        }
        for &(key, value) in entries {
            let Some(name) = heap.text(key) else { continue };
            let lower = name.to_ascii_lowercase();
            let other = lower.split('_').any(|word| OTHERS.iter().any(|o| word.starts_with(o)));
            if other || ABOUT.contains(&name) || heap.tensor(value).is_some() {
                continue;
            }
            path.push(name.to_owned());
            let known = known && (keys::is_wrapper(name) || keys::names_average(path));
            self.visit(value, path, known);
            path.pop();
        }
    }
}

/// Whether it is a pickled `torch.nn.Module`: an object with the tables that every module has.
fn is_module(heap: &Heap, value: Value) -> bool {
    ["_parameters", "_modules"].iter().any(|table| heap.attribute(value, table).is_some())
}

/// What the file holds instead of state dicts.
fn instead(heap: &Heap, root: Value, modules: &[String]) -> String {
    let save = "save its state_dict() with torch.save";
    if let Some(module) = modules.first() {
        return format!("holds a whole pickled model ({module}), which only its own program can load; {save}");
    }
    if heap.entry(root, "param_groups").is_some() {
        return format!("holds the state of an optimizer, and no weights; for the model, {save}");
    }
    let entries = heap.entries(root);
    let optimizers = entries.iter().filter(|(_, v)| heap.entry(*v, "param_groups").is_some());
    let named: Vec<String> = optimizers.map(|(k, _)| heap.key(*k)).collect();
    if !named.is_empty() {
        return format!(
            "holds the state of an optimizer ({}), and no weights; for the model, {save}",
            named.join(", ")
        );
    }
    format!("holds {}, and no dictionary of named tensors (a state dict); for the model, {save}", heap.describe(root))
}

fn about(heap: &Heap, root: Value) -> Map<String, Json> {
    let entries = heap.entries(root).iter().filter_map(|(key, value)| Some((heap.text(*key)?, *value)));
    let said = entries.filter(|(name, _)| ABOUT.contains(name));
    said.filter_map(|(name, value)| Some((name.to_owned(), to_json(heap, value)?))).collect()
}
