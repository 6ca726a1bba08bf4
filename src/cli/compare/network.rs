//! One call of a network.
use super::golden::{Golden, NETWORK_TOLERANCE};
use super::measure::Deviation;
use crate::graph::Graph;
use crate::kernels::StepRow;
use crate::{Device, Result};

/// x, t and, where the network is conditional, y → out.
pub(super) fn run(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let network = golden.own_network()?;
    let image = golden.io.image("x")?;
    let n = image.shape.n;
    let times = golden.need("t", golden.io.numbers("t", n)?)?;
    let classes = match golden.io.numbers("y", n)? {
        None => golden.io.numbers("class_labels", n)?,
        some => some,
    };

    let mut g = Graph::new();
    let (x, t) = (g.state("x", image.shape), g.state("t", times.shape));
    let y = classes.as_ref().map(|c| g.state("y", c.shape));
    let section = g.section("network");
    let (xn, tn) = (g.read(x), g.read(t));
    let yn = y.map(|y| g.read(y));
    let node = network.spec.build(&network.checkpoint, &mut g, xn, tn, yn)?;
    network.checkpoint.settle(false)?;
    let out = g.state("out", g.shape(node));
    g.write(out, node)?;

    let result = device.drive(async {
        let mut session = device.session(&g, 1).await?;
        session.upload(x, &image)?;
        session.upload(t, &times)?;
        if let (Some(y), Some(classes)) = (y, &classes) {
            session.upload(y, classes)?;
        }
        session.set_steps(&[StepRow::default()])?;
        session.run(&[(section, 0)], |_| true).await?;
        session.read(out).await
    })?;
    Ok(vec![golden.compare("out", &result, NETWORK_TOLERANCE)?])
}
