use super::{BlockKind, ResNet};
use crate::graph::Graph;
use crate::model::Config;
use crate::model::testing::{Keys, file_of};
use crate::model::{Checkpoint, resnet};
use crate::{Device, Shape, Tensor, kernels::StepRow};

/// A network's keys: blocks of each layer, planes of the first, factor of the 3×3 convolutions' width, their groups.
struct Make {
    block: BlockKind,
    layers: [usize; 4],
    planes: usize,
    wider: usize,
    groups: usize,
}

fn norm(keys: &mut Keys, key: &str, c: usize) {
    keys.pair(key, &[c]);
    for name in ["running_mean", "running_var", "num_batches_tracked"] {
        keys.0.insert(format!("{key}.{name}"), if name.starts_with('n') { vec![] } else { vec![c] });
    }
}

fn weight(keys: &mut Keys, key: &str, shape: [usize; 4]) {
    keys.0.insert(format!("{key}.weight"), shape.to_vec());
}

impl Make {
    fn keys(&self) -> Keys {
        let (mut keys, mut width) = (Keys::default(), self.planes);
        weight(&mut keys, "conv1", [width, 3, 7, 7]);
        norm(&mut keys, "bn1", width);
        for (i, blocks) in self.layers.into_iter().enumerate() {
            let (planes, wide) = (self.planes << i, (self.planes << i) * self.wider);
            for j in 0..blocks {
                let at = format!("layer{}.{j}", i + 1);
                let (shapes, out) = match self.block {
                    BlockKind::Basic => (vec![[planes, width, 3, 3], [planes, planes, 3, 3]], planes),
                    BlockKind::Bottleneck => {
                        let middle = [wide, wide / self.groups, 3, 3];
                        (vec![[wide, width, 1, 1], middle, [4 * planes, wide, 1, 1]], 4 * planes)
                    }
                };
                for (k, shape) in shapes.into_iter().enumerate() {
                    weight(&mut keys, &format!("{at}.conv{}", k + 1), shape);
                    norm(&mut keys, &format!("{at}.bn{}", k + 1), shape[0]);
                }
                if j == 0 && (i > 0 || width != out) {
                    weight(&mut keys, &format!("{at}.downsample.0"), [out, width, 1, 1]);
                    norm(&mut keys, &format!("{at}.downsample.1"), out);
                }
                width = out;
            }
        }
        keys.pair("fc", &[10, width]);
        keys
    }
    fn read(&self) -> ResNet {
        ResNet::read(&self.keys().open(), &Config::default()).unwrap()
    }
}

const fn narrow(block: BlockKind, layers: [usize; 4]) -> Make {
    Make { block, layers, planes: 4, wider: 1, groups: 1 }
}

/// What building the network from these keys says is wrong.
fn fault(keys: &Keys) -> String {
    let ck = keys.open();
    let build = |net: ResNet| {
        let mut g = Graph::new();
        let x = g.state("x", Shape::new(1, 8, 8, net.in_channels()));
        let x = g.read(x);
        net.build(&ck, &mut g, x)
    };
    ResNet::read(&ck, &Config::default()).and_then(build).unwrap_err().to_string()
}

#[test]
fn variants_are_told_by_keys_and_shapes() {
    use BlockKind::{Basic, Bottleneck};
    for (block, layers, wider, name, features) in [
        (Basic, [2, 2, 2, 2], 1, "resnet18", 512),
        (Basic, [3, 4, 6, 3], 1, "resnet34", 512),
        (Bottleneck, [3, 4, 6, 3], 1, "resnet50", 2048),
        (Bottleneck, [3, 4, 6, 3], 2, "wide_resnet50_2", 2048),
    ] {
        // The widths of the real ones, the values never read: descriptions only.
        let net = Make { block, layers, planes: 64, wider, groups: 1 }.read();
        assert_eq!((net.to_string().as_str(), net.features(), net.in_channels()), (name, features, 3));
    }
    for (layers, depth) in [([3, 4, 23, 3], 101), ([3, 8, 36, 3], 152)] {
        assert_eq!(narrow(Bottleneck, layers).read().depth(), Some(depth));
    }
    let small = narrow(Basic, [1, 1, 2, 1]).read();
    assert_eq!(small.to_string(), "ResNet of 1+1+2+1 basic blocks, 32 features");
}

#[test]
fn strides_lie_on_the_first_3x3_of_a_layer() {
    for (block, at) in [(BlockKind::Basic, 0), (BlockKind::Bottleneck, 1)] {
        let net = narrow(block, [2, 2, 1, 1]).read();
        for (i, layer) in net.layers.iter().enumerate() {
            for (j, b) in layer.iter().enumerate() {
                let strides: Vec<usize> = b.convs.iter().map(|c| c.stride).collect();
                let expected = |k: usize| if i > 0 && j == 0 && k == at { 2 } else { 1 };
                assert_eq!(strides, (0..strides.len()).map(expected).collect::<Vec<_>>(), "{block:?} {i} {j}");
                let stride = b.downsample.as_ref().map(|d| d.stride);
                let needed = j == 0 && (i > 0 || block == BlockKind::Bottleneck);
                assert_eq!(stride, needed.then_some(if i > 0 { 2 } else { 1 }), "{block:?} {i} {j}");
            }
        }
    }
}

