//! One call of a network: a UNet, or a ResNet without its classifier.
use super::golden::{Golden, Kind, NETWORK_TOLERANCE};
use crate::cli::layers::{Layer, Twin, examine};
use crate::cli::measure::Deviation;
use crate::graph::{Graph, SectionId, StateId};
use crate::kernels::StepRow;
use crate::model::{Checkpoint, ResNet};
use crate::{Device, Result, Tensor};

/// The graph of x and, for a UNet, t and, where it is conditional, y → out.
struct Call {
    graph: Graph,
    section: SectionId,
    inputs: Vec<(StateId, Tensor)>,
    out: StateId,
}

impl Call {
    fn new(golden: &Golden, kind: Kind) -> Result<Call> {
        if kind == Kind::Features { Call::features(golden) } else { Call::unet(golden) }
    }

    fn features(golden: &Golden) -> Result<Call> {
        let checkpoint = Checkpoint::open(&golden.folder)?;
        let image = golden.io.image("x")?;
        let mut g = Graph::new();
        let x = g.state("x", image.shape);
        let section = g.section("network");
        let node = g.read(x);
        let node = ResNet::read(&checkpoint)?.build(&checkpoint, &mut g, node)?;
        let out = g.state("out", g.shape(node));
        g.write(out, node)?;
        Ok(Call { graph: g, section, inputs: vec![(x, image)], out })
    }

    fn unet(golden: &Golden) -> Result<Call> {
        let network = golden.own_network()?;
        let image = golden.io.image("x")?;
        let n = image.shape.n;
        let times = golden.need("t", golden.io.numbers("t", n)?)?;
        let classes = match golden.io.numbers("y", n)? {
            None => golden.io.numbers("class_labels", n)?,
            some => some,
        };
        let mut g = Graph::new();
        let given = [("x", Some(image)), ("t", Some(times)), ("y", classes)];
        let given = given.into_iter().filter_map(|(name, tensor)| tensor.map(|t| (name, t)));
        let inputs: Vec<_> = given.map(|(name, tensor)| (g.state(name, tensor.shape), tensor)).collect();
        let section = g.section("network");
        let nodes: Vec<_> = inputs.iter().map(|(state, _)| g.read(*state)).collect();
        let node = network.spec.build(&network.checkpoint, &mut g, nodes[0], nodes[1], nodes.get(2).copied())?;
        network.checkpoint.settle(false)?;
        let out = g.state("out", g.shape(node));
        g.write(out, node)?;
        Ok(Call { graph: g, section, inputs, out })
    }
}

/// The output against the golden's.
pub(super) fn run(golden: &Golden, kind: Kind, device: &Device) -> Result<Vec<Deviation>> {
    let call = Call::new(golden, kind)?;
    let result = device.drive(async {
        let mut session = device.session(&call.graph, 1).await?;
        call.inputs.iter().try_for_each(|(state, tensor)| session.upload(*state, tensor))?;
        session.set_steps(&[StepRow::default()])?;
        session.run(&[(call.section, 0)], |_| true).await?;
        session.read(call.out).await
    })?;
    Ok(vec![golden.compare("out", &result, NETWORK_TOLERANCE)?])
}

/// Every layer as it runs, against its f64 half and, where the golden holds a tensor `network/LAYER`, against that.
pub(super) fn layers(golden: &Golden, kind: Kind, device: &Device) -> Result<Vec<Layer>> {
    let call = Call::new(golden, kind)?;
    let tolerance = golden.tolerance.unwrap_or(NETWORK_TOLERANCE);
    device.drive(async {
        let mut twin = Twin::new(device, &call.graph, &[StepRow::default()]).await?;
        call.inputs.iter().try_for_each(|(state, tensor)| twin.upload(*state, tensor))?;
        let at = (call.section, 0);
        examine(&mut twin, &call.graph, at, Some(&golden.io), tolerance, &mut Vec::new()).await
    })
}
