//! What one step of a network takes: operations and memory, read off its graph.
use super::{Checkpoint, UnetSpec};
use crate::graph::{Fusion, Graph, Plan, fuse};
use crate::{Result, Shape};
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

impl UnetSpec {
    /// Builds and plans one step for `n` images of h x w, to say what it takes. Reads all weights.
    /// # Errors
    /// As [`UnetSpec::build`].
    pub fn cost(&self, ck: &Checkpoint, n: usize, h: usize, w: usize) -> Result<Cost> {
        let mut g = Graph::new();
        let vector = Shape::new(n, 1, 1, 1);
        let x = Shape::new(n, h, w, self.in_channels());
        self.accepts(x, self.class.is_some())?;
        let states = [g.state("x", x), g.state("t", vector), g.state("y", vector)];
        let out = g.state("out", x.with_c(self.out_channels()));
        g.section("step");
        let (x, t) = (g.read(states[0]), g.read(states[1]));
        let y = self.class.is_some().then(|| g.read(states[2]));
        let result = self.build(ck, &mut g, x, t, y)?;
        g.write(out, result)?;
        let plan = Plan::new(&fuse(&g, Fusion::Full));
        // Of the launches, not of the graph: fusion leaves the nodes that it merged behind.
        let launches = || plan.sections.iter().flatten();
        Ok(Cost {
            size: (n, h, w),
            flops: launches().filter_map(|l| Some(l.op.kernel()?.flops(&l.io))).sum(),
            activation_bytes: plan.bytes(),
            weight_bytes: g.weights.iter().map(|w| 4 * w.data.len() as u64).sum(),
            launches: launches().count(),
        })
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
    use crate::model::testing::anoddpm;
    use crate::model::{Config, Overrides, read};

    #[test]
    fn a_step_costs_what_its_convolutions_do() {
        let over = Overrides { heads: Some(2), groups: Some(4), ..Overrides::default() };
        let ck = anoddpm().open();
        let spec = read(&ck, &Config::default(), &over).unwrap();
        let (small, large) = (spec.cost(&ck, 1, 8, 8).unwrap(), spec.cost(&ck, 1, 16, 16).unwrap());
        // By hand: multiply-adds of the 3x3 convolutions, 9 · pixels · (in · out), at both sizes of the image.
        let wide = 2 * 8 + 2 * 64 + 24 * 8 + 64 + 16 * 8 + 64 + 16 * 16 + 8 * 2;
        let deep = 64 + 8 * 16 + 256 + 4 * 256 + 32 * 16 + 256 + 24 * 16 + 256;
        let convolutions = 2 * 9 * (64 * wide + 16 * deep) as u64;
        assert!((1.0..1.25).contains(&(small.flops as f64 / convolutions as f64)), "{small:?} against {convolutions}");
        assert!((3.5..6.0).contains(&(large.flops as f64 / small.flops as f64)), "{small:?} {large:?}");
        assert_eq!(small.weight_bytes, large.weight_bytes);
        assert!(large.activation_bytes > small.activation_bytes);
        assert!(spec.cost(&ck, 1, 7, 8).is_err());
        assert!(large.to_string().contains("16 x 16"));
    }
}
