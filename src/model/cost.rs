//! What one step of a network takes: operations and memory, read off its graph.
use crate::Shape;
use crate::graph::{Fusion, Graph, Plan, fuse, within_memory};
use serde::Serialize;

/// One step at one image size, in f32, with the fused plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// (samples, height, width).
    pub size: (usize, usize, usize),
    /// Floating-point operations, a multiply-add counted as two.
    pub flops: u64,
    /// Bytes of the arenas: activations, the image in and out.
    pub activation_bytes: u64,
    /// Bytes of the packed weights.
    pub weight_bytes: u64,
    /// Kernels launched.
    pub launches: usize,
}

impl Cost {
    /// Plans a network alone in a graph, within the memory that the graph allows, for images of shape (N,H,W,C), to say what it takes.
    pub(super) fn of(graph: &Graph, image: Shape) -> Cost {
        let plan = Plan::new(&within_memory(graph, |g| fuse(g, Fusion::Full)));
        // Of the launches, not of the graph: fusion leaves the nodes that it merged behind.
        let launches = || plan.sections.iter().flatten();
        Cost {
            size: (image.n, image.h, image.w),
            flops: launches().filter_map(|l| Some(l.op.kernel()?.flops(&l.io))).sum(),
            activation_bytes: plan.bytes(),
            weight_bytes: graph.weights.iter().map(|w| 4 * w.data.len() as u64).sum(),
            launches: launches().count(),
        }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (n, h, w) = self.size;
        let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
        writeln!(
            f,
            "  one step     {n} x {h} x {w}: {:.2} GFLOP in {} launches",
            self.flops as f64 / 1e9,
            self.launches
        )?;
        write!(f, "  memory       {:.1} MiB activations, ", mib(self.activation_bytes))?;
        writeln!(f, "{:.1} MiB weights (f32)", mib(self.weight_bytes))
    }
}

#[cfg(test)]
mod tests {
    use crate::Shape;
    use crate::model::testing::anoddpm;
    use crate::model::{Architecture, network::Network};
    use crate::model::{Config, Overrides, read};

    #[test]
    fn a_step_costs_what_its_convolutions_do() {
        let over = Overrides { heads: Some(2), groups: Some(4), ..Overrides::default() };
        let checkpoint = anoddpm().open();
        let architecture = Architecture::Unet(read(&checkpoint, &Config::default(), &over).unwrap());
        let network = Network { checkpoint, architecture };
        let cost = |h, w| network.cost(Shape::new(1, h, w, network.in_channels()));
        let (small, large) = (cost(8, 8).unwrap(), cost(16, 16).unwrap());
        // By hand: multiply-adds of the 3x3 convolutions, 9 · pixels · (in · out), at both sizes of the image.
        let wide = 2 * 8 + 2 * 64 + 24 * 8 + 64 + 16 * 8 + 64 + 16 * 16 + 8 * 2;
        let deep = 64 + 8 * 16 + 256 + 4 * 256 + 32 * 16 + 256 + 24 * 16 + 256;
        let convolutions = 2 * 9 * (64 * wide + 16 * deep) as u64;
        assert!((1.0..1.25).contains(&(small.flops as f64 / convolutions as f64)), "{small:?} against {convolutions}");
        assert!((3.5..6.0).contains(&(large.flops as f64 / small.flops as f64)), "{small:?} {large:?}");
        assert_eq!(small.weight_bytes, large.weight_bytes);
        assert!(large.activation_bytes > small.activation_bytes);
        assert!(cost(7, 8).is_err());
        assert!(large.to_string().contains("16 x 16"));
    }
}
