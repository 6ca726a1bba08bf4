//! The Rust side of the comparisons in this folder: sets something up, then runs it once for every line on the standard
//! input and answers with the seconds it took. The script on the other side interleaves its own runs with these. The
//! line `out FILE` writes what was computed, in NCHW, as little-endian f32.
//!
//!     peer network FOLDER SIZE DEVICE     one call of a UNet or a classifier, one SIZE×SIZE image
//!     peer gradient FOLDER SIZE DEVICE [MIB]    that call, and vᵀ·∂out/∂x, which is what `out` writes; MIB: the most memory for its values
//!     peer conv CIN COUT SIZE DEVICE      one 3×3 convolution with padding
use residua::graph::{ConvSpec, Graph, SectionId, StateId, gradients};
use residua::kernels::StepRow;
use residua::model::{Network, Overrides};
use residua::{Device, Error, Result, Shape, Tensor};
use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (graph, device) = match words[..] {
        ["network", folder, size, device] => (network(Path::new(folder), number(size)?, false)?, device),
        ["gradient", folder, size, device, ref mib @ ..] => {
            let mut graph = network(Path::new(folder), number(size)?, true)?;
            graph.memory = mib.first().map(|mib| number(mib)).transpose()?.map(|mib| (mib as u64) << 20);
            (graph, device)
        }
        ["conv", cin, cout, size, device] => (conv(number(cin)?, number(cout)?, number(size)?)?, device),
        _ => {
            let known = "network FOLDER SIZE DEVICE, gradient FOLDER SIZE DEVICE [MIB], or conv CIN COUT SIZE DEVICE";
            return Err(Error::Invalid(known.into()));
        }
    };
    serve(&graph, &pollster::block_on(Device::select(device))?)
}

fn number(text: &str) -> Result<usize> {
    text.parse().map_err(|_| Error::Invalid(format!("`{text}` is not a number")))
}

/// Values without denormals, like the other side's.
fn pattern(n: usize, scale: f32) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 % 1000) as f32 / 500.0 - 1.0) * scale).collect()
}

fn network(folder: &Path, size: usize, backward: bool) -> Result<Graph> {
    let network = Network::open(folder, &Overrides::default())?;
    let mut g = Graph::new();
    let x = g.state("x", Shape::new(1, size, size, network.in_channels()));
    let t = g.state("t", Shape::new(1, 1, 1, 1));
    g.section("step");
    let (x, t) = (g.read(x), g.read(t));
    let node = network.build(&mut g, &[x, t])?;
    let v = backward.then(|| g.state("v", g.shape(node)));
    let out = g.state("out", g.shape(node));
    g.write(out, node)?;
    if let Some(v) = v {
        let v = g.read(v);
        let dx = gradients(&mut g, (node, v), &[x.into()])?[0];
        let gradient = g.state("gradient", g.shape(dx));
        g.write(gradient, dx)?;
    }
    Ok(g)
}

fn conv(cin: usize, cout: usize, size: usize) -> Result<Graph> {
    let (weight, bias) = (pattern(cout * cin * 9, 0.05), pattern(cout, 1.0));
    let mut g = Graph::new();
    let x = g.state("x", Shape::new(1, size, size, cin));
    g.section("conv");
    let x = g.read(x);
    let spec = ConvSpec { weight: &weight, shape: [cout, cin, 3, 3], bias: Some(&bias), stride: 1, pad: [1; 4] };
    let node = g.conv("conv", x, &spec)?;
    let out = g.state("out", g.shape(node));
    g.write(out, node)?;
    Ok(g)
}

fn serve(graph: &Graph, device: &Device) -> Result<()> {
    let mut session = device.drive(device.session(graph, 1))?;
    for (i, s) in graph.states.iter().enumerate() {
        session.upload(StateId(i), &Tensor { shape: s.shape, data: pattern(s.shape.len(), 1.0) })?;
    }
    session.set_steps(&[StepRow::default()])?;
    println!("{}", device.name());
    for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
        if let Some(path) = line.strip_prefix("out ") {
            let out = device.drive(session.read(StateId(graph.states.len() - 1)))?;
            let bytes: Vec<u8> = out.data.iter().flat_map(|v| v.to_le_bytes()).collect();
            std::fs::write(path, bytes).map_err(|e| Error::Invalid(format!("{path}: {e}")))?;
            println!("written");
            continue;
        }
        // How often to run it in one go.
        let n = line.trim().parse().unwrap_or(1);
        let schedule = vec![(SectionId(0), 0); n];
        let start = Instant::now();
        device.drive(session.run(&schedule, |_| true))?;
        println!("{}", start.elapsed().as_secs_f64() / n as f64);
    }
    Ok(())
}
