//! A planned graph on a device: memory, pipelines and bind groups are made once; running only encodes.
use super::pipeline::{Wanted, wanted};
use super::{Gpu, signal::signal};
use crate::graph::{Graph, Launch, Plan, SectionId, StateId};
use crate::kernels::{StepRow, WeightId};
use crate::{Error, Result};
use memory::{Place, excess, upload_weights};
use std::collections::BTreeMap;
use std::sync::Arc;
use wgpu::BufferUsages as Usage;

mod inspect;
mod memory;

pub use inspect::Timing;

/// Bytes from one row of the step table to the next: WebGPU's default alignment of uniform offsets.
const ROW: u64 = 256;
/// Launches in one submission: enough to hide the cost of submitting, few enough to keep a display alive.
const LAUNCHES_PER_SUBMISSION: usize = 256;
/// Submissions that may be under way before the encoder waits for the oldest.
const IN_FLIGHT: usize = 4;

struct Encoded {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    grid: [u32; 3],
    label: String,
    name: String,
}

impl Encoded {
    /// Adds the launch to a pass, with a row of the step table.
    fn encode(&self, pass: &mut wgpu::ComputePass<'_>, row: usize) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[(row as u64 * ROW) as u32]);
        pass.dispatch_workgroups(self.grid[0], self.grid[1], self.grid[2]);
    }
}

/// A graph, ready to run on a GPU.
pub struct Session {
    gpu: Arc<Gpu>,
    plan: Plan,
    arenas: Vec<wgpu::Buffer>,
    weights: BTreeMap<WeightId, Place<wgpu::Buffer>>,
    steps: wgpu::Buffer,
    sections: Vec<Vec<Encoded>>,
}

impl Session {
    /// Plans the graph, allocates and uploads, makes pipelines and bind groups. `max_steps` is the number of rows the
    /// step table can hold.
    /// # Errors
    /// [`Error::Device`] for more than the device allows or has memory for, [`Error::Shader`] when a shader is refused.
    pub async fn new(gpu: Arc<Gpu>, graph: &Graph, max_steps: usize) -> Result<Session> {
        let plan = Plan::new(graph);
        let jobs: Vec<(Wanted, [u32; 3])> = plan
            .sections
            .iter()
            .flatten()
            .filter_map(|l| l.op.kernel().map(|k| wanted(k, &l.io)))
            .collect::<Result<_>>()?;
        let (texts, grids): (Vec<Wanted>, Vec<[u32; 3]>) = jobs.into_iter().unzip();
        if let Some(fault) = excess(&plan, &grids, &gpu.device.limits()) {
            return Err(gpu.error(format!("{fault}: fewer or smaller images at once are needed")));
        }
        let pipelines = gpu.pipelines(&texts).await?;

        let scopes = [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory];
        let [validation, memory] = scopes.map(|f| gpu.device.push_error_scope(f));
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let arenas = plan.arenas.iter().map(|&n| buffer(&gpu, "arena", 4 * n.max(64) as u64, usage)).collect();
        let weights = upload_weights(&gpu, graph, &plan);
        let steps = buffer(&gpu, "steps", ROW * max_steps.max(1) as u64, Usage::UNIFORM | Usage::COPY_DST);
        let mut session = Session { gpu: gpu.clone(), plan, arenas, weights, steps, sections: Vec::new() };
        let mut made = pipelines.into_iter().zip(grids).zip(texts);
        for launches in &session.plan.sections {
            let mut encoded = Vec::new();
            for launch in launches {
                let Some(((pipeline, grid), text)) = made.next() else { break };
                let group = session.bind(launch, &text);
                encoded.push(Encoded { pipeline, group, grid, label: text.label, name: launch.name.clone() });
            }
            session.sections.push(encoded);
        }
        // Scopes are a stack: the last one pushed is the first to be popped.
        let (memory, validation) = (memory.pop(), validation.pop());
        if let Some(e) = memory.await.or(validation.await) {
            let need = session.plan.bytes() >> 20;
            return Err(gpu.error(format!("{need} MiB for activations, and the weights, do not fit: {e}")));
        }
        gpu.check()?;
        Ok(session)
    }

