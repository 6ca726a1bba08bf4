//! A diffusers UNet2DModel with random weights, in memory: the size that weights/recipes/train.py makes by default.
use super::weights::Weights;
use residua::graph::Graph;
use residua::model::{Checkpoint, Config, Overrides, UnetSpec, read};
use residua::{Result, Shape};

const WIDTHS: [usize; 4] = [32, 64, 128, 192];
const TIME: usize = 4 * WIDTHS[0];
const CONFIG: &[u8] = br#"{"_class_name": "UNet2DModel", "attention_head_dim": 32, "norm_num_groups": 8}"#;

fn resnet(w: &mut Weights, key: &str, cin: usize, cout: usize) {
    w.norm(&format!("{key}.norm1"), cin);
    w.product(&format!("{key}.conv1"), &[cout, cin, 3, 3]);
    w.product(&format!("{key}.time_emb_proj"), &[cout, TIME]);
    w.norm(&format!("{key}.norm2"), cout);
    w.product(&format!("{key}.conv2"), &[cout, cout, 3, 3]);
    if cin != cout {
        w.product(&format!("{key}.conv_shortcut"), &[cout, cin, 1, 1]);
    }
}

fn network() -> Weights {
    let mut w = Weights::default();
    let (first, last) = (WIDTHS[0], WIDTHS[WIDTHS.len() - 1]);
    w.product("conv_in", &[first, 1, 3, 3]);
    w.product("time_embedding.linear_1", &[TIME, first]);
    w.product("time_embedding.linear_2", &[TIME, TIME]);
    let mut before = first;
    for (i, width) in WIDTHS.into_iter().enumerate() {
        resnet(&mut w, &format!("down_blocks.{i}.resnets.0"), before, width);
        if width != last {
            w.product(&format!("down_blocks.{i}.downsamplers.0.conv"), &[width, width, 3, 3]);
        }
        before = width;
    }
    w.norm("mid_block.attentions.0.group_norm", last);
    for part in ["to_q", "to_k", "to_v", "to_out.0"] {
        w.product(&format!("mid_block.attentions.0.{part}"), &[last, last]);
    }
    resnet(&mut w, "mid_block.resnets.0", last, last);
    resnet(&mut w, "mid_block.resnets.1", last, last);
    for (i, width) in WIDTHS.into_iter().rev().enumerate() {
        let narrower = WIDTHS[WIDTHS.len().saturating_sub(i + 2)];
        resnet(&mut w, &format!("up_blocks.{i}.resnets.0"), before + width, width);
        resnet(&mut w, &format!("up_blocks.{i}.resnets.1"), width + narrower, width);
        if width != first {
            w.product(&format!("up_blocks.{i}.upsamplers.0.conv"), &[width, width, 3, 3]);
        }
        before = width;
    }
    w.norm("conv_norm_out", first);
    w.product("conv_out", &[1, first, 3, 3]);
    w
}

/// The network and its weights.
pub fn random() -> Result<(Checkpoint, UnetSpec)> {
    let ck = network().open()?;
    let spec = read(&ck, &Config::parse("config.json", CONFIG)?, &Overrides::default())?;
    Ok((ck, spec))
}

/// One step: the states `x` and `t` in, `out` out.
pub fn step(ck: &Checkpoint, spec: &UnetSpec, image: Shape) -> Result<Graph> {
    let mut g = Graph::new();
    let (x, t) = (g.state("x", image), g.state("t", Shape::new(image.n, 1, 1, 1)));
    g.section("step");
    let (x, t) = (g.read(x), g.read(t));
    let node = spec.build(ck, &mut g, x, t, None)?;
    let out = g.state("out", g.shape(node));
    g.write(out, node)?;
    Ok(g)
}
