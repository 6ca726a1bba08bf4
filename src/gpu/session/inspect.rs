//! Looking into a section: what each of its launches leaves, and how long it takes.
use super::{Session, Usage, buffer, map};
use crate::Result;
use crate::graph::{Launch, SectionId, Slot};
use std::ops::Range;

/// How long one launch took.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The kernel: `conv_gemm_64x64_f32`.
    pub kernel: String,
    /// The node: the checkpoint's key.
    pub node: String,
    /// Nanoseconds between the timestamps around it.
    pub nanoseconds: f64,
}

impl Session {
    /// The launches of a section, in the order they run.
    pub fn launches(&self, section: SectionId) -> &[Launch] {
        &self.plan.sections[section.0]
    }
    /// Runs some launches of a section with a row of the step table, those before them having run, and reads each one's
    /// output back, in device layout, out of the arena where the next ones will look for it.
    /// # Errors
    /// [`crate::Error::Device`] when the device is lost or has no room for the outputs.
    pub async fn run_launches(&self, section: SectionId, row: usize, range: Range<usize>) -> Result<Vec<Vec<f32>>> {
        let launches = &self.plan.sections[section.0][range.clone()];
        let bytes: u64 = launches.iter().map(|l| 4 * l.output.len as u64).sum();
        let memory = self.gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let staging = buffer(&self.gpu, "read-back", bytes.max(4), Usage::MAP_READ | Usage::COPY_DST);
        if let Some(e) = memory.pop().await {
            return Err(self.gpu.error(format!("{} MiB to read layers back do not fit: {e}", bytes >> 20)));
        }
        let mut encoder = self.encoder();
        let mut at = 0;
        for (launch, e) in launches.iter().zip(&self.sections[section.0][range]) {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            e.encode(&mut pass, row);
            drop(pass);
            let Slot { arena, offset, len } = launch.output;
            encoder.copy_buffer_to_buffer(&self.arenas[arena], 4 * offset as u64, &staging, at, 4 * len as u64);
            at += 4 * len as u64;
        }
        self.gpu.queue.submit([encoder.finish()]);
        let mut values: &[f32] = &bytemuck::pod_collect_to_vec(&map(&self.gpu, &staging).await?);
        let mut outputs = Vec::with_capacity(launches.len());
        for launch in launches {
            let (output, rest) = values.split_at(launch.output.len.min(values.len()));
            outputs.push(output.to_vec());
            values = rest;
        }
        Ok(outputs)
    }
    /// Runs a section with a timestamp before and after every launch.
    /// # Errors
    /// [`crate::Error::Device`] when the device has no timestamps inside encoders.
    pub async fn profile(&self, section: SectionId, row: usize) -> Result<Vec<Timing>> {
        let launches = &self.sections[section.0];
        let wanted = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS;
        if !self.gpu.device.features().contains(wanted) {
            return Err(self.gpu.error("has no timestamps, so kernels cannot be timed one by one"));
        }
        let mut timings = Vec::new();
        // A query set holds at most 4096 timestamps.
        for part in launches.chunks(2048) {
            let count = 2 * part.len() as u32;
            let desc = wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count };
            let queries = self.gpu.device.create_query_set(&desc);
            let resolved = buffer(&self.gpu, "queries", 8 * u64::from(count), Usage::QUERY_RESOLVE | Usage::COPY_SRC);
            let staging = buffer(&self.gpu, "queries", 8 * u64::from(count), Usage::MAP_READ | Usage::COPY_DST);
            let mut encoder = self.encoder();
            for (i, e) in part.iter().enumerate() {
                encoder.write_timestamp(&queries, 2 * i as u32);
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                e.encode(&mut pass, row);
                drop(pass);
                encoder.write_timestamp(&queries, 2 * i as u32 + 1);
            }
            encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, 8 * u64::from(count));
            self.gpu.queue.submit([encoder.finish()]);
            let bytes = map(&self.gpu, &staging).await?;
            let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
            let period = f64::from(self.gpu.queue.get_timestamp_period());
            timings.extend(part.iter().zip(ticks.chunks(2)).map(|(e, t)| Timing {
                kernel: e.label.clone(),
                node: e.name.clone(),
                nanoseconds: t[1].saturating_sub(t[0]) as f64 * period,
            }));
        }
        Ok(timings)
    }
}
