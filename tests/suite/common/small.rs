//! The smallest network that is still a UNet, with random weights: a software driver compiles its shaders in seconds.
use residua::Shape;
use std::path::Path;

/// Width of every layer.
const WIDTH: usize = 4;

/// Writes `model.safetensors` and `config.json` of one level with one block each way, in diffusers' layout.
pub fn write(folder: &Path, channels: usize) {
    let (w, time) = (WIDTH, 2 * WIDTH);
    let mut layers = vec![
        ("time_embedding.linear_1".to_owned(), vec![time, w]),
        ("time_embedding.linear_2".into(), vec![time, time]),
        ("conv_in".into(), vec![w, channels, 3, 3]),
        ("conv_norm_out".into(), vec![w]),
        ("conv_out".into(), vec![channels, w, 3, 3]),
    ];
    for (block, cin) in [
        ("down_blocks.0.resnets.0", w),
        ("mid_block.resnets.0", w),
        ("mid_block.resnets.1", w),
        ("up_blocks.0.resnets.0", 2 * w),
        ("up_blocks.0.resnets.1", 2 * w),
    ] {
        let mut part = |name: &str, shape: &[usize]| layers.push((format!("{block}.{name}"), shape.to_vec()));
        part("norm1", &[cin]);
        part("conv1", &[w, cin, 3, 3]);
        part("time_emb_proj", &[w, time]);
        part("norm2", &[w]);
        part("conv2", &[w, w, 3, 3]);
        if cin != w {
            part("conv_shortcut", &[w, cin, 1, 1]);
        }
    }
    let mut tensors = Vec::new();
    for (i, (name, shape)) in layers.iter().enumerate() {
        // Sums of `fan_in` products keep their size; norms scale by about one.
        let fan_in: usize = shape[1..].iter().product();
        let (scale, base) = if shape.len() == 1 { (0.2, 1.0) } else { ((3.0 / fan_in as f32).sqrt(), 0.0) };
        for (end, shape, scale, base) in [("weight", shape.clone(), scale, base), ("bias", vec![shape[0]], 0.1, 0.0)] {
            let values = super::random(Shape::new(1, 1, 1, shape.iter().product()), 2 * i as u64 + 1).data;
            let bytes: Vec<u8> = values.iter().flat_map(|v| (base + scale * v).to_le_bytes()).collect();
            tensors.push((format!("{name}.{end}"), shape, bytes));
        }
    }
    let views: Vec<_> = tensors
        .iter()
        .map(|(n, s, b)| (n, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, s.clone(), b).unwrap()))
        .collect();
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let config = r#"{"_class_name": "UNet2DModel", "norm_num_groups": 2, "freq_shift": 0, "flip_sin_to_cos": true}"#;
    std::fs::write(folder.join("config.json"), config).unwrap();
}