#[test]
fn what_is_no_such_network_is_named() {
    let bottleneck = narrow(BlockKind::Bottleneck, [1, 1, 1, 1]);
    let changed = |change: &dyn Fn(&mut Keys)| {
        let mut keys = bottleneck.keys();
        change(&mut keys);
        fault(&keys)
    };
    let without = |key: &'static str| changed(&|k| drop(k.0.remove(key)));
    for key in ["conv1.weight", "layer2.0.conv2.weight", "layer3.0.downsample.0.weight", "layer4.0.bn3.running_var"] {
        assert!(without(key).contains(&format!("test.safetensors: tensor `{key}` is missing")), "{}", without(key));
    }
    let text = changed(&|k| drop(k.0.insert("layer1.0.se.fc1.weight".into(), vec![2, 16])));
    assert!(text.contains("does not use") && text.contains("layer1.0.se.fc1.weight"), "{text}");
    let text = changed(&|k| drop(k.0.insert("conv1.weight".into(), vec![4, 3, 3, 3])));
    assert!(text.contains("conv1.weight") && text.contains("7x7"), "{text}");
    let text = changed(&|k| drop(k.0.insert("layer1.0.conv1.weight".into(), vec![4, 5, 1, 1])));
    assert!(text.contains("layer1.0.conv1.weight") && text.contains("[4, 5, 1, 1]"), "{text}");
    let grouped =
        Make { layers: [3, 4, 6, 3], planes: 16, wider: 2, groups: 8, ..narrow(BlockKind::Bottleneck, [1; 4]) };
    assert!(fault(&grouped.keys()).contains("is resnext50_8x4d: grouped convolutions"), "{}", fault(&grouped.keys()));
}

#[test]
fn a_variance_below_zero_is_refused() {
    let keys = narrow(BlockKind::Basic, [1, 1, 1, 1]).keys();
    let values =
        |key: &str, shape: &[usize]| vec![if key == "bn1.running_var" { -0.5 } else { 0.5 }; shape.iter().product()];
    let tensors: Vec<_> = keys.0.iter().map(|(k, s)| (k.as_str(), s.as_slice(), values(k, s))).collect();
    let ck = Checkpoint::from_bytes("test.safetensors", file_of(&tensors)).unwrap();
    let mut g = Graph::new();
    let x = g.state("x", Shape::new(1, 8, 8, 3));
    let x = g.read(x);
    let text = ResNet::read(&ck, &Config::default()).unwrap().build(&ck, &mut g, x).unwrap_err().to_string();
    assert!(text.contains("test.safetensors: tensor `bn1.running_var` holds -0.5"), "{text}");
}

/// A stem alone decides the features of zero residual branches: one value, followed by hand.
#[test]
fn batch_norm_is_folded() {
    let keys = narrow(BlockKind::Basic, [1, 1, 1, 1]).keys();
    // Everything after the stem is zero but layer 1's way round its block, so layer 2's downsample must be an identity.
    let values = |key: &str, shape: &[usize]| -> Vec<f32> {
        let len = shape.iter().product();
        match key {
            "bn1.weight" => vec![3.0; len],
            "bn1.bias" => vec![0.25; len],
            "bn1.running_mean" => vec![2.0; len],
            "bn1.running_var" => vec![4.0; len],
            // Only the centre of the 7×7 kernel, and only of the first channel.
            "conv1.weight" => (0..len).map(|i| if i % 147 == 24 { 1.5 } else { 0.0 }).collect(),
            k if k.ends_with("running_var") => vec![1.0 - 1e-5; len],
            k if k.contains("downsample.1.weight") => vec![1.0; len],
            k if k.contains("downsample.0.weight") => {
                (0..len).map(|i| if i / shape[1] == i % shape[1] { 1.0 } else { 0.0 }).collect()
            }
            _ => vec![0.0; len],
        }
    };
    let tensors: Vec<_> = keys.0.iter().map(|(k, s)| (k.as_str(), s.as_slice(), values(k, s))).collect();
    let ck = Checkpoint::from_bytes("test.safetensors", file_of(&tensors)).unwrap();
    let net = resnet::ResNet::read(&ck, &Config::default()).unwrap();
    let mut g = Graph::new();
    let x = g.state("x", Shape::new(1, 5, 7, 3));
    let section = g.section("network");
    let node = g.read(x);
    let node = net.build(&ck, &mut g, node).unwrap();
    let out = g.state("out", g.shape(node));
    g.write(out, node).unwrap();
    let mut image = Tensor::zeros(Shape::new(1, 5, 7, 3));
    image.data[..35].fill(2.5);
    let found = pollster::block_on(async {
        let mut session = Device::Cpu.session(&g, 1).await.unwrap();
        session.upload(x, &image).unwrap();
        session.set_steps(&[StepRow::default()]).unwrap();
        session.run(&[(section, 0)], |_| true).await.unwrap();
        session.read(out).await.unwrap()
    });
    assert_eq!(found.shape, Shape::new(1, 1, 1, 32));
    let expected = (1.5 * 2.5 - 2.0) * 3.0 / (4.0f64 + 1e-5).sqrt() + 0.25;
    for (i, &v) in found.data.iter().enumerate() {
        let want = if i < 4 { expected } else { 0.0 };
        assert!((f64::from(v) - want).abs() < 1e-5, "{i}: {v} {want}");
    }
}
