//! Where a graph runs: a GPU through wgpu, or this machine's processor.
use crate::graph::{
    Fusion, Graph, Launch, SectionId, StateId, Transformed, fuse, lower_cpu_with, lower_with, within_memory,
};
use crate::kernels::StepRow;
use crate::{Error, Result, Shape, Tensor, cpu, gpu};
use std::ops::Range;
use std::sync::Arc;

/// A GPU, or the processor.
#[derive(Clone)]
pub enum Device {
    /// The kernels' CPU halves on rayon's threads.
    Cpu,
    /// WGSL on a wgpu device.
    Gpu(Arc<gpu::Gpu>),
}

impl Device {
    /// Chooses by name: `auto` (a hardware GPU if there is one, otherwise the processor), `cpu`, `gpu` (a software
    /// adapter too), or a part of an adapter's name.
    /// # Errors
    /// [`Error::NoDevice`] for `gpu` or a name that no adapter has; [`Error::Device`] when it cannot be opened.
    pub async fn select(choice: &str) -> Result<Device> {
        let options = gpu::Options::default();
        match choice {
            "cpu" => Ok(Device::Cpu),
            "auto" => match gpu::Gpu::new(None, false, options).await {
                Ok(g) => Ok(Device::Gpu(Arc::new(g))),
                Err(e) => {
                    tracing::debug!("using the processor: {e}");
                    Ok(Device::Cpu)
                }
            },
            "gpu" => Ok(Device::Gpu(Arc::new(gpu::Gpu::new(None, true, options).await?))),
            name => Ok(Device::Gpu(Arc::new(gpu::Gpu::new(Some(name), true, options).await?))),
        }
    }
    /// The adapter's name, or `cpu` with its threads.
    pub fn name(&self) -> String {
        match self {
            Device::Cpu => format!("cpu ({} threads)", rayon::current_num_threads()),
            Device::Gpu(g) => format!("{} ({:?})", g.info.name, g.info.backend),
        }
    }
    /// Whether the device still works.
    /// # Errors
    /// [`Error::Device`] with the fault that a GPU has reported.
    pub fn check(&self) -> Result<()> {
        match self {
            Device::Cpu => Ok(()),
            Device::Gpu(g) => g.check(),
        }
    }
    /// The graph as this device runs it best, within [`Graph::memory`].
    pub fn optimise(&self, graph: &Graph) -> Graph {
        let mut made = Transformed::new();
        within_memory(graph, |graph| {
            let fused = fuse(graph, Fusion::Full);
            match self {
                Device::Cpu => lower_cpu_with(&fused, &mut made),
                Device::Gpu(g) => lower_with(&fused, true, g.target, &mut made),
            }
        })
    }
    /// Optimises and plans a graph, allocates its memory and uploads its weights; `max_steps` rows fit the step table.
    /// # Errors
    /// [`Error::Device`], [`Error::Shader`].
    pub async fn session(&self, graph: &Graph, max_steps: usize) -> Result<Session> {
        self.session_as_is(&self.optimise(graph), max_steps).await
    }
    /// The same for a graph that is already as this device shall run it.
    /// # Errors
    /// As [`Device::session`].
    pub async fn session_as_is(&self, optimised: &Graph, max_steps: usize) -> Result<Session> {
        let shapes = optimised.states.iter().map(|s| s.shape).collect();
        let inner = match self {
            Device::Cpu => Inner::Cpu(Box::new(cpu::Session::try_new(optimised)?), Vec::new()),
            Device::Gpu(g) => Inner::Gpu(gpu::Session::new(g.clone(), optimised, max_steps).await?),
        };
        Ok(Session { inner, shapes })
    }
    /// Runs a future to its end (see [`gpu::drive`]). For programs without an event loop; blocks.
    pub fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        match self {
            Device::Cpu => pollster::block_on(future),
            Device::Gpu(g) => gpu::drive(g, future),
        }
    }
}

enum Inner {
    Cpu(Box<cpu::Session<f32>>, Vec<StepRow>),
    Gpu(gpu::Session),
}

/// A graph, ready to run.
pub struct Session {
    inner: Inner,
    shapes: Vec<Shape>,
}

