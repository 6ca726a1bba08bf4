//! What a pickle comes to. Values are small and refer to nodes of one heap, so that shared and circular ones cost nothing.
use safetensors::Dtype;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A node of the heap.
    Node(usize),
}

/// A storage that a persistent id names.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Its key in the file.
    pub key: String,
    /// Of its numbers; none for one of bytes, or of a type that is not read.
    pub dtype: Option<Dtype>,
    /// The class that the file gives.
    pub class: String,
    /// Numbers (of an untyped one: bytes) in it.
    pub len: usize,
    /// Where a view of it begins, in numbers.
    pub offset: usize,
}

/// A tensor: a view of a storage.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub storage: Storage,
    pub dtype: Dtype,
    /// Of its first number, in numbers from the storage's beginning.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// In numbers, as many as `shape` has sizes.
    pub strides: Vec<usize>,
}

/// An object of a class that is only known by its name.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// Module and name.
    pub class: String,
    /// What it was made with.
    pub args: Vec<Value>,
    /// What it was built with, usually its attributes.
    pub state: Option<Value>,
    /// Entries, where the class is a kind of dictionary.
    pub entries: Vec<(Value, Value)>,
    /// Elements, where the class is a kind of list.
    pub elements: Vec<Value>,
}

/// What does not fit into a value.
#[derive(Clone, Debug)]
pub enum Node {
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Set(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// A class or function by its module and name.
    Global(String),
    Object(Object),
    Storage(Storage),
    Tensor(Tensor),
}

/// Elements and bytes that a file's calls may copy in all. Checkpoints copy next to nothing; what a file could have copied by a
/// few bytes again and again is no measure of its size.
const MAX_COPIED: usize = 1 << 22;

/// All nodes of a file's pickles.
#[derive(Default)]
pub struct Heap {
    nodes: Vec<Node>,
    copied: usize,
}

impl Heap {
    /// Accounts for a copy of so many elements or bytes.
    pub fn charge(&mut self, count: usize) -> Result<(), String> {
        self.copied = self.copied.saturating_add(count);
        if self.copied > MAX_COPIED {
            return Err("its pickle copies the same values again and again".into());
        }
        Ok(())
    }
    pub fn add(&mut self, node: Node) -> Value {
        self.nodes.push(node);
        Value::Node(self.nodes.len() - 1)
    }
    pub fn get(&self, value: Value) -> Option<&Node> {
        if let Value::Node(at) = value { self.nodes.get(at) } else { None }
    }
    pub fn get_mut(&mut self, value: Value) -> Option<&mut Node> {
        if let Value::Node(at) = value { self.nodes.get_mut(at) } else { None }
    }
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
    pub fn text(&self, value: Value) -> Option<&str> {
        if let Some(Node::Text(text)) = self.get(value) { Some(text) } else { None }
    }
    pub fn tensor(&self, value: Value) -> Option<&Tensor> {
        if let Some(Node::Tensor(tensor)) = self.get(value) { Some(tensor) } else { None }
    }
    pub fn object(&self, value: Value) -> Option<&Object> {
        if let Some(Node::Object(object)) = self.get(value) { Some(object) } else { None }
    }
    /// The elements of a list, a tuple or a set; none of anything else.
    pub fn elements(&self, value: Value) -> &[Value] {
        match self.get(value) {
            Some(Node::List(v) | Node::Tuple(v) | Node::Set(v)) => v,
            Some(Node::Object(o)) => &o.elements,
            _ => &[],
        }
    }
    /// The entries of a dictionary, or of an object that is a kind of one, in their order.
    pub fn entries(&self, value: Value) -> &[(Value, Value)] {
        match self.get(value) {
            Some(Node::Dict(entries)) => entries,
            Some(Node::Object(o)) => &o.entries,
            _ => &[],
        }
    }
    /// The entry of a dictionary under a text. Of several the last, as in Python.
    pub fn entry(&self, value: Value, key: &str) -> Option<Value> {
        self.entries(value).iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, v)| *v)
    }
    /// An attribute of an object.
    pub fn attribute(&self, value: Value, name: &str) -> Option<Value> {
        self.attributes(value).and_then(|state| self.entry(state, name))
    }
    /// The dictionary with an object's attributes. With slots it is one of a pair.
    pub fn attributes(&self, value: Value) -> Option<Value> {
        let state = self.object(value)?.state?;
        match *self.elements(state) {
            [first, second] if self.entries(first).is_empty() => Some(second),
            [first, _] => Some(first),
            _ => Some(state),
        }
    }
    /// What a value is, in words.
    pub fn describe(&self, value: Value) -> String {
        let keys = |entries: &[(Value, Value)]| {
            let names: Vec<String> = entries.iter().take(8).map(|(k, _)| self.key(*k)).collect();
            let more = if entries.len() > names.len() { ", ..." } else { "" };
            match names.is_empty() {
                true => "an empty dictionary".to_owned(),
                false => format!("a dictionary of {}{more}", names.join(", ")),
            }
        };
        match (value, self.get(value)) {
            (_, Some(Node::Text(_))) => "a text".into(),
            (_, Some(Node::Bytes(_))) => "bytes".into(),
            (_, Some(Node::List(v))) => format!("a list of {} elements", v.len()),
            (_, Some(Node::Tuple(v))) => format!("a tuple of {} elements", v.len()),
            (_, Some(Node::Set(v))) => format!("a set of {} elements", v.len()),
            (_, Some(Node::Dict(entries))) => keys(entries),
            (_, Some(Node::Global(name))) => format!("the class or function `{name}`"),
            (_, Some(Node::Object(o))) => format!("an object of the class `{}`", o.class),
            (_, Some(Node::Storage(_))) => "a tensor's storage".into(),
            (_, Some(Node::Tensor(t))) => format!("a single tensor of shape {:?}", t.shape),
            (Value::None, None) => "None".into(),
            (Value::Bool(_), None) => "a truth value".into(),
            _ => "a number".into(),
        }
    }
    /// A dictionary's key, in backticks.
    pub fn key(&self, key: Value) -> String {
        match (key, self.text(key)) {
            (_, Some(text)) => format!("`{}`", text.chars().take(80).collect::<String>()),
            (Value::Int(n), _) => format!("`{n}`"),
            // It may hold itself as a key.
            _ if matches!(self.get(key), Some(Node::Dict(_))) => "a dictionary".into(),
            _ => self.describe(key),
        }
    }
}
