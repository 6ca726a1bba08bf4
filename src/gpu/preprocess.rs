//! The shader preprocessor: `#include`, `#if … #else … #end`, `#const`, `#unroll … #end` and `$NAME`.
//!
//! - `#include lib/x.wgsl` inserts a file once.
//! - `#if NAME`, `#if NAME == 3`, `#if NAME != text` test a constant; one that is absent, false, 0 or empty is false.
//! - `#const NAME` declares `const NAME: u32 = …;` (or f32).
//! - `#unroll i 0..$N` repeats its body with `$i` replaced.
//! - `$NAME` is replaced by the constant's text anywhere.
use super::sources::{LIB, ShaderFile};
use crate::{Error, Result, kernels::Value};
use std::collections::HashMap;

/// Constants by name.
pub type Consts = HashMap<String, Value>;

/// The text of a constant, as WGSL spells it.
fn text(v: &Value) -> String {
    match v {
        Value::U(u) => format!("{u}u"),
        Value::F(f) if f.is_finite() => format!("{f:?}"),
        Value::F(f) => format!("bitcast<f32>({:#x}u)", f.to_bits()),
        Value::B(b) => u32::from(*b).to_string(),
        Value::T(t) => t.clone(),
    }
}

/// The specialised text of a shader file.
/// # Errors
/// [`Error::Shader`] with file and line for an unknown include, constant or directive.
pub fn preprocess(source: ShaderFile, consts: &Consts) -> Result<String> {
    let mut p = Preprocessor { consts, included: Vec::new(), out: String::new() };
    p.file(source)?;
    Ok(p.out)
}

struct Preprocessor<'a> {
    consts: &'a Consts,
    included: Vec<&'static str>,
    out: String,
}

type Lines<'a> = [(usize, &'a str)];

impl Preprocessor<'_> {
    fn file(&mut self, source: ShaderFile) -> Result<()> {
        if self.included.contains(&source.name) {
            return Ok(());
        }
        self.included.push(source.name);
        let lines: Vec<_> = source.text.lines().enumerate().map(|(i, l)| (i + 1, l)).collect();
        self.block(source.name, &lines, &HashMap::new())
    }

    fn block(&mut self, file: &str, lines: &Lines, locals: &HashMap<String, i64>) -> Result<()> {
        let mut i = 0;
        while i < lines.len() {
            let (no, line) = lines[i];
            i += 1;
            let Some(directive) = line.trim_start().strip_prefix('#') else {
                let l = self.substitute(file, no, line, locals)?;
                self.out.push_str(&l);
                self.out.push('\n');
                continue;
            };
            let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
            match word {
                "include" => {
                    let name = rest.trim();
                    let piece = LIB.into_iter().find(|s| s.name == name);
                    self.file(piece.ok_or_else(|| fault(file, no, format!("no shader file `{name}`")))?)?;
                }
                "const" => {
                    let name = rest.trim();
                    let v = self
                        .consts
                        .get(name)
                        .ok_or_else(|| fault(file, no, format!("constant `{name}` is not given")))?;
                    let ty = if matches!(v, Value::F(_)) { "f32" } else { "u32" };
                    self.out.push_str(&format!("const {name}: {ty} = {};\n", text(v)));
                }
                "if" => {
                    let (end, middle) = matching_end(file, &lines[i..], no)?;
                    let holds = self.condition(file, no, rest, locals)?;
                    let body = match (holds, middle) {
                        (true, Some(m)) => &lines[i..i + m],
                        (true, None) => &lines[i..i + end],
                        (false, Some(m)) => &lines[i + m + 1..i + end],
                        (false, None) => &[],
                    };
                    self.block(file, body, locals)?;
                    i += end + 1;
                }
                "unroll" => {
                    let (end, _) = matching_end(file, &lines[i..], no)?;
                    let rest = self.substitute(file, no, rest, locals)?;
                    let parsed = rest.split_once(' ').and_then(|(v, range)| {
                        let (a, b) = range.trim().split_once("..")?;
                        let int = |s: &str| s.trim().trim_end_matches('u').parse::<i64>().ok();
                        Some((v.to_owned(), int(a)?, int(b)?))
                    });
                    let (var, a, b) =
                        parsed.ok_or_else(|| fault(file, no, format!("`#unroll {rest}` is not `#unroll i a..b`")))?;
                    for k in a..b {
                        let mut inner = locals.clone();
                        inner.insert(var.clone(), k);
                        self.block(file, &lines[i..i + end], &inner)?;
                    }
                    i += end + 1;
                }
                _ => return Err(fault(file, no, format!("unknown directive `#{word}`"))),
            }
        }
        Ok(())
    }

    fn condition(&self, file: &str, no: usize, rest: &str, locals: &HashMap<String, i64>) -> Result<bool> {
        let value = |name: &str| match (locals.get(name), self.consts.get(name)) {
            (Some(k), _) => k.to_string(),
            (None, Some(v)) => text(v).trim_end_matches('u').to_owned(),
            (None, None) => "0".to_owned(),
        };
        let words: Vec<_> = rest.split_whitespace().collect();
        match words[..] {
            [name] => Ok(!matches!(value(name).as_str(), "0" | "")),
            [name, "==", with] => Ok(value(name) == with),
            [name, "!=", with] => Ok(value(name) != with),
            _ => Err(fault(file, no, format!("`#if {rest}` is not `NAME`, `NAME == x` or `NAME != x`"))),
        }
    }

    fn substitute(&self, file: &str, no: usize, line: &str, locals: &HashMap<String, i64>) -> Result<String> {
        let code = line.split("//").next().unwrap_or("");
        if !code.contains('$') {
            return Ok(line.to_owned());
        }
        let mut out = String::with_capacity(code.len());
        let mut parts = code.split('$');
        out.push_str(parts.next().unwrap_or(""));
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
            let name = &part[..end];
            match (locals.get(name), self.consts.get(name)) {
                (Some(k), _) => out.push_str(&k.to_string()),
                (None, Some(v)) => out.push_str(&text(v)),
                (None, None) => return Err(fault(file, no, format!("constant `{name}` is not given"))),
            }
            out.push_str(&part[end..]);
        }
        Ok(out)
    }
}

/// Offsets of the `#end` that closes the block starting before `lines`, and of its `#else`.
fn matching_end(file: &str, lines: &Lines, opened: usize) -> Result<(usize, Option<usize>)> {
    let (mut depth, mut middle) = (0, None);
    for (i, (_, line)) in lines.iter().enumerate() {
        match line.split_whitespace().next() {
            Some("#if" | "#unroll") => depth += 1,
            Some("#else") if depth == 0 => middle = Some(i),
            Some("#end") if depth == 0 => return Ok((i, middle)),
            Some("#end") => depth -= 1,
            _ => {}
        }
    }
    Err(fault(file, opened, "this block has no #end".into()))
}

fn fault(file: &str, line: usize, fault: String) -> Error {
    Error::Shader { file: format!("{file}:{line}"), fault }
}
