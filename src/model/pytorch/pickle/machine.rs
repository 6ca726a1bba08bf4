//! The stack machine that a pickle is a program for.
use super::call::{MAX_ARGS, call, storage};
use super::stream::Stream;
use super::value::{Heap, Node, Object, Value};
use super::{Result, globals};
use std::collections::HashMap;

mod literals;

/// Runs the pickle at the stream's position, to its end, and gives its value.
/// # Errors
/// What is damaged, or the name of what it would have called.
pub fn run(stream: &mut Stream, heap: &mut Heap) -> Result<Value> {
    let mut machine = Machine { stream, heap, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let op = machine.stream.byte()?;
        if op == b'.' {
            return machine.pop();
        }
        machine.step(op)?;
    }
}

struct Machine<'s, 'b, 'h> {
    stream: &'s mut Stream<'b>,
    heap: &'h mut Heap,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
}

fn damaged<T>(what: &str) -> Result<T> {
    Err(format!("its pickle is damaged: {what}"))
}

impl Machine<'_, '_, '_> {
    fn pop(&mut self) -> Result<Value> {
        let low = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > low {
            true => self.stack.pop().map_or_else(|| damaged("a value is missing"), Ok),
            false => damaged("a value is missing"),
        }
    }
    fn top(&self) -> Result<Value> {
        self.stack.last().copied().map_or_else(|| damaged("a value is missing"), Ok)
    }
    /// The values above the last mark, which goes with them.
    fn marked(&mut self) -> Result<Vec<Value>> {
        match self.marks.pop() {
            Some(at) if at <= self.stack.len() => Ok(self.stack.split_off(at)),
            _ => damaged("a mark is missing"),
        }
    }
    fn push(&mut self, node: Node) {
        let value = self.heap.add(node);
        self.stack.push(value);
    }
    fn tuple(&mut self, count: usize) -> Result<()> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        items.reverse();
        self.push(Node::Tuple(items));
        Ok(())
    }
    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let full = globals::full_name(module, name);
        globals::check_mention(&full)?;
        self.push(Node::Global(full));
        Ok(())
    }
    fn call(&mut self, callable: Value, mut args: Vec<Value>) -> Result<()> {
        args.truncate(MAX_ARGS);
        let made = call(self.heap, callable, &args, 0)?;
        self.stack.push(made);
        Ok(())
    }
    fn recall(&mut self, at: u64) -> Result<()> {
        let value = self.memo.get(&at).copied();
        self.stack.push(value.map_or_else(|| damaged("a value that it refers to is missing"), Ok)?);
        Ok(())
    }
    fn remember(&mut self, at: u64) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(at, top);
        Ok(())
    }
    /// Puts entries into the dictionary on top of the stack.
    fn set(&mut self, items: &[Value]) -> Result<()> {
        let pairs = items.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return damaged("a key has no value");
        }
        let top = self.top()?;
        match self.heap.get_mut(top) {
            Some(Node::Dict(entries) | Node::Object(Object { entries, .. })) => {
                entries.extend(pairs.map(|p| (p[0], p[1])));
                Ok(())
            }
            _ => damaged("entries are put into something that is no dictionary"),
        }
    }
    fn append(&mut self, items: Vec<Value>) -> Result<()> {
        let top = self.top()?;
        match self.heap.get_mut(top) {
            Some(Node::List(v) | Node::Set(v) | Node::Object(Object { elements: v, .. })) => {
                v.extend(items);
                Ok(())
            }
            _ => damaged("elements are put into something that is no list"),
        }
    }
    /// Gives the object on top of the stack its attributes. Those of a dictionary (`_metadata`) and of a tensor do not matter.
    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let top = self.top()?;
        match self.heap.get_mut(top) {
            Some(Node::Object(object)) => object.state = Some(state),
            Some(Node::Dict(_) | Node::Tensor(_) | Node::Set(_) | Node::List(_)) => {}
            Some(Node::Global(name)) => return Err(globals::refusal(name)),
            _ => return damaged("attributes are given to something that has none"),
        }
        Ok(())
    }

    fn step(&mut self, op: u8) -> Result<()> {
        if self.literal(op)? {
            return Ok(());
        }
        match op {
            // Protocol and frames say nothing that is needed.
            0x80 => drop(self.stream.byte()?),
            0x95 => drop(self.stream.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => match self.marks.last() {
                Some(&at) if at == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            b'1' => drop(self.marked()?),
            b'2' => self.stack.push(self.top()?),
            b')' => self.push(Node::Tuple(Vec::new())),
            b']' => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            0x8f => self.push(Node::Set(Vec::new())),
            0x85..=0x87 => self.tuple(usize::from(op - 0x84))?,
            b't' => {
                let items = self.marked()?;
                self.push(Node::Tuple(items));
            }
            b'l' => {
                let items = self.marked()?;
                self.push(Node::List(items));
            }
            0x91 => {
                let items = self.marked()?;
                self.push(Node::Set(items));
            }
            b'd' => {
                let items = self.marked()?;
                self.push(Node::Dict(Vec::new()));
                self.set(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.marked()?;
                self.set(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.marked()?;
                self.append(items)?;
            }
            b'p' => {
                let at = self.number()?;
                self.remember(at)?;
            }
            b'q' => {
                let at = self.stream.byte()?;
                self.remember(at.into())?;
            }
            b'r' => {
                let at = self.stream.length(false)?;
                self.remember(at as u64)?;
            }
            0x94 => self.remember(self.memo.len() as u64)?,
            b'g' => {
                let at = self.number()?;
                self.recall(at)?;
            }
            b'h' => {
                let at = self.stream.byte()?;
                self.recall(at.into())?;
            }
            b'j' => {
                let at = self.stream.length(false)?;
                self.recall(at as u64)?;
            }
            b'c' => {
                let (module, name) = (self.stream.line()?, self.stream.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let texts = self.heap.text(module).zip(self.heap.text(name));
                let Some((module, name)) = texts.map(|(m, n)| (m.to_owned(), n.to_owned())) else {
                    return damaged("the name of a class is no text");
                };
                self.global(&module, &name)?;
            }
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                let args: Vec<Value> = self.heap.elements(args).iter().copied().take(MAX_ARGS).collect();
                self.call(callable, args)?;
            }
            0x92 => {
                let (_named, args, callable) = (self.pop()?, self.pop()?, self.pop()?);
                let args: Vec<Value> = self.heap.elements(args).iter().copied().take(MAX_ARGS).collect();
                self.call(callable, args)?;
            }
            b'i' => {
                let (module, name) = (self.stream.line()?, self.stream.line()?);
                let args = self.marked()?;
                self.global(&module, &name)?;
                let callable = self.pop()?;
                self.call(callable, args)?;
            }
            b'o' => {
                let mut args = self.marked()?;
                if args.is_empty() {
                    return damaged("the class of an object is missing");
                }
                let callable = args.remove(0);
                self.call(callable, args)?;
            }
            b'b' => self.build()?,
            b'Q' => {
                let id = self.pop()?;
                let named = storage(self.heap, id)?;
                self.stack.push(named);
            }
            b'P' => {
                return Err("its storages are named by texts, as no version of PyTorch that is read here does".into());
            }
            0x82..=0x84 => return Err("it uses Python's registry of extensions, which names what it would call".into()),
            0x97 | 0x98 => return Err("parts of it lie outside of the file (out-of-band buffers)".into()),
            _ => return damaged(&format!("byte {op:#04x} is no instruction")),
        }
        Ok(())
    }
}
