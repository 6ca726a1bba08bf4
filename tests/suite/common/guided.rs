//! Small networks in guided-diffusion's layout with random weights: a UNet that knows two classes, and a classifier.
use residua::Shape;
use safetensors::{Dtype, tensor::TensorView};
use std::path::Path;

/// Width of every layer.
const WIDTH: usize = 8;
/// Width of the time embedding.
const TIME: usize = 4 * WIDTH;

/// The layers of a network: keys, and the shapes of their weights.
struct Layers {
    all: Vec<(String, Vec<usize>)>,
    /// Of a residual block's time: two numbers for each channel.
    scale_shift: bool,
}

impl Layers {
    /// A residual block from `cin` channels.
    fn res(&mut self, key: &str, cin: usize) {
        let w = WIDTH;
        let time = if self.scale_shift { 2 * w } else { w };
        for (part, shape) in [
            ("in_layers.0", vec![cin]),
            ("in_layers.2", vec![w, cin, 3, 3]),
            ("emb_layers.1", vec![time, TIME]),
            ("out_layers.0", vec![w]),
            ("out_layers.3", vec![w, w, 3, 3]),
        ] {
            self.all.push((format!("{key}.{part}"), shape));
        }
        if cin != w {
            self.all.push((format!("{key}.skip_connection"), vec![w, cin, 1, 1]));
        }
    }
    /// Time, first convolution, `blocks` residual blocks, middle.
    fn encoder(channels: usize, blocks: usize, scale_shift: bool) -> Self {
        let w = WIDTH;
        let first = [
            ("time_embed.0", vec![TIME, w]),
            ("time_embed.2", vec![TIME, TIME]),
            ("input_blocks.0.0", vec![w, channels, 3, 3]),
            ("middle_block.1.norm", vec![w]),
            ("middle_block.1.qkv", vec![3 * w, w, 1]),
            ("middle_block.1.proj_out", vec![w, w, 1]),
            ("out.0", vec![w]),
        ];
        let all = first.into_iter().map(|(key, shape)| (key.to_owned(), shape)).collect();
        let mut layers = Layers { all, scale_shift };
        (1..=blocks).for_each(|i| layers.res(&format!("input_blocks.{i}.0"), w));
        ["middle_block.0", "middle_block.2"].iter().for_each(|key| layers.res(key, w));
        layers
    }
    /// Writes the weights, and the labels' table where there are `classes`.
    fn write(&self, path: &Path, classes: usize, seed: u64) {
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        let mut put = |name: String, shape: Vec<usize>, scale: f32, base: f32| {
            let values = super::random(Shape::new(1, 1, 1, shape.iter().product()), seed + tensors.len() as u64).data;
            let bytes = values.iter().flat_map(|v| (base + scale * v).to_le_bytes()).collect();
            tensors.push((name, shape, bytes));
        };
        for (key, shape) in &self.all {
            // Sums of `fan_in` products keep their size; norms scale by about one.
            let fan_in: usize = shape[1..].iter().product();
            let (scale, base) = if shape.len() == 1 { (0.2, 1.0) } else { ((3.0 / fan_in as f32).sqrt(), 0.0) };
            put(format!("{key}.weight"), shape.clone(), scale, base);
            put(format!("{key}.bias"), vec![shape[0]], 0.1, 0.0);
        }
        if classes > 0 {
            put("label_emb.weight".into(), vec![classes, TIME], 1.0, 0.0);
        }
        let views = tensors.iter().map(|(n, s, b)| (n, TensorView::new(Dtype::F32, s.clone(), b).unwrap()));
        std::fs::write(path, safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()).unwrap();
    }
}

/// Writes `denoiser.safetensors` and `config.json`: one level, of `classes` classes, with a variance beside the noise.
pub fn denoiser(folder: &Path, channels: usize, classes: usize) {
    let mut layers = Layers::encoder(channels, 1, false);
    ["output_blocks.0.0", "output_blocks.1.0"].iter().for_each(|key| layers.res(key, 2 * WIDTH));
    layers.all.push(("out.2".into(), vec![2 * channels, WIDTH, 3, 3]));
    layers.write(&folder.join("denoiser.safetensors"), classes, 100);
    let classes = if classes > 0 { format!(r#", "num_classes": {classes}"#) } else { String::new() };
    let config = format!(
        r#"{{"_class_name": "guided_diffusion.UNetModel", "in_channels": {channels}, "model_channels": {WIDTH}, "out_channels": {},
            "num_res_blocks": 1, "attention_resolutions": [], "channel_mult": [1], "num_heads": 2, "norm_num_groups": 4{classes}}}"#,
        2 * channels
    );
    std::fs::write(folder.join("config.json"), config).unwrap();
}

/// Writes `classifier.safetensors` and `classifier.json`: two levels, the mean over all pixels, of `classes` classes.
pub fn classifier(folder: &Path, channels: usize, classes: usize) {
    let mut layers = Layers::encoder(channels, 3, true);
    layers.all.push(("out.3".into(), vec![classes, WIDTH, 1, 1]));
    layers.write(&folder.join("classifier.safetensors"), 0, 900);
    let config = format!(
        r#"{{"_class_name": "guided_diffusion.EncoderUNetModel", "in_channels": {channels}, "model_channels": {WIDTH},
            "out_channels": {classes}, "num_res_blocks": 1, "attention_resolutions": [], "channel_mult": [1, 1],
            "num_head_channels": 4, "use_scale_shift_norm": true, "resblock_updown": true, "pool": "adaptive",
            "norm_num_groups": 4}}"#
    );
    std::fs::write(folder.join("classifier.json"), config).unwrap();
}

/// Writes both, and a `detector.json` of Wolleb et al. for images of 16 x 16; `more` goes into `system`, `input` into `input`.
pub fn folder(folder: &Path, channels: usize, more: &str, input: &str) {
    denoiser(folder, channels, 2);
    classifier(folder, channels, 2);
    let settings = format!(
        r#"{{"format": 2, "name": "healed", "input": {{"width": 16, "height": 16, "channels": {channels}, "range": [0, 1]{input}}},
            "networks": {{"denoiser": {{"file": "denoiser.safetensors"}}}},
            "system": {{"method": "wolleb", "respacing": "ddim25", "noise_level": 4, "scale": 30, "noise_per": "run"{more}}},
            "threshold": {{"pixel": 0.2, "image": 0.1}}}}"#
    );
    std::fs::write(folder.join("detector.json"), settings).unwrap();
}
