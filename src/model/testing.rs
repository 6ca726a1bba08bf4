//! Small checkpoints in memory, for the tests of this layer.
use super::Checkpoint;
use safetensors::{Dtype, tensor::TensorView};
use std::collections::BTreeMap;

/// A safetensors file of F32 tensors, whose values count up from zero over a thousandth.
pub fn file(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let counted = |shape: &[usize]| (0..shape.iter().product()).map(|i: usize| i as f32 / 1000.0).collect();
    let owned: Vec<(&str, &[usize], Vec<f32>)> = tensors.iter().map(|&(k, s)| (k, s, counted(s))).collect();
    file_of(&owned)
}

/// A safetensors file of F32 tensors with the given values.
pub fn file_of(tensors: &[(&str, &[usize], Vec<f32>)]) -> Vec<u8> {
    let view = |(k, s, v): &(&str, &[usize], Vec<f32>)| {
        let bytes: &'static [u8] = v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>().leak();
        (k.to_string(), TensorView::new(Dtype::F32, s.to_vec(), bytes).unwrap())
    };
    safetensors::serialize(tensors.iter().map(view), None).unwrap()
}

/// [`file`], opened.
pub fn checkpoint(tensors: &[(&str, &[usize])]) -> Checkpoint {
    Checkpoint::from_bytes("test.safetensors", file(tensors)).unwrap()
}

/// Keys and shapes, to be added to and taken from.
#[derive(Clone, Default)]
pub struct Keys(pub BTreeMap<String, Vec<usize>>);

impl Keys {
    /// A weight and its bias.
    pub fn pair(&mut self, key: &str, weight: &[usize]) -> &mut Self {
        self.0.insert(format!("{key}.weight"), weight.to_vec());
        self.0.insert(format!("{key}.bias"), vec![weight[0]]);
        self
    }
    /// The checkpoint that holds them.
    pub fn open(&self) -> Checkpoint {
        checkpoint(&self.0.iter().map(|(k, s)| (k.as_str(), s.as_slice())).collect::<Vec<_>>())
    }
    /// Keys under another name.
    pub fn renamed(&self, rename: impl Fn(&str) -> String) -> Self {
        Keys(self.0.iter().map(|(k, s)| (rename(k), s.clone())).collect())
    }
}