    fn bind(&self, launch: &Launch, text: &Wanted) -> wgpu::BindGroup {
        let range = |buffer, offset: u64, size: u64| wgpu::BufferBinding {
            buffer,
            offset,
            size: std::num::NonZeroU64::new(size),
        };
        let slots = launch.inputs.iter().chain(std::iter::once(&launch.output));
        let slots = slots.map(|s| range(&self.arenas[s.arena], 4 * s.offset as u64, 4 * s.len as u64));
        let weights = launch.weights.iter().filter_map(|w| self.weights.get(w)).map(|(b, o, s)| range(b, *o, *s));
        let first = std::iter::once(range(&self.steps, 0, std::mem::size_of::<StepRow>() as u64));
        let entries: Vec<_> = first
            .chain(slots)
            .chain(weights)
            .enumerate()
            .map(|(i, b)| wgpu::BindGroupEntry { binding: i as u32, resource: wgpu::BindingResource::Buffer(b) })
            .collect();
        let layout = self.gpu.pipelines.layout(&self.gpu.device, &text.bindings).0;
        let desc = wgpu::BindGroupDescriptor { label: Some(&launch.name), layout: &layout, entries: &entries };
        self.gpu.device.create_bind_group(&desc)
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }
    /// The buffer of a state, in device layout: a host may write it and read it on the same queue.
    pub fn buffer(&self, state: StateId) -> &wgpu::Buffer {
        &self.arenas[state.0]
    }
    /// Bytes of activations and states.
    pub fn bytes(&self) -> u64 {
        self.plan.bytes()
    }
    /// Writes a state, in device layout.
    pub fn upload(&self, state: StateId, data: &[f32]) {
        let room = self.plan.arenas[state.0].min(data.len());
        self.gpu.queue.write_buffer(&self.arenas[state.0], 0, bytemuck::cast_slice(&data[..room]));
    }
    /// Fills the step table.
    /// # Errors
    /// When there are more rows than `max_steps`.
    pub fn set_steps(&self, rows: &[StepRow]) -> Result<()> {
        let mut bytes = vec![0u8; rows.len() * ROW as usize];
        for (slot, row) in bytes.chunks_mut(ROW as usize).zip(rows) {
            slot[..std::mem::size_of::<StepRow>()].copy_from_slice(bytemuck::bytes_of(row));
        }
        if bytes.len() as u64 > self.steps.size() {
            return Err(Error::Invalid(format!("{} steps, but room for {}", rows.len(), self.steps.size() / ROW)));
        }
        self.gpu.queue.write_buffer(&self.steps, 0, &bytes);
        Ok(())
    }
    /// Encodes one run of a section with a row of the step table; this never blocks and allocates nothing on the device.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder, section: SectionId, row: usize) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        self.sections[section.0].iter().for_each(|e| e.encode(&mut pass, row));
    }
    /// Runs sections in order, each with its row; `progress` hears after each part how many entries are done, and answers
    /// whether to go on.
    /// # Errors
    /// [`Error::Device`] when the device is lost, [`Error::Interrupted`] when `progress` says stop.
    pub async fn run(&self, schedule: &[(SectionId, usize)], mut progress: impl FnMut(usize) -> bool) -> Result<()> {
        let mut flying = std::collections::VecDeque::new();
        let (mut encoder, mut launches) = (self.encoder(), 0);
        for (i, &(section, row)) in schedule.iter().enumerate() {
            self.encode(&mut encoder, section, row);
            launches += self.sections[section.0].len();
            if launches < LAUNCHES_PER_SUBMISSION && i + 1 < schedule.len() {
                continue;
            }
            self.gpu.queue.submit([std::mem::replace(&mut encoder, self.encoder()).finish()]);
            launches = 0;
            let (sender, done) = signal();
            self.gpu.queue.on_submitted_work_done(move || sender.send(()));
            flying.push_back((i + 1, done));
            while flying.len() > IN_FLIGHT || i + 1 == schedule.len() && !flying.is_empty() {
                let Some((count, done)) = flying.pop_front() else { break };
                self.gpu.delivered(done).await?;
                self.gpu.check()?;
                if !progress(count) {
                    return Err(Error::Interrupted);
                }
            }
        }
        Ok(())
    }
    /// Reads a state back, in device layout.
    /// # Errors
    /// [`Error::Device`] when the device is lost.
    pub async fn read(&self, state: StateId) -> Result<Vec<f32>> {
        let bytes = 4 * self.plan.states_len(state) as u64;
        let staging = buffer(&self.gpu, "read-back", bytes, Usage::MAP_READ | Usage::COPY_DST);
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(&self.arenas[state.0], 0, &staging, 0, bytes);
        self.gpu.queue.submit([encoder.finish()]);
        Ok(bytemuck::cast_slice(&map(&self.gpu, &staging).await?).to_vec())
    }
    fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("residua") })
    }
}

fn buffer(gpu: &Gpu, label: &str, size: u64, usage: Usage) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
}

/// A mapped buffer's bytes, once the queue is done with it.
async fn map(gpu: &Gpu, staging: &wgpu::Buffer) -> Result<Vec<u8>> {
    let (sender, mapped) = signal();
    staging.map_async(wgpu::MapMode::Read, .., move |r| sender.send(r));
    let mapped = gpu.delivered(mapped).await?;
    gpu.check()?;
    mapped.map_err(|e| gpu.error(format!("a result could not be read back: {e}")))?;
    let view = staging.get_mapped_range(..).map_err(|e| gpu.error(format!("a result could not be read back: {e}")))?;
    Ok(view.to_vec())
}
