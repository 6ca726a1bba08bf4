//! Numbers, texts and bytes that stand in a pickle itself.
use super::{Machine, Node, Result, Value, damaged};
use crate::model::pytorch::pickle::stream::text;

impl Machine<'_, '_, '_> {
    fn text(&mut self, length: usize) -> Result<()> {
        let text = text(self.stream.take(length)?);
        self.push(Node::Text(text));
        Ok(())
    }
    fn bytes(&mut self, length: usize) -> Result<()> {
        let bytes = self.stream.take(length)?.to_vec();
        self.push(Node::Bytes(bytes));
        Ok(())
    }
    fn long(&mut self, length: usize) -> Result<()> {
        let bytes = self.stream.take(length)?;
        if bytes.len() <= 8 {
            let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
            let mut wide = [fill; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            self.stack.push(Value::Int(i64::from_le_bytes(wide)));
        } else {
            // Too wide to compute with; PyTorch's own magic number is one.
            self.push(Node::Bytes(bytes.to_vec()));
        }
        Ok(())
    }
    /// A number as a line of text.
    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        let line = self.stream.line()?;
        line.trim().trim_end_matches('L').parse().map_or_else(|_| damaged("a number cannot be read"), Ok)
    }

    /// Puts the value onto the stack that an instruction holds; false when it holds none.
    pub(super) fn literal(&mut self, op: u8) -> Result<bool> {
        match op {
            b'N' => self.stack.push(Value::None),
            0x88 | 0x89 => self.stack.push(Value::Bool(op == 0x88)),
            b'I' => {
                let line = self.stream.line()?;
                let value = match line.trim() {
                    "00" => Value::Bool(false),
                    "01" => Value::Bool(true),
                    other => Value::Int(other.parse().map_or_else(|_| damaged("a number cannot be read"), Ok)?),
                };
                self.stack.push(value);
            }
            b'L' => {
                let line = self.stream.line()?;
                match line.trim().trim_end_matches('L').parse() {
                    Ok(n) => self.stack.push(Value::Int(n)),
                    Err(_) => self.push(Node::Bytes(line.into_bytes())),
                }
            }
            b'F' => {
                let value = Value::Float(self.number()?);
                self.stack.push(value);
            }
            b'J' => self.stack.push(Value::Int(i32::from_le_bytes(self.stream.array()?).into())),
            b'K' => self.stack.push(Value::Int(self.stream.byte()?.into())),
            b'M' => self.stack.push(Value::Int(u16::from_le_bytes(self.stream.array()?).into())),
            b'G' => self.stack.push(Value::Float(f64::from_be_bytes(self.stream.array()?))),
            0x8a => {
                let n = self.stream.byte()?;
                self.long(n.into())?;
            }
            0x8b => {
                let n = self.stream.length(false)?;
                self.long(n)?;
            }
            b'S' => {
                let line = self.stream.line()?;
                let inner = line.trim().trim_matches(|c| c == '\'' || c == '"').to_owned();
                self.push(Node::Text(inner));
            }
            b'V' => {
                let line = self.stream.line()?;
                self.push(Node::Text(line));
            }
            b'T' | b'X' => {
                let n = self.stream.length(false)?;
                self.text(n)?;
            }
            b'U' | 0x8c => {
                let n = self.stream.byte()?;
                self.text(n.into())?;
            }
            0x8d => {
                let n = self.stream.length(true)?;
                self.text(n)?;
            }
            b'C' => {
                let n = self.stream.byte()?;
                self.bytes(n.into())?;
            }
            b'B' | 0x8e | 0x96 => {
                let n = self.stream.length(op != b'B')?;
                self.bytes(n)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
