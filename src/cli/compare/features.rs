//! A feature extractor.
use super::golden::{Golden, NETWORK_TOLERANCE};
use crate::cli::measure::Deviation;
use crate::graph::Graph;
use crate::kernels::StepRow;
use crate::model::{Checkpoint, ResNet};
use crate::{Device, Result};

/// x (N,C,H,W) → out (N,features).
pub(super) fn run(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let checkpoint = Checkpoint::open(&golden.folder)?;
    let image = golden.io.image("x")?;
    let mut g = Graph::new();
    let x = g.state("x", image.shape);
    let section = g.section("network");
    let node = g.read(x);
    let node = ResNet::read(&checkpoint)?.build(&checkpoint, &mut g, node)?;
    let out = g.state("out", g.shape(node));
    g.write(out, node)?;
    let result = device.drive(async {
        let mut session = device.session(&g, 1).await?;
        session.upload(x, &image)?;
        session.set_steps(&[StepRow::default()])?;
        session.run(&[(section, 0)], |_| true).await?;
        session.read(out).await
    })?;
    Ok(vec![golden.compare("out", &result, NETWORK_TOLERANCE)?])
}