impl Session {
    /// The GPU's side, for a host that encodes by itself.
    pub fn gpu(&self) -> Option<&gpu::Session> {
        match &self.inner {
            Inner::Gpu(s) => Some(s),
            Inner::Cpu(..) => None,
        }
    }
    /// Fills a state.
    /// # Errors
    /// When the tensor has another shape.
    pub fn upload(&mut self, state: StateId, tensor: &Tensor) -> Result<()> {
        let want = self.shapes[state.0];
        if tensor.shape != want {
            return Err(Error::Invalid(format!(
                "a state of shape {want} cannot take a tensor of shape {}",
                tensor.shape
            )));
        }
        let data = tensor.to_device_layout();
        match &mut self.inner {
            Inner::Cpu(s, _) => s.upload(state, &data),
            Inner::Gpu(s) => s.upload(state, &data),
        }
        Ok(())
    }
    /// Fills the step table.
    /// # Errors
    /// When it does not fit.
    pub fn set_steps(&mut self, rows: &[StepRow]) -> Result<()> {
        match &mut self.inner {
            Inner::Cpu(_, table) => *table = rows.to_vec(),
            Inner::Gpu(s) => s.set_steps(rows)?,
        }
        Ok(())
    }
    /// Runs sections in order, each with its row of the step table; `progress` hears how many are done and answers
    /// whether to go on. On the processor this computes where it is polled.
    /// # Errors
    /// [`Error::Device`] when the device is lost; [`Error::Interrupted`] when `progress` says stop.
    pub async fn run(
        &mut self,
        schedule: &[(SectionId, usize)],
        mut progress: impl FnMut(usize) -> bool,
    ) -> Result<()> {
        match &mut self.inner {
            Inner::Cpu(s, rows) => {
                for (i, &(section, row)) in schedule.iter().enumerate() {
                    let step = rows.get(row).ok_or_else(|| Error::Invalid(format!("there is no step row {row}")))?;
                    s.run(section, step);
                    if !progress(i + 1) {
                        return Err(Error::Interrupted);
                    }
                }
                Ok(())
            }
            Inner::Gpu(s) => s.run(schedule, progress).await,
        }
    }
    /// Runs a section once with a row of the step table, and tells how long each launch took, in the plan's order.
    /// # Errors
    /// [`Error::Device`] when a GPU has no timestamps inside encoders, or is lost.
    pub async fn profile(&mut self, section: SectionId, row: usize) -> Result<Vec<gpu::Timing>> {
        match &mut self.inner {
            Inner::Cpu(s, rows) => {
                let step = rows.get(row).ok_or_else(|| Error::Invalid(format!("there is no step row {row}")))?;
                Ok(s.profile(section, step))
            }
            Inner::Gpu(s) => s.profile(section, row).await,
        }
    }
    /// The launches of a section as they run here, in their order.
    pub fn launches(&self, section: SectionId) -> &[Launch] {
        match &self.inner {
            Inner::Cpu(s, _) => s.launches(section),
            Inner::Gpu(s) => s.launches(section),
        }
    }
    /// Runs some launches of a section with a row of the step table, those before them having run, and returns each one's
    /// output in device layout (padded NHWC).
    /// # Errors
    /// [`Error::Device`] when the device is lost or has no room to read them back; [`Error::Invalid`] without such a row.
    pub async fn run_launches(&mut self, section: SectionId, row: usize, range: Range<usize>) -> Result<Vec<Vec<f32>>> {
        match &mut self.inner {
            Inner::Cpu(s, rows) => {
                let step = rows.get(row).ok_or_else(|| Error::Invalid(format!("there is no step row {row}")))?;
                Ok(range.map(|i| s.run_launch(section, i, step).to_vec()).collect())
            }
            Inner::Gpu(s) => s.run_launches(section, row, range).await,
        }
    }
    /// Reads a state back.
    /// # Errors
    /// [`Error::Device`] when the device is lost.
    pub async fn read(&self, state: StateId) -> Result<Tensor> {
        let shape = self.shapes[state.0];
        match &self.inner {
            Inner::Cpu(s, _) => Tensor::from_device_layout(shape, s.state(state)),
            Inner::Gpu(s) => Tensor::from_device_layout(shape, &s.read(state).await?),
        }
    }
}
