use super::Comparer;
use crate::graph::Graph;
use crate::model::testing::{Keys, file_of};
use crate::model::{Checkpoint, Config};
use crate::{Device, Shape, Tensor, kernels::StepRow};

fn norm(keys: &mut Keys, key: &str, c: usize) {
    keys.pair(key, &[c]);
    ["running_mean", "running_var"].iter().for_each(|name| drop(keys.0.insert(format!("{key}.{name}"), vec![c])));
}

fn conv(keys: &mut Keys, at: &str, [first, second]: [usize; 2], cin: usize, cout: usize) {
    keys.pair(&format!("{at}.{first}"), &[cout, cin, 3, 3]);
    norm(keys, &format!("{at}.{second}"), cout);
}

/// Three stages of widths 4, 6 and 6 on five channels.
fn small() -> Keys {
    let mut keys = Keys::default();
    for (stage, cin, cout) in [(1, 5, 4), (2, 4, 6), (3, 6, 6)] {
        conv(&mut keys, &format!("encoder_segment.block{stage}"), [0, 1], cin, cout);
        conv(&mut keys, &format!("encoder_segment.block{stage}"), [3, 4], cout, cout);
    }
    for (name, cin, cout, joined) in [("_b", 6, 6, 12), ("1", 6, 3, 7)] {
        conv(&mut keys, &format!("decoder_segment.up{name}"), [1, 2], cin, cout);
        conv(&mut keys, &format!("decoder_segment.db{name}"), [0, 1], joined, cout);
        conv(&mut keys, &format!("decoder_segment.db{name}"), [3, 4], cout, cout);
    }
    keys.pair("decoder_segment.fin_out.0", &[2, 3, 3, 3]);
    keys
}

fn read(keys: &Keys, config: &str) -> Result<Comparer, crate::Error> {
    Comparer::read(&keys.open(), &Config::parse("config.json", config.as_bytes()).unwrap())
}

#[test]
fn stages_are_counted_and_widths_checked() {
    let net = read(&small(), "{}").unwrap();
    assert_eq!((net.in_channels(), net.out_channels(), net.base_channels(), net.halvings()), (5, 2, 4, 2));
    assert!(net.accepts(Shape::new(1, 8, 12, 5)).is_ok());
    for (shape, says) in [
        (Shape::new(1, 8, 10, 5), "8x10 is no multiple of 4"),
        (Shape::new(1, 8, 8, 6), "takes 5 channels, not 6"),
        (Shape::new(0, 8, 8, 5), "no multiple"),
    ] {
        assert!(net.accepts(shape).unwrap_err().to_string().contains(says), "{shape}");
    }
    let fault = |keys: &Keys, config: &str| read(keys, config).unwrap_err().to_string();
    assert!(fault(&small(), r#"{"in_channels": 9}"#).contains("`in_channels` is 9"));
    assert!(fault(&small(), r#"{"base_width": 64}"#).contains("`base_width` is 64"));
    let mut keys = small();
    keys.pair("decoder_segment.db1.0", &[3, 8, 3, 3]);
    assert!(fault(&keys, "{}").contains("`decoder_segment.db1.0` is 8 wide, but what comes in is 7 wide"));
    let mut keys = small();
    keys.pair("decoder_segment.fin_out.0", &[2, 3, 1, 1]);
    assert!(fault(&keys, "{}").contains("`decoder_segment.fin_out.0` is a 1x1 convolution"));
    let mut keys = small();
    keys.0.remove("encoder_segment.block2.4.running_var");
    assert!(fault(&keys, "{}").contains("`encoder_segment.block2.4.running_var` is missing"));
    keys.0.retain(|k, _| !k.contains("block2"));
    assert!(fault(&keys, "{}").contains("has 1 stages"));
}

#[test]
fn a_batch_norm_is_folded_with_the_convolutions_own_bias() {
    // One number wherever there is one: a 1-channel network of two stages on a constant image of two by two, by hand in its middle.
    let keys = small();
    let values: Vec<(String, Vec<usize>, Vec<f32>)> = keys
        .0
        .iter()
        .map(|(k, s)| {
            let count: usize = s.iter().product();
            let value = match k {
                k if k.ends_with("running_var") => 3.0,
                k if k.ends_with("running_mean") => 0.25,
                k if s.len() == 4 || k.ends_with("fin_out.0.bias") => 0.0,
                _ => 0.5,
            };
            (k.clone(), s.clone(), vec![value; count])
        })
        .collect();
    let tensors: Vec<(&str, &[usize], Vec<f32>)> =
        values.iter().map(|(k, s, v)| (k.as_str(), s.as_slice(), v.clone())).collect();
    let ck = Checkpoint::from_bytes("test.safetensors", file_of(&tensors)).unwrap();
    let net = Comparer::read(&ck, &Config::default()).unwrap();
    let mut g = Graph::new();
    let x = g.state("x", Shape::new(1, 4, 4, 5));
    let section = g.section("comparer");
    let read = g.read(x);
    // The first convolution alone: its weights are zeros, so that it gives (bias − mean)·γ/√(σ² + ε) + β everywhere.
    let node = net.down[0][0].build(&ck, &mut g, read).unwrap();
    let out = g.state("out", g.shape(node));
    g.write(out, node).unwrap();
    let found = Device::Cpu
        .drive(async {
            let mut session = Device::Cpu.session(&g, 1).await?;
            session.upload(x, &Tensor { shape: Shape::new(1, 4, 4, 5), data: vec![1.0; 80] })?;
            session.set_steps(&[StepRow::default()])?;
            session.run(&[(section, 0)], |_| true).await?;
            session.read(out).await
        })
        .unwrap();
    let want = (0.5 - 0.25) * 0.5 / (3.0f64 + 1e-5).sqrt() + 0.5;
    assert!(found.data.iter().all(|v| (f64::from(*v) - want).abs() < 1e-7), "{:?} {want}", &found.data[..4]);
}
