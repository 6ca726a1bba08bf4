//! One form for the projections into attention, whatever the checkpoint's: 3C rows [q | k | v], each of the
//! three with its heads contiguous, so that one kernel serves every layout.
use super::unet::{Attention, Qkv};
use super::{AttentionOrder, Checkpoint};
use crate::Result;

/// Reads the projections of an attention: (3C, C) weights, row-major, and 3C biases.
/// # Errors
/// As [`Checkpoint::take`].
pub(super) fn load(ck: &Checkpoint, attention: &Attention) -> Result<(Vec<f32>, Vec<f32>)> {
    let c = attention.channels;
    match &attention.qkv {
        Qkv::Fused { key, order } => {
            let weight = ck.take(&format!("{key}.weight"), &[3 * c, c])?;
            let bias = ck.take(&format!("{key}.bias"), &[3 * c])?;
            Ok(match order {
                AttentionOrder::New => (weight, bias),
                AttentionOrder::Legacy => (by_part(&weight, attention.heads, c), by_part(&bias, attention.heads, 1)),
            })
        }
        Qkv::Separate { keys } => {
            let (mut weight, mut bias) = (Vec::with_capacity(3 * c * c), Vec::with_capacity(3 * c));
            for key in keys {
                weight.extend(ck.take(&format!("{key}.weight"), &[c, c])?);
                bias.extend(ck.take(&format!("{key}.bias"), &[c])?);
            }
            Ok((weight, bias))
        }
    }
}

/// Rows of `width` values from (heads, 3, d) to (3, heads, d) order.
fn by_part(rows: &[f32], heads: usize, width: usize) -> Vec<f32> {
    // One head's rows of one part are contiguous in both orders.
    let block = (rows.len() / (3 * heads.max(1))).max(width).max(1);
    let blocks: Vec<&[f32]> = rows.chunks(block).collect();
    (0..3)
        .flat_map(|part| (0..heads).map(move |h| 3 * h + part))
        .filter_map(|i| blocks.get(i))
        .copied()
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::file_of;

    fn attention(heads: usize, qkv: Qkv) -> Attention {
        Attention { name: "a".into(), channels: 4, heads, norm: None, qkv, proj: None, divisor: 1.0 }
    }

    #[test]
    fn legacy_rows_are_regrouped_by_part() {
        // Row r of the weights is all r, so is its bias.
        let weight: Vec<f32> = (0..12).flat_map(|r| [r as f32; 4]).collect();
        let bias: Vec<f32> = (0..12).map(|r| r as f32).collect();
        let file = file_of(&[("a.qkv.weight", &[12, 4, 1], weight.clone()), ("a.qkv.bias", &[12], bias.clone())]);
        let ck = Checkpoint::from_bytes("x", file).unwrap();
        let fused = |order| Qkv::Fused { key: "a.qkv".into(), order };
        let (w, b) = load(&ck, &attention(2, fused(AttentionOrder::Legacy))).unwrap();
        // Two heads of two: rows are q0 k0 v0 q1 k1 v1.
        let expected = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11].map(|r| r as f32);
        assert_eq!(b, expected);
        assert_eq!(w, expected.iter().flat_map(|&r| [r; 4]).collect::<Vec<_>>());
        let same = (weight, bias);
        assert_eq!(load(&ck, &attention(1, fused(AttentionOrder::Legacy))).unwrap(), same, "one head has one order");
        assert_eq!(load(&ck, &attention(2, fused(AttentionOrder::New))).unwrap(), same);
    }

    #[test]
    fn separate_parts_are_joined() {
        let part = |v: f32| vec![v; 16];
        let file = file_of(&[
            ("q.weight", &[4, 4], part(0.0)),
            ("k.weight", &[4, 4, 1, 1], part(1.0)),
            ("v.weight", &[4, 4], part(2.0)),
            ("q.bias", &[4], vec![3.0; 4]),
            ("k.bias", &[4], vec![4.0; 4]),
            ("v.bias", &[4], vec![5.0; 4]),
        ]);
        let ck = Checkpoint::from_bytes("x", file).unwrap();
        let keys = ["q", "k", "v"].map(String::from);
        let (w, b) = load(&ck, &attention(2, Qkv::Separate { keys })).unwrap();
        assert_eq!((w.len(), w[15], w[16], w[47]), (48, 0.0, 1.0, 2.0));
        assert_eq!(b, [3.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 4.0, 5.0, 5.0, 5.0, 5.0]);
    }
}
