use crate::graph::Graph;
use crate::kernels::Op;
use crate::model::testing::{Keys, anoddpm, diffusers, guided, monai_core, monai_generative};
use crate::model::{AttentionOrder, Checkpoint, Config, Overrides, UnetSpec, read};
use crate::{Result, Shape};
use proptest::prelude::*;

fn small() -> Overrides {
    let order = Some(AttentionOrder::Legacy);
    Overrides { heads: Some(2), attention_order: order, groups: Some(4), ..Overrides::default() }
}

fn open(keys: &Keys, config: &str) -> (Checkpoint, UnetSpec) {
    let ck = keys.open();
    let cfg = Config::parse("config.json", config.as_bytes()).unwrap();
    let spec = read(&ck, &cfg, &small()).unwrap();
    (ck, spec)
}

fn build(ck: &Checkpoint, spec: &UnetSpec, x: Shape, classes: bool) -> Result<(Graph, Shape)> {
    let mut g = Graph::new();
    let vector = Shape::new(x.n, 1, 1, 1);
    let states = [g.state("x", x), g.state("t", vector), g.state("y", vector)];
    g.section("network");
    let [x, t, y] = states.map(|s| g.read(s));
    let out = spec.build(ck, &mut g, x, t, classes.then_some(y))?;
    let shape = g.shape(out);
    Ok((g, shape))
}

#[test]
fn every_layout_builds_the_same_network() {
    let all = [guided(), anoddpm(), diffusers(), monai_core(), monai_generative()];
    let graphs: Vec<Graph> = all
        .iter()
        .map(|keys| {
            let (ck, spec) = open(keys, "{}");
            let (g, out) = build(&ck, &spec, Shape::new(3, 8, 6, 2), false).unwrap();
            assert_eq!(out, Shape::new(3, 8, 6, 2));
            assert!(ck.settle(true).is_ok(), "{}", spec.layout);
            g
        })
        .collect();
    let kinds = |g: &Graph| g.nodes.iter().map(|n| (std::mem::discriminant(&n.op), n.shape)).collect::<Vec<_>>();
    assert_eq!(kinds(&graphs[0]), kinds(&graphs[1]));
    assert_eq!(kinds(&graphs[0]), kinds(&graphs[2]));
    assert_eq!(kinds(&graphs[0]), kinds(&graphs[3]));
    assert_eq!(kinds(&graphs[0]).len(), kinds(&graphs[4]).len() + 4, "four projections are never applied");
}

#[test]
fn settings_reach_the_graph() {
    let config = r#"{"downsample_padding":0,"freq_shift":1,"flip_sin_to_cos":false,"center_input_sample":true,
        "mid_block_scale_factor":2.0,"norm_eps":1e-3}"#;
    let (ck, spec) = open(&diffusers(), config);
    let (g, _) = build(&ck, &spec, Shape::new(1, 8, 8, 2), false).unwrap();
    let maps: Vec<_> =
        g.nodes.iter().filter_map(|n| if let Op::Map(m) = &n.op { Some((m.scale, m.shift)) } else { None }).collect();
    assert_eq!(maps, [(2.0, -1.0), (0.5, 0.0), (0.5, 0.0), (0.5, 0.0)]);
    for node in &g.nodes {
        match &node.op {
            Op::Conv(c) if c.stride == 2 => assert_eq!(c.pad, [0, 0, 1, 1]),
            Op::TimeEmbedding(t) => assert_eq!((t.dim, t.cos_first, t.freq_shift), (8, false, 1.0)),
            Op::GroupNormStats(n) => assert_eq!((n.groups, n.eps), (4, 1e-3)),
            Op::Attention(a) => assert_eq!(a.heads, 2),
            _ => {}
        }
    }
}

#[test]
fn inputs_that_do_not_suit_are_refused_in_words() {
    let (ck, spec) = open(&guided(), "{}");
    let fault = |x, y| build(&ck, &spec, x, y).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(fault(Shape::new(1, 8, 8, 3), false).contains("takes 2 channels, not 3"));
    assert!(fault(Shape::new(1, 7, 8, 2), false).contains("7x8 is no multiple of 2"));
    assert!(fault(Shape::new(1, 8, 8, 2), true).contains("knows no classes"));
    let mut keys = guided();
    keys.0.insert("label_emb.weight".into(), vec![5, 16]);
    let (ck, spec) = open(&keys, "{}");
    let error = build(&ck, &spec, Shape::new(1, 8, 8, 2), false).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("one of its 5 classes"), "{error}");
    assert!(build(&ck, &spec, Shape::new(1, 8, 8, 2), true).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Keys lost, shapes changed, settings at random: an error or a network, never a panic.
    #[test]
    fn broken_checkpoints_and_configs_never_panic(
        layout in 0usize..5, lost in proptest::option::of(any::<prop::sample::Index>()),
        bent in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..40), 0..3),
        config in "\\{(\"(num_heads|n_heads|attention_head_dim|num_head_channels|norm_num_groups|channel_mult|freq_shift|image_size|layers_per_block|mid_block_scale_factor|_class_name)\":(-?[0-9]{1,20}|null|true|\"x\"|\\[\\]|\\[0,4\\]|1e300))?\\}",
        heads in proptest::option::of(0usize..5), groups in proptest::option::of(0usize..9), side in 0usize..9,
    ) {
        let mut keys = [guided, anoddpm, diffusers, monai_core, monai_generative][layout]();
        for (key, axis, size) in &bent {
            let key = keys.0.keys().nth(key.index(keys.0.len())).cloned().unwrap();
            let shape = keys.0.get_mut(&key).unwrap();
            let axis = axis.index(shape.len());
            shape[axis] = *size;
        }
        if let Some(at) = lost {
            let key = keys.0.keys().nth(at.index(keys.0.len())).cloned().unwrap();
            keys.0.remove(&key);
        }
        let ck = keys.open();
        let Ok(cfg) = Config::parse("config.json", config.as_bytes()) else { return Ok(()) };
        if let Ok(spec) = read(&ck, &cfg, &Overrides { heads, groups, ..Overrides::default() }) {
            let built = build(&ck, &spec, Shape::new(1, side, 8, spec.in_channels()), spec.class.is_some());
            prop_assert!(built.is_ok() || side % 2 == 1 || side == 0, "{:?}", built.err());
        }
    }
}
