//! guided-diffusion's classifier with random weights, in memory, as Wolleb et al. have it (5.4 M parameters) but for four blocks a
//! level, of which there are two here.
use super::weights::Weights;
use residua::Result;
use residua::model::{Checkpoint, ClassifierSpec, Config, Overrides, read_classifier};

const WIDTHS: [usize; 6] = [32, 32, 64, 64, 128, 128];
const BLOCKS: usize = 2;
/// Levels with attention: from an eighth of the image's size on.
const ATTENTION: usize = 3;
const TIME: usize = 4 * WIDTHS[0];
const CONFIG: &[u8] = br#"{"_class_name": "EncoderUNetModel", "num_head_channels": 64, "num_res_blocks": 2}"#;

fn res(w: &mut Weights, key: &str, cin: usize, cout: usize) {
    w.norm(&format!("{key}.in_layers.0"), cin);
    w.product(&format!("{key}.in_layers.2"), &[cout, cin, 3, 3]);
    w.product(&format!("{key}.emb_layers.1"), &[2 * cout, TIME]);
    w.norm(&format!("{key}.out_layers.0"), cout);
    w.product(&format!("{key}.out_layers.3"), &[cout, cout, 3, 3]);
    if cin != cout {
        w.product(&format!("{key}.skip_connection"), &[cout, cin, 1, 1]);
    }
}

fn attention(w: &mut Weights, key: &str, c: usize) {
    w.norm(&format!("{key}.norm"), c);
    w.product(&format!("{key}.qkv"), &[3 * c, c, 1]);
    w.product(&format!("{key}.proj_out"), &[c, c, 1]);
}

/// The network and its weights, for four channels, two classes and images of `size` x `size`, a multiple of 32.
pub fn random(size: usize) -> Result<(Checkpoint, ClassifierSpec)> {
    let mut w = Weights::default();
    w.product("time_embed.0", &[TIME, WIDTHS[0]]);
    w.product("time_embed.2", &[TIME, TIME]);
    w.product("input_blocks.0.0", &[WIDTHS[0], 4, 3, 3]);
    let (mut c, mut n) = (WIDTHS[0], 1);
    for (level, width) in WIDTHS.into_iter().enumerate() {
        for _ in 0..BLOCKS {
            res(&mut w, &format!("input_blocks.{n}.0"), c, width);
            if level >= ATTENTION {
                attention(&mut w, &format!("input_blocks.{n}.1"), width);
            }
            (c, n) = (width, n + 1);
        }
        if level + 1 < WIDTHS.len() {
            res(&mut w, &format!("input_blocks.{n}.0"), c, c);
            n += 1;
        }
    }
    res(&mut w, "middle_block.0", c, c);
    attention(&mut w, "middle_block.1", c);
    res(&mut w, "middle_block.2", c, c);
    let side = size >> (WIDTHS.len() - 1);
    w.norm("out.0", c);
    w.add("out.2.positional_embedding".into(), &[c, 1 + side * side], 0.1, 0.0);
    w.product("out.2.qkv_proj", &[3 * c, c, 1]);
    w.product("out.2.c_proj", &[2, c, 1]);
    let ck = w.open()?;
    let spec = read_classifier(&ck, &Config::parse("config.json", CONFIG)?, &Overrides::default())?;
    Ok((ck, spec))
}
