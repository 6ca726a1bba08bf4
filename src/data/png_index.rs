//! A PNG with a palette as its indices: some tools store labels so and leave the palette black.
use flate2::Crc;

/// The same PNG as a gray one whose shades are the indices; `None` for one without a palette.
pub(super) fn as_gray(bytes: &[u8]) -> Option<Vec<u8>> {
    const SIGNATURE: usize = 8;
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") || bytes.get(25) != Some(&3) {
        return None;
    }
    let (mut gray, mut at) = (bytes[..SIGNATURE].to_vec(), SIGNATURE);
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let chunk = bytes.get(at..at.checked_add(length)?.checked_add(12)?)?;
        at += chunk.len();
        match &head[4..] {
            b"PLTE" | b"tRNS" | b"bKGD" | b"hIST" | b"sBIT" => {}
            b"IHDR" => {
                let mut named = chunk[4..8 + length].to_vec();
                *named.get_mut(4 + 9)? = 0;
                let mut crc = Crc::new();
                crc.update(&named);
                gray.extend_from_slice(&chunk[..4]);
                gray.extend_from_slice(&named);
                gray.extend_from_slice(&crc.sum().to_be_bytes());
            }
            _ => gray.extend_from_slice(chunk),
        }
    }
    Some(gray)
}