/// The words of a layout's residual block: norm1, conv1, time, norm2, conv2, skip.
type ResWords = [&'static str; 6];
const NUMBERED: ResWords =
    ["in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection"];
const NAMED: ResWords = ["norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut"];

fn res(keys: &mut Keys, words: &ResWords, name: &str, cin: usize, cout: usize) {
    let [norm1, conv1, time, norm2, conv2, skip] = words.map(|w| format!("{name}.{w}"));
    keys.pair(&norm1, &[cin]).pair(&conv1, &[cout, cin, 3, 3]).pair(&time, &[cout, 16]);
    keys.pair(&norm2, &[cout]).pair(&conv2, &[cout, cout, 3, 3]);
    if cin != cout {
        keys.pair(&skip, &[cout, cin, 1, 1]);
    }
}

fn fused(keys: &mut Keys, name: &str, c: usize) {
    keys.pair(&format!("{name}.norm"), &[c]).pair(&format!("{name}.qkv"), &[3 * c, c, 1]);
    keys.pair(&format!("{name}.proj_out"), &[c, c, 1]);
}

/// guided-diffusion: widths 8, 16, one block a level, attention at the second, strided convolutions.
pub fn guided() -> Keys {
    let mut keys = Keys::default();
    keys.pair("time_embed.0", &[16, 8]).pair("time_embed.2", &[16, 16]).pair("input_blocks.0.0", &[8, 2, 3, 3]);
    res(&mut keys, &NUMBERED, "input_blocks.1.0", 8, 8);
    keys.pair("input_blocks.2.0.op", &[8, 8, 3, 3]);
    res(&mut keys, &NUMBERED, "input_blocks.3.0", 8, 16);
    fused(&mut keys, "input_blocks.3.1", 16);
    res(&mut keys, &NUMBERED, "middle_block.0", 16, 16);
    fused(&mut keys, "middle_block.1", 16);
    res(&mut keys, &NUMBERED, "middle_block.2", 16, 16);
    for (i, cin, cout) in [(0, 32, 16), (1, 24, 16), (2, 24, 8), (3, 16, 8)] {
        res(&mut keys, &NUMBERED, &format!("output_blocks.{i}.0"), cin, cout);
        if i < 2 {
            fused(&mut keys, &format!("output_blocks.{i}.1"), 16);
        }
    }
    keys.pair("output_blocks.1.2.conv", &[16, 16, 3, 3]);
    keys.pair("out.0", &[8]).pair("out.2", &[2, 8, 3, 3]);
    keys
}

/// guided-diffusion's classifier of three classes: the first half of [`guided`] with a pool by its original's name (attention for
/// images of 4x4); with `updown` a residual block halves the image.
pub fn classifier(pool: &str, updown: bool) -> Keys {
    let mut keys = guided();
    keys.0.retain(|k, _| !k.starts_with("out"));
    if updown {
        keys.0.retain(|k, _| !k.contains(".op."));
        res(&mut keys, &NUMBERED, "input_blocks.2.0", 8, 8);
    }
    match pool {
        "adaptive" => keys.pair("out.0", &[16]).pair("out.3", &[3, 16, 1, 1]),
        "attention" => {
            keys.0.insert("out.2.positional_embedding".into(), vec![16, 5]);
            keys.pair("out.0", &[16]).pair("out.2.qkv_proj", &[48, 16, 1]).pair("out.2.c_proj", &[3, 16, 1])
        }
        "spatial" => keys.pair("out.0", &[12, 56]).pair("out.2", &[3, 12]),
        "spatial_v2" => keys.pair("out.0", &[12, 56]).pair("out.1", &[12]).pair("out.3", &[3, 12]),
        other => unreachable!("{other} is no pool"),
    };
    keys
}

/// AnoDDPM: the same.
pub fn anoddpm() -> Keys {
    let words = [
        ("input_blocks", "down"),
        ("output_blocks", "up"),
        ("middle_block", "middle"),
        ("emb_layers", "embed_layers"),
        ("qkv", "to_qkv"),
        (".op.", ".downsample."),
        ("time_embed.0", "time_embedding.1"),
        ("time_embed.2", "time_embedding.3"),
    ];
    guided().renamed(|k| words.iter().fold(k.to_owned(), |k, (a, b)| k.replace(a, b)))
}

/// diffusers: the same.
pub fn diffusers() -> Keys {
    let mut keys = Keys::default();
    keys.pair("time_embedding.linear_1", &[16, 8]).pair("time_embedding.linear_2", &[16, 16]);
    keys.pair("conv_in", &[8, 2, 3, 3]).pair("conv_norm_out", &[8]).pair("conv_out", &[2, 8, 3, 3]);
    res(&mut keys, &NAMED, "down_blocks.0.resnets.0", 8, 8);
    keys.pair("down_blocks.0.downsamplers.0.conv", &[8, 8, 3, 3]);
    res(&mut keys, &NAMED, "down_blocks.1.resnets.0", 8, 16);
    res(&mut keys, &NAMED, "mid_block.resnets.0", 16, 16);
    res(&mut keys, &NAMED, "mid_block.resnets.1", 16, 16);
    for (name, cin, cout) in
        [("0.resnets.0", 32, 16), ("0.resnets.1", 24, 16), ("1.resnets.0", 24, 8), ("1.resnets.1", 16, 8)]
    {
        res(&mut keys, &NAMED, &format!("up_blocks.{name}"), cin, cout);
    }
    keys.pair("up_blocks.0.upsamplers.0.conv", &[16, 16, 3, 3]);
    for name in
        ["down_blocks.1.attentions.0", "mid_block.attentions.0", "up_blocks.0.attentions.0", "up_blocks.0.attentions.1"]
    {
        keys.pair(&format!("{name}.group_norm"), &[16]);
        for part in ["to_q", "to_k", "to_v", "to_out.0"] {
            keys.pair(&format!("{name}.{part}"), &[16, 16]);
        }
    }
    keys
}

/// MONAI GenerativeModels: the same.
pub fn monai_generative() -> Keys {
    let words = [
        ("time_embedding.linear_1", "time_embed.0"),
        ("time_embedding.linear_2", "time_embed.2"),
        ("conv_norm_out", "out.0"),
        ("conv_out", "out.2.conv"),
        ("conv_in", "conv_in.conv"),
        (".conv1", ".conv1.conv"),
        (".conv2", ".conv2.conv"),
        ("conv_shortcut", "skip_connection.conv"),
        ("mid_block.resnets.0", "middle_block.resnet_1"),
        ("mid_block.resnets.1", "middle_block.resnet_2"),
        ("mid_block.attentions.0", "middle_block.attention"),
        ("downsamplers.0.conv", "downsampler.op.conv"),
        ("upsamplers.0.conv", "upsampler.conv.conv"),
        ("group_norm", "norm"),
        ("to_out.0", "proj_attn"),
    ];
    diffusers().renamed(|k| words.iter().fold(k.to_owned(), |k, (a, b)| k.replace(a, b)))
}

/// MONAI core: the same.
pub fn monai_core() -> Keys {
    let words = [
        ("to_q", "attn.to_q"),
        ("to_k", "attn.to_k"),
        ("to_v", "attn.to_v"),
        ("proj_attn", "attn.out_proj"),
        ("conv.conv", "postconv.conv"),
    ];
    monai_generative().renamed(|k| words.iter().fold(k.to_owned(), |k, (a, b)| k.replace(a, b)))
}
