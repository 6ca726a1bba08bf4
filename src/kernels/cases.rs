//! What the kernels' tests share: data, the CPU halves, and the check of GPU against f64.
use super::{Args, Io, Op, StepRow, Value, testing};
use crate::{Shape, Tensor, gpu};

/// Values in (-1, 1) from a hash of the index; device layout, zeros in the padding.
pub fn random(shape: Shape, seed: u32) -> Vec<f32> {
    let hash = |i: u32| {
        let mut h = i.wrapping_mul(0x9e37_79b9) ^ seed.wrapping_mul(0x85eb_ca6b);
        for shift in [16, 13, 16] {
            h = (h ^ (h >> shift)).wrapping_mul(0xc2b2_ae35);
        }
        h as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    let (c, cp) = (shape.c, shape.c_pad());
    (0..shape.padded_len()).map(|i| if i % cp < c { hash(i as u32) } else { 0.0 }).collect()
}

/// An operation with everything that it needs.
pub struct Case {
    pub op: Op,
    pub io: Io,
    pub inputs: Vec<Vec<f32>>,
    pub weights: Vec<Vec<f32>>,
    pub step: StepRow,
}

impl Case {
    /// Random inputs of these shapes.
    pub fn new(op: Op, shapes: &[Shape], weights: Vec<Vec<f32>>) -> Self {
        let output = op.kernel().unwrap().output(shapes).unwrap();
        let inputs = shapes.iter().enumerate().map(|(i, s)| random(*s, 7 + i as u32)).collect();
        Case { op, io: Io { inputs: shapes.to_vec(), output }, inputs, weights, step: StepRow::default() }
    }
    /// The CPU half in f64, on a dirty output.
    pub fn cpu(&self) -> Vec<f64> {
        let convert =
            |v: &[Vec<f32>]| -> Vec<Vec<f64>> { v.iter().map(|v| v.iter().map(|&x| f64::from(x)).collect()).collect() };
        let (inputs, weights) = (convert(&self.inputs), convert(&self.weights));
        let mut output = vec![123.0; self.io.output.padded_len()];
        self.op.run_cpu(Args {
            inputs: &inputs.iter().map(|v| &v[..]).collect::<Vec<_>>(),
            output: &mut output,
            weights: &weights.iter().map(|v| &v[..]).collect::<Vec<_>>(),
            io: &self.io,
            step: &self.step,
        });
        output
    }
    /// Holds every device to the f64 result, validates the shader's text, and returns that result in device layout.
    pub fn check(&self, tolerance: f64) -> Vec<f64> {
        self.validate();
        let tensor = |(shape, data): (&Shape, &Vec<f32>)| Tensor::from_device_layout(*shape, data).unwrap();
        let inputs: Vec<_> = self.io.inputs.iter().zip(&self.inputs).map(tensor).collect();
        testing::check(&self.op, &inputs, &self.weights, &self.step, tolerance);
        self.cpu()
    }
    /// The specialised text of the shader, and its bindings' numbers: inputs, output, weights.
    pub fn text(&self) -> (String, [u32; 3], String) {
        let shader = self.op.kernel().unwrap().shader(&self.io);
        assert!(shader.grid.iter().all(|g| (1..=super::MAX_GROUPS).contains(g)), "{:?}", shader.grid);
        let mut consts: gpu::Consts = shader.consts.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let mut next = 1;
        let mut bind = |name: String| {
            consts.insert(name, Value::U(next));
            next += 1;
        };
        (0..self.inputs.len()).for_each(|i| bind(format!("BIND_IN{i}")));
        bind("BIND_OUT".into());
        (0..self.weights.len()).for_each(|i| bind(format!("BIND_W{i}")));
        (gpu::preprocess(shader.file, &consts).unwrap(), shader.grid, shader.label)
    }
    /// naga parses and validates the shader, and its workgroup memory fits WebGPU's default limit.
    pub fn validate(&self) {
        let (text, _, label) = self.text();
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|e| panic!("{label}: {}\n{text}", e.emit_to_string(&text)));
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|e| panic!("{label}: {}", e.emit_to_string(&text)));
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let shared: u32 = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup)
            .map(|(_, v)| layouter[v.ty].size)
            .sum();
        assert!(shared <= 16384, "{label}: {shared} bytes of workgroup memory");
    }
}
