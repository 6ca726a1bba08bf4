//! Where levels end in an encoder that halves the image by residual blocks, when no decoder tells: such a block has the keys of any
//! other.
use super::numbered::Grammar;
use crate::{Error, Result};

/// The encoder blocks that halve the image, of the blocks 1..=`last`. Every level has as many residual blocks as the config says or,
/// where it does not, as leave one possibility; `halvings` may be known. The config's keys are those of the number of blocks and of the
/// levels' widths.
/// # Errors
/// [`Error::File`] when several numbers, or none, agree with the weights.
pub(super) fn turns(g: &Grammar, last: usize, keys: [&str; 2], halvings: Option<u32>) -> Result<Vec<usize>> {
    let (src, cfg, [blocks_key, mult_key]) = (g.src, g.src.cfg, keys);
    let said = cfg.count(blocks_key)?;
    let levels = match cfg.numbers(mult_key)? {
        Some(mults) => Some((mults.len(), mult_key)),
        None => halvings.map(|n| (n as usize + 1, "image_size")),
    };
    let fits = |&blocks: &usize| {
        let count = (last + 1) / (blocks + 1);
        count * (blocks + 1) == last + 1 && levels.is_none_or(|(n, _)| n == count) && possible(g, last, blocks)
    };
    let found: Vec<usize> = (1..=last).filter(|n| said.is_none_or(|said| said == *n)).filter(fits).collect();
    match found[..] {
        [blocks] => Ok((1..=last).filter(|n| n % (blocks + 1) == 0).collect()),
        [] => {
            let by_levels = levels.map(|(n, key)| format!("{n} levels by `{key}`"));
            let said: Vec<_> = said.map(|n| format!("`{blocks_key}` {n}")).into_iter().chain(by_levels).collect();
            let with = if said.is_empty() { String::new() } else { format!(", with {}", said.join(" and ")) };
            Err(src.fault(format!("{last} blocks of `{}` do not make levels of equal length{with}", g.names.input)))
        }
        _ => Err(Error::file(
            src.ck.path(),
            format!("its levels may have {found:?} residual blocks each; a config.json must say `{blocks_key}`"),
        )),
    }
}

/// Whether the weights allow for levels of so many residual blocks: the block behind them has no attention and keeps the width, and in
/// a level the width changes at most in the first block, and all or none have attention.
fn possible(g: &Grammar, last: usize, blocks: usize) -> bool {
    let has = |n: usize, layer: &str| g.src.under(&format!("{}.{n}.{layer}.", g.names.input));
    let (changes, attends) = (|n| has(n, "0.skip_connection"), |n| has(n, "1"));
    (1..=last).all(|n| match n % (blocks + 1) {
        0 => !changes(n) && !attends(n),
        1 => true,
        _ => !changes(n) && attends(n) == attends(n - 1),
    })
}
