//! Whether the shades of a mask are labels, soft edges, or the noise of a compression.
use std::collections::HashSet;

/// Pixels along a side of the squares within which a compression spreads what it alters: JPEG's, with halved colours.
const BLOCK: usize = 16;

/// One shade a pixel.
pub(super) struct Shades<'a> {
    /// Columns.
    pub width: usize,
    /// Row by row, not negative; in `[0,1]` if lossy.
    pub values: &'a [f32],
    /// Whether they come from a compression that alters them.
    pub lossy: bool,
}

/// What the user should know of a mask's shades.
/// # Errors
/// In words, where they may be labels as well as noise.
pub(super) fn of_shades(shades: &Shades) -> Result<Option<String>, String> {
    let most = shades.values.iter().copied().fold(0.0, f32::max);
    if most == 0.0 {
        return Ok(None);
    }
    let full = if shades.lossy { 1.0 } else { most };
    let half = full / 2.0;
    if shades.lossy {
        if most <= half {
            return Err(format!(
                "the mask's brightest pixel has {:.0} of 255, and its compression alters values: labels cannot be told from \
                 noise; save the mask as PNG",
                most * 255.0
            ));
        }
        if let Some(v) = alone(shades, 16.0 / 255.0, half) {
            return Err(format!(
                "the mask holds {:.0} of 255 far from anything brighter, and its compression alters values: labels cannot be \
                 told from noise; save the mask as PNG",
                v * 255.0
            ));
        }
        return Ok(Some(
            "is of a compression that alters values: what is brighter than half of white is marked".into(),
        ));
    }
    if !soft(shades, half) {
        return Ok(None);
    }
    match alone(shades, 0.0, half) {
        Some(_) => Err(
            "the mask holds dark pixels of changing shades far from anything brighter, such as the noise of a JPEG \
                        saved as another format: save what is marked in shades of its own, all else black"
                .into(),
        ),
        None => Ok(Some("has edges of many shades: every pixel that is not black is marked".into())),
    }
}

/// Whether pixels up to half of the brightest change their shade from one to the next, as labels do not.
fn soft(shades: &Shades, half: f32) -> bool {
    let weak = |v: f32| v > 0.0 && v <= half;
    let pairs =
        shades.values.chunks_exact(shades.width).flat_map(|row| row.windows(2)).filter(|p| p.iter().all(|v| weak(*v)));
    let (total, unequal) = pairs.fold((0, 0), |(n, u), p| (n + 1, u + usize::from(p[0] != p[1])));
    let kinds: HashSet<u32> = shades.values.iter().filter(|v| weak(**v)).map(|v| v.to_bits()).take(1 << 16).collect();
    (total >= 16 || kinds.len() > 16) && 10 * unequal >= 3 * total
}

/// The first shade above `low` and up to `half` with nothing brighter in its square or in one beside it.
fn alone(shades: &Shades, low: f32, half: f32) -> Option<f32> {
    let place = |i: usize| ((i % shades.width) / BLOCK, (i / shades.width) / BLOCK);
    let bright: HashSet<(usize, usize)> =
        shades.values.iter().enumerate().filter(|(_, v)| **v > half).map(|(i, _)| place(i)).collect();
    let near = |(x, y): (usize, usize)| {
        (x.saturating_sub(1)..=x + 1).any(|x| (y.saturating_sub(1)..=y + 1).any(|y| bright.contains(&(x, y))))
    };
    let weak = shades.values.iter().enumerate().filter(|(_, v)| **v > low && **v <= half);
    weak.into_iter().find(|(i, _)| !near(place(*i))).map(|(_, v)| *v)
}
