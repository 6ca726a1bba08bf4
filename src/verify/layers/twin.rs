//! One graph twice: on a device as it runs there, and the same launches by the processor in f64.
use crate::graph::{Graph, Launch, SectionId, StateId};
use crate::kernels::StepRow;
use crate::{Device, Error, Result, Session, Tensor, cpu};

/// Bytes of outputs that are read back in one go: a layer that is larger comes alone, so that memory stays bounded.
const GROUP: usize = 64 << 20;

/// Both sessions. They hold the weights and the planned activations twice more than the device alone, in f64.
pub struct Twin {
    device: Session,
    truth: cpu::Session<f64>,
    rows: Vec<StepRow>,
}

/// One launch's output on both sides, in device layout (padded NHWC).
pub struct Seen<'a> {
    /// Which.
    pub launch: &'a Launch,
    /// The device's.
    pub found: &'a [f32],
    /// The processor's in f64.
    pub truth: &'a [f64],
}

impl Twin {
    /// Fuses and lowers the graph for the device, and prepares it there and in f64.
    pub async fn new(device: &Device, graph: &Graph, rows: &[StepRow]) -> Result<Twin> {
        let optimised = device.optimise(graph);
        Twin::of(device, &optimised, &optimised, rows).await
    }
    /// The same for two graphs of the same launches, as they are: the device's and the true one.
    pub async fn of(device: &Device, graph: &Graph, truth: &Graph, rows: &[StepRow]) -> Result<Twin> {
        let mut session = device.session_as_is(graph, rows.len()).await?;
        session.set_steps(rows)?;
        Ok(Twin { device: session, truth: cpu::Session::new(truth), rows: rows.to_vec() })
    }
    /// Fills a state on both sides.
    pub fn upload(&mut self, state: StateId, tensor: &Tensor) -> Result<()> {
        self.device.upload(state, tensor)?;
        self.truth.upload(state, &tensor.to_device_layout());
        Ok(())
    }
    /// Runs a section on both sides, in one go.
    pub async fn run(&mut self, section: SectionId, row: usize) -> Result<()> {
        let step = *self.row(row)?;
        self.truth.run(section, &step);
        self.device.run(&[(section, row)], |_| true).await
    }
    /// Runs a section on both sides, and shows every launch's output as the next one finds it.
    pub async fn watch(&mut self, section: SectionId, row: usize, mut see: impl FnMut(Seen)) -> Result<()> {
        let step = *self.row(row)?;
        let mut at = 0;
        while let Some(group) = self.group(section, at) {
            let outputs = self.device.run_launches(section, row, group.clone()).await?;
            for (i, found) in group.clone().zip(&outputs) {
                let launch = &self.device.launches(section)[i];
                see(Seen { launch, found, truth: self.truth.run_launch(section, i, &step) });
            }
            at = group.end;
        }
        Ok(())
    }
    /// Milliseconds of each launch of a section on the device; none where it cannot tell them apart.
    pub async fn times(&mut self, section: SectionId, row: usize) -> Option<Vec<f64>> {
        let timings = self.device.profile(section, row).await;
        timings.ok().map(|t| t.iter().map(|t| t.nanoseconds * 1e-6).collect())
    }
    fn row(&self, row: usize) -> Result<&StepRow> {
        self.rows.get(row).ok_or_else(|| Error::Invalid(format!("there is no step row {row}")))
    }
    /// The launches from `at` on whose outputs are read back together.
    fn group(&self, section: SectionId, at: usize) -> Option<std::ops::Range<usize>> {
        let launches = self.device.launches(section);
        let mut bytes = 4 * launches.get(at)?.output.len;
        let more = launches[at + 1..].iter().take_while(|l| {
            bytes += 4 * l.output.len;
            bytes <= GROUP
        });
        Some(at..at + 1 + more.count())
    }
}
