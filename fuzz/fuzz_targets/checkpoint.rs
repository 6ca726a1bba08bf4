//! A safetensors file and the `config.json` beside it: an error or a network, never a panic. The input is both texts,
//! the checkpoint's first, after a byte that says how long the config is.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::Shape;
use residua::graph::Graph;
use residua::model::{Checkpoint, Config, Overrides, read};

/// Larger networks are only described: building them would time memory, not the reader.
const MAX_WIDTH: usize = 1 << 10;

fuzz_target!(|bytes: &[u8]| {
    let Some((&len, rest)) = bytes.split_first() else { return };
    let (checkpoint, config) = rest.split_at(rest.len().saturating_sub(usize::from(len)));
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.safetensors", checkpoint.to_vec()) else { return };
    let config = Config::parse("config.json", config).or_else(|_| Config::parse("config.json", b"{}"));
    let Ok(config) = config else { return };
    let Ok(spec) = read(&checkpoint, &config, &Overrides::default()) else { return };
    let _ = spec.params();
    if spec.in_channels() > MAX_WIDTH {
        return;
    }
    let mut graph = Graph::new();
    let vector = Shape::new(1, 1, 1, 1);
    let states = [graph.state("x", Shape::new(1, 32, 32, spec.in_channels())), graph.state("t", vector)];
    graph.section("network");
    let [x, t] = states.map(|s| graph.read(s));
    let _ = spec.build(&checkpoint, &mut graph, x, t, None);
});
