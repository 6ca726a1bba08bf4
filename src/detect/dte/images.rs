//! Rows for images: the features that a ResNet gives them before its classifier, as ADBench (Han et al., NeurIPS 2022) makes
//! tables of image datasets.
use crate::data::Preprocessing;
use crate::graph::{SectionId, StateId};
use crate::kernels::StepRow;
use crate::model::{Architecture, Network, ResNet};
use crate::{Device, Error, Result, Session, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// What makes a row of an image. Rows can be compared only where all of it is the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// SHA-256 of the network's safetensors file.
    pub sha256: String,
    /// What comes before the network.
    pub preprocessing: Preprocessing,
}

/// A ResNet on a device, ready for batches of one size.
pub struct Extractor {
    /// The network.
    pub network: ResNet,
    preprocessing: Preprocessing,
    session: Session,
    section: SectionId,
    input: StateId,
    output: StateId,
    batch: usize,
}

impl Extractor {
    /// Builds the network for batches of up to `batch` images.
    /// # Errors
    /// What [`ResNet::read`] and [`ResNet::build`] say; [`Error::File`] when the network takes another number of channels than
    /// the preprocessing gives; [`Error::Invalid`] for its settings; whatever the device reports.
    pub async fn new(device: &Device, of: &Network, preprocessing: &Preprocessing, batch: usize) -> Result<Self> {
        preprocessing.check()?;
        let Architecture::ResNet(network) = &of.architecture else {
            return Err(Error::file(of.checkpoint.path(), "is no ResNet, which makes rows of images"));
        };
        let (takes, gives) = (network.in_channels(), preprocessing.mean.len());
        if takes != gives {
            let fault = format!("takes images of {takes} channels, but the preprocessing has means for {gives}");
            return Err(Error::file(of.checkpoint.path(), fault));
        }
        let (batch, crop) = (batch.max(1), preprocessing.crop);
        let call = of.call(Shape::new(batch, crop, crop, takes))?;
        let mut session = device.session(&call.graph, 1).await?;
        session.set_steps(&[StepRow::default()])?;
        let (network, preprocessing, input) = (network.clone(), preprocessing.clone(), call.inputs[0]);
        Ok(Extractor { network, preprocessing, session, section: call.section, input, output: call.out, batch })
    }
    /// How many images a batch takes at most.
    pub fn batch(&self) -> usize {
        self.batch
    }
    /// Features of up to [`Extractor::batch`] pictures, (1,C,crop,crop) as [`Preprocessing::apply`] makes them; one vector each.
    /// # Errors
    /// [`Error::Invalid`] for more pictures or other shapes; whatever the device reports.
    pub async fn features(&mut self, prepared: &[Tensor]) -> Result<Vec<Vec<f32>>> {
        let Preprocessing { crop, mean, .. } = &self.preprocessing;
        let one = Shape::new(1, *crop, *crop, mean.len());
        if prepared.len() > self.batch || prepared.iter().any(|t| t.shape != one) {
            let fault = format!("{} pictures; up to {} of shape {one} are needed", prepared.len(), self.batch);
            return Err(Error::Invalid(fault));
        }
        // A batch that is not full is filled up with zeros.
        let mut images = Tensor::zeros(Shape { n: self.batch, ..one });
        for (to, from) in images.data.chunks_exact_mut(one.len()).zip(prepared) {
            to.copy_from_slice(&from.data);
        }
        self.session.upload(self.input, &images)?;
        self.session.run(&[(self.section, 0)], |_| true).await?;
        let found = self.session.read(self.output).await?;
        let rows = found.data.chunks_exact(self.network.features());
        Ok(rows.take(prepared.len()).map(<[f32]>::to_vec).collect())
    }
}
