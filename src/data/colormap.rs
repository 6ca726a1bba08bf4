//! A colour map from black over violet, red and orange to pale yellow, perceptually uniform by construction.
use std::sync::LazyLock;

/// The path through OKLCh: (lightness, chroma, hue in degrees), evenly spaced in lightness. The chroma is the wish;
/// what sRGB cannot show is reduced to what it can.
const PATH: [(f32, f32, f32); 6] = [
    (0.00, 0.000, 280.0),
    (0.19, 0.120, 290.0),
    (0.38, 0.190, 340.0),
    (0.57, 0.215, 387.0),
    (0.76, 0.180, 418.0),
    (0.95, 0.110, 465.0),
];

static TABLE: LazyLock<[[u8; 3]; 256]> = LazyLock::new(table);

/// The sRGB colour of a heat in `[0,1]`; what lies outside is clamped, NaN is black.
pub fn heat(value: f32) -> [u8; 3] {
    // A cast of NaN gives 0.
    TABLE[(value.clamp(0.0, 1.0) * 255.0 + 0.5) as usize]
}

/// 256 colours at equal distances along the path.
fn table() -> [[u8; 3]; 256] {
    const FINE: usize = 2048;
    let path: Vec<[f32; 3]> = (0..=FINE).map(|i| on_path(i as f32 / FINE as f32)).collect();
    let mut length = vec![0.0];
    for pair in path.windows(2) {
        let step = pair[0].iter().zip(&pair[1]).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
        length.push(length[length.len() - 1] + step);
    }
    let total = length[FINE];
    std::array::from_fn(|i| {
        let want = total * i as f32 / 255.0;
        let at = length.partition_point(|&l| l < want).min(FINE);
        srgb(path[at]).map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8)
    })
}

/// OKLab at a position in `[0,1]`, brought into what sRGB can show.
fn on_path(t: f32) -> [f32; 3] {
    let at = t * (PATH.len() - 1) as f32;
    let i = (at as usize).min(PATH.len() - 2);
    let f = at - i as f32;
    let ((l0, c0, h0), (l1, c1, h1)) = (PATH[i], PATH[i + 1]);
    let mix = |a: f32, b: f32| a + (b - a) * f;
    let (l, h) = (mix(l0, l1), mix(h0, h1).to_radians());
    let mut chroma = mix(c0, c1);
    let lab = |c: f32| [l, c * h.cos(), c * h.sin()];
    while chroma > 0.0 && !srgb(lab(chroma)).iter().all(|v| (-1e-3..=1.001).contains(v)) {
        chroma -= 0.001;
    }
    lab(chroma.max(0.0))
}

/// OKLab (Ottosson 2020) to sRGB in `[0,1]`, outside it where sRGB has no such colour.
fn srgb([l, a, b]: [f32; 3]) -> [f32; 3] {
    let lms = [
        l + 0.396_337_78 * a + 0.215_803_76 * b,
        l - 0.105_561_346 * a - 0.063_854_17 * b,
        l - 0.089_484_18 * a - 1.291_485_5 * b,
    ]
    .map(|v| v * v * v);
    let dot = |w: [f32; 3]| w[0] * lms[0] + w[1] * lms[1] + w[2] * lms[2];
    [
        dot([4.076_741_7, -3.307_711_6, 0.230_969_94]),
        dot([-1.268_438, 2.609_757_4, -0.341_319_38]),
        dot([-0.004_196_086_3, -0.703_418_6, 1.707_614_7]),
    ]
    .map(|v| if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance.
    fn luminance(c: [u8; 3]) -> f32 {
        let linear = c.map(|v| (f32::from(v) / 255.0).powf(2.2));
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[test]
    fn heat_rises_from_black_to_pale_yellow_without_a_jump() {
        assert_eq!(heat(0.0), [0, 0, 0]);
        let top = heat(1.0);
        assert!(top[0] > 220 && top[1] > 220 && top[2] < 200, "{top:?}");
        for i in 1..256 {
            let (a, b) = (heat((i - 1) as f32 / 255.0), heat(i as f32 / 255.0));
            assert!(luminance(b) >= luminance(a) - 2e-3, "{i}: {a:?} {b:?}");
            assert!(a.iter().zip(&b).all(|(x, y)| x.abs_diff(*y) <= 12), "{i}: {a:?} {b:?}");
        }
        assert_eq!((heat(f32::NAN), heat(-3.0), heat(9.0)), (heat(0.0), heat(0.0), heat(1.0)));
    }
}
