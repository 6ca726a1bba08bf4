//! A gzip stream as gzip itself reads one: members one after the other, and zeros behind the last, as tapes and block devices pad files.
use flate2::bufread::GzDecoder;
use std::io::{BufRead, Error, ErrorKind, Read, Result};

/// A stream without its compression.
pub(super) enum Gzip<R> {
    /// In a member.
    Member(GzDecoder<R>),
    /// Behind the last.
    End,
}

impl<R: BufRead> Gzip<R> {
    /// Of a stream that begins with a member.
    pub fn new(stream: R) -> Self {
        Gzip::Member(GzDecoder::new(stream))
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        while let Gzip::Member(member) = self {
            let count = member.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            let Gzip::Member(ended) = std::mem::replace(self, Gzip::End) else { break };
            if let Some(stream) = next(ended.into_inner())? {
                *self = Gzip::Member(GzDecoder::new(stream));
            }
        }
        Ok(0)
    }
}

/// The stream, if another member follows; what else does is zeros.
fn next<R: BufRead>(mut stream: R) -> Result<Option<R>> {
    let mut padded = false;
    loop {
        let part = stream.fill_buf()?;
        let Some(&first) = part.first() else { return Ok(None) };
        let zeros = part.iter().take_while(|b| **b == 0).count();
        if zeros == 0 {
            return match padded || first != 0x1f {
                true => Err(Error::new(ErrorKind::InvalidData, "there are other data behind its gzip data")),
                false => Ok(Some(stream)),
            };
        }
        padded = true;
        stream.consume(zeros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use std::io::{BufReader, Write};

    fn member(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }
    fn read(bytes: &[u8], buffer: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        Gzip::new(BufReader::with_capacity(buffer, bytes)).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn members_and_zeros_are_read_and_nothing_else() {
        let (one, two) = (member(b"one "), member(b"two"));
        let zeros = vec![0; 3000];
        for buffer in [1, 7, 8192] {
            for end in [&[][..], &zeros[..1], &zeros] {
                let all = [&one[..], &two, end].concat();
                assert_eq!(read(&all, buffer).unwrap(), b"one two", "{buffer} {}", end.len());
            }
            for end in [&b"x"[..], &[0, 0, b'x'], &[0x1f], &[0x1f, 0x8b, 8], &[&zeros[..5], &two[..]].concat()] {
                assert!(read(&[&one[..], end].concat(), buffer).is_err(), "{buffer} {end:?}");
            }
            assert!(read(&one[..one.len() - 1], buffer).is_err());
        }
    }
}
