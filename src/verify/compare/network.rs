//! One call of a network: a UNet, or a ResNet without its classifier; and the layers of any.
use super::golden::{Golden, GoldenKind, NETWORK_TOLERANCE};
use super::once;
use crate::graph::StateId;
use crate::kernels::StepRow;
use crate::model::{Call, Network, Overrides};
use crate::verify::layers::{Layer, Twin, examine};
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Tensor};

/// The network alone in a graph, with the golden's inputs.
struct Given {
    call: Call,
    inputs: Vec<(StateId, Tensor)>,
}

impl Given {
    fn new(golden: &Golden, kind: GoldenKind) -> Result<Given> {
        let network = match kind {
            GoldenKind::Features => Network::resnet(&golden.folder)?,
            GoldenKind::Autoencoder => Network::autoencoder(&golden.folder, &Overrides::default())?,
            GoldenKind::Comparer => Network::comparer(&golden.folder, &Overrides::default())?,
            GoldenKind::Classifier => Network::classifier(&golden.folder, &Overrides::default())?,
            _ => golden.own_network()?,
        };
        let image = golden.io.image("x")?;
        let n = image.shape.n;
        let call = network.call(image.shape)?;
        let mut given = vec![image];
        if matches!(kind, GoldenKind::Network | GoldenKind::Embedded | GoldenKind::Classifier) {
            given.push(golden.need("t", golden.io.numbers("t", n)?)?);
        }
        if kind == GoldenKind::Network {
            let classes = match golden.io.numbers("y", n)? {
                None => golden.io.numbers("class_labels", n)?,
                some => some,
            };
            given.extend(classes);
        }
        if kind == GoldenKind::Embedded {
            given.push(golden.io.vectors("cond", n)?);
        }
        if given.len() != call.inputs.len() {
            let fault = format!("holds {} inputs, but the network takes {}", given.len(), call.inputs.len());
            return Err(Error::file(golden.io.path(), fault));
        }
        let inputs = call.inputs.iter().copied().zip(given).collect();
        Ok(Given { call, inputs })
    }
}

/// The output against the golden's.
pub fn run(golden: &Golden, kind: GoldenKind, device: &Device) -> Result<Vec<Deviation>> {
    let Given { call, inputs } = Given::new(golden, kind)?;
    let found = once::run(device, &call.graph, call.section, &inputs, &[call.out])?;
    found.iter().map(|out| golden.compare("out", out, NETWORK_TOLERANCE)).collect()
}

/// Every layer as it runs, against its f64 half and, where the golden holds a tensor `network/LAYER`, against that.
pub fn layers(golden: &Golden, kind: GoldenKind, device: &Device) -> Result<Vec<Layer>> {
    let Given { call, inputs } = Given::new(golden, kind)?;
    let tolerance = golden.tolerance.unwrap_or(NETWORK_TOLERANCE);
    device.drive(async {
        let mut twin = Twin::new(device, &call.graph, &[StepRow::default()]).await?;
        inputs.iter().try_for_each(|(state, tensor)| twin.upload(*state, tensor))?;
        let at = (call.section, 0);
        examine(&mut twin, &call.graph, at, Some(&golden.io), tolerance, &mut Vec::new()).await
    })
}
