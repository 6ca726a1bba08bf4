//! What a plan needs of a device: buffers within its limits, and the weights in them.
use super::{Usage, buffer};
use crate::gpu::Gpu;
use crate::graph::{Graph, Plan};
use crate::kernels::WeightId;
use std::collections::BTreeMap;

/// Bytes of a buffer of weights: WebGPU's default binding size.
const CHUNK: u64 = 128 << 20;

/// Where a weight lies: its buffer, the first byte, and how many.
pub(super) type Place<B> = (B, u64, u64);

/// What of a plan is beyond a device's limits, in words.
pub(super) fn excess(plan: &Plan, grids: &[[u32; 3]], limits: &wgpu::Limits) -> Option<String> {
    let slots = plan.sections.iter().flatten().flat_map(|l| l.inputs.iter().chain([&l.output]));
    let bytes = |elements: Option<usize>| 4 * elements.unwrap_or(0) as u64;
    let buffer = bytes(plan.arenas.iter().copied().max());
    let part = bytes(slots.map(|s| s.len).max());
    let groups = grids.iter().flatten().copied().max().unwrap_or(0);
    let sizes =
        [("a buffer", buffer, limits.max_buffer_size), ("one value", part, limits.max_storage_buffer_binding_size)];
    if let Some((what, need, most)) = sizes.into_iter().find(|(_, need, most)| need > most) {
        return Some(format!(
            "{what} would take {} MiB, but the device allows {} MiB",
            need.div_ceil(1 << 20),
            most >> 20
        ));
    }
    let most = limits.max_compute_workgroups_per_dimension;
    (groups > most).then(|| format!("a kernel would take {groups} groups in a row, but the device allows {most}"))
}

/// The weights that a plan's launches read, in a few buffers, each within WebGPU's default binding size unless one weight is larger:
/// the number of the buffer, offset and size of each, and the sizes of the buffers.
pub(super) fn lay_out(graph: &Graph, plan: &Plan) -> (BTreeMap<WeightId, Place<usize>>, Vec<u64>) {
    let (mut places, mut sizes) = (BTreeMap::new(), vec![0]);
    for id in plan.weights() {
        let size = 4 * graph.weights[id.0].data.len().max(4) as u64;
        let last = sizes.len() - 1;
        if sizes[last] > 0 && sizes[last] + size > CHUNK {
            sizes.push(0);
        }
        let chunk = sizes.len() - 1;
        places.insert(id, (chunk, sizes[chunk], size));
        sizes[chunk] += size.next_multiple_of(256);
    }
    (places, sizes)
}

/// Uploads them.
pub(super) fn upload_weights(gpu: &Gpu, graph: &Graph, plan: &Plan) -> BTreeMap<WeightId, Place<wgpu::Buffer>> {
    let (places, sizes) = lay_out(graph, plan);
    let buffers: Vec<_> =
        sizes.iter().map(|&s| buffer(gpu, "weights", s.max(256), Usage::STORAGE | Usage::COPY_DST)).collect();
    let upload = |(id, (chunk, offset, size)): (WeightId, Place<usize>)| {
        gpu.queue.write_buffer(&buffers[chunk], offset, bytemuck::cast_slice(&graph.weights[id.0].data));
        (id, (buffers[chunk].clone(), offset, size))
    };
    places.into_iter().map(upload).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::graph::{ConvSpec, lower};

    /// A 3×3 convolution that Winograd takes over.
    fn convolution(n: usize) -> Graph {
        let mut g = Graph::new();
        let shape = Shape::new(n, 16, 16, 32);
        let (x, y) = (g.state("x", shape), g.state("y", shape));
        g.section("main");
        let node = g.read(x);
        let weight = vec![0.5; 32 * 32 * 9];
        let spec = ConvSpec { weight: &weight, shape: [32, 32, 3, 3], bias: None, stride: 1, pad: [1; 4] };
        let node = g.conv("conv", node, &spec).unwrap();
        g.write(y, node).unwrap();
        g
    }

    #[test]
    fn what_winograd_replaces_is_not_uploaded() {
        let lowered = lower(&convolution(1), true);
        let lengths: Vec<usize> = lowered.weights.iter().map(|w| w.data.len()).collect();
        assert_eq!(lengths.len(), 2, "the weights and their transform");
        let (places, sizes) = lay_out(&lowered, &Plan::new(&lowered));
        assert_eq!(places.into_iter().collect::<Vec<_>>(), [(WeightId(1), (0, 0, 4 * lengths[1] as u64))]);
        assert_eq!(sizes, [4 * lengths[1] as u64]);
        let plain = lower(&convolution(1), false);
        assert_eq!(lay_out(&plain, &Plan::new(&plain)).1, [4 * 32 * 32 * 9]);
    }

    #[test]
    fn what_is_beyond_the_limits_is_said() {
        let plan = Plan::new(&convolution(8));
        let bytes = 4 * 8 * 16 * 16 * 32;
        let limits = |buffer, binding| wgpu::Limits {
            max_buffer_size: buffer,
            max_storage_buffer_binding_size: binding,
            ..wgpu::Limits::defaults()
        };
        assert_eq!(excess(&plan, &[[65535, 1, 1]], &limits(bytes, bytes)), None);
        let said = excess(&plan, &[], &limits(bytes - 1, bytes)).unwrap();
        assert_eq!(said, "a buffer would take 1 MiB, but the device allows 0 MiB");
        assert!(excess(&plan, &[], &limits(bytes, bytes - 1)).unwrap().starts_with("one value would take 1 MiB"));
        assert!(excess(&plan, &[[1, 65536, 1]], &limits(bytes, bytes)).unwrap().contains("65536 groups"));
    }
}
