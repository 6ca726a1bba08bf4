//! A safetensors file and the `config.json` beside it: an error or a network, never a panic. The input is both texts,
//! the checkpoint's first, after a byte that says how long the config is.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::Shape;
use residua::graph::Graph;
use residua::model::{Architecture, Checkpoint, Config, Network, Overrides, read, read_classifier};

/// Larger networks are only described: building them would time memory, not the reader.
const MAX_WIDTH: usize = 1 << 10;
const MAX_SIDE: usize = 1 << 8;

fuzz_target!(|bytes: &[u8]| {
    let Some((&len, rest)) = bytes.split_first() else { return };
    let (checkpoint, config) = rest.split_at(rest.len().saturating_sub(usize::from(len)));
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.safetensors", checkpoint.to_vec()) else { return };
    let config = Config::parse("config.json", config).or_else(|_| Config::parse("config.json", b"{}"));
    let Ok(config) = config else { return };
    let over = Overrides::default();
    let (architecture, side) = match read_classifier(&checkpoint, &config, &over) {
        // Of an attention pool, the one size that it takes.
        Ok(spec) => {
            let side = spec.sample_size.map_or(32, |(height, _)| height);
            (Architecture::Classifier(spec), side)
        }
        Err(_) => match read(&checkpoint, &config, &over) {
            Ok(spec) => (Architecture::Unet(spec), 32),
            Err(_) => return,
        },
    };
    let network = Network { checkpoint, architecture };
    let _ = network.params();
    if network.in_channels() > MAX_WIDTH || side > MAX_SIDE {
        return;
    }
    let mut graph = Graph::new();
    let vector = Shape::new(1, 1, 1, 1);
    let states = [graph.state("x", Shape::new(1, side, side, network.in_channels())), graph.state("t", vector)];
    graph.section("network");
    let inputs = states.map(|s| graph.read(s));
    let _ = network.build(&mut graph, &inputs);
});
