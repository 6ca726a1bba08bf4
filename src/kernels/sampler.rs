//! The schedule's step: noising to level t, and the update from t to the next level (DDPM, DDIM).
use super::{Args, Io, Kernel, Real, Shader, Value, grid_1d};
use crate::gpu::{ShaderFile, shader_file};
use crate::{Result, Shape};

/// `x_t = signal·x0 + noise·ε`; inputs x0 (N,H,W,C) and ε of the same shape, or (1,H,W,C) shared by all samples.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseTo;

/// One sampler step by the coefficients of [`super::StepRow`]. Inputs: x (N,H,W,C); the network's output (N,H,W,C) or, with
/// `learned_range`, (N,H,W,2C); the noise z, (N,H,W,C) or (1,H,W,C), when `noisy`.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplerStep {
    /// The output's second half interpolates the log-variance.
    pub learned_range: bool,
    /// A third input is the noise.
    pub noisy: bool,
}

/// `acc + weight·x` with the step's weight, inputs acc and x of one shape: a mean that grows run by run, a step under a guidance.
#[derive(Clone, Debug, PartialEq)]
pub struct Accumulate;

fn shared(x: Shape, z: Shape) -> bool {
    x == z || z == Shape { n: 1, ..x }
}

fn shader(label: &str, file: ShaderFile, io: &Io, more: Vec<(&'static str, Value)>) -> Shader {
    let (cv, len) = (io.output.c_pad() / 4, io.output.padded_len() / 4);
    let mut consts = vec![("LEN", len.into()), ("CV", cv.into()), ("C_TAIL", (io.output.c - (cv - 1) * 4).into())];
    consts.extend(more);
    Shader { label: label.to_owned(), file, consts, grid: grid_1d(len.div_ceil(256)) }
}

impl Kernel for NoiseTo {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x, z] if shared(*x, *z) => Ok(*x),
            _ => Err(format!("an image and its noise are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        shader(
            "noise_to_f32",
            shader_file!("noise_to.wgsl"),
            io,
            vec![("E_LEN", (io.inputs[1].padded_len() / 4).into())],
        )
    }
    fn flops(&self, io: &Io) -> u64 {
        3 * io.output.padded_len() as u64
    }
}

impl NoiseTo {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (signal, noise) = (T::of(a.step.signal.into()), T::of(a.step.noise.into()));
        let (c, cp) = (a.io.output.c, a.io.output.c_pad());
        let e = a.inputs[1].iter().cycle();
        for (i, ((y, &x), &e)) in a.output.iter_mut().zip(a.inputs[0]).zip(e).enumerate() {
            *y = if i % cp < c { signal * x + noise * e } else { T::zero() };
        }
    }
}

impl Kernel for SamplerStep {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let fault = || Err(format!("image, network output and noise do not fit: {inputs:?}"));
        let [x, m, rest @ ..] = inputs else { return fault() };
        let c = if self.learned_range { 2 * x.c } else { x.c };
        match (self.noisy, rest) {
            (false, []) if *m == x.with_c(c) => Ok(*x),
            (true, [z]) if *m == x.with_c(c) && shared(*x, *z) => Ok(*x),
            _ => fault(),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let mut more = vec![
            ("C", io.output.c.into()),
            ("M_CV", (io.inputs[1].c_pad() / 4).into()),
            ("LEARNED", (self.learned_range && self.noisy).into()),
            ("NOISY", self.noisy.into()),
        ];
        if self.noisy {
            more.push(("Z_LEN", (io.inputs[2].padded_len() / 4).into()));
        }
        let label = match (self.noisy, self.learned_range) {
            (false, _) => "sampler_step_quiet_f32",
            (true, false) => "sampler_step_f32",
            (true, true) => "sampler_step_learned_f32",
        };
        shader(label, shader_file!("sampler_step.wgsl"), io, more)
    }
    fn flops(&self, io: &Io) -> u64 {
        16 * io.output.padded_len() as u64
    }
}

impl SamplerStep {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let of = |v: f32| T::of(v.into());
        let s = a.step;
        let (c, cp, mp) = (a.io.output.c, a.io.output.c_pad(), a.io.inputs[1].c_pad());
        let (x, m) = (a.inputs[0], a.inputs[1]);
        let z = if self.noisy { a.inputs[2] } else { &[] };
        for (i, y) in a.output.iter_mut().enumerate() {
            let (pixel, k) = (i / cp, i % cp);
            if k >= c {
                *y = T::zero();
                continue;
            }
            let (x, out) = (x[i], m[pixel * mp + k]);
            let x0 = (of(s.x0_x) * x + of(s.x0_m) * out).max(-of(s.clip)).min(of(s.clip));
            let e = of(s.eps_x) * x + of(s.eps_m) * out + of(s.eps_0) * x0;
            *y = of(s.next_0) * x0 + of(s.next_x) * x + of(s.next_e) * e;
            if self.noisy {
                let mut sigma = of(s.sigma);
                if self.learned_range {
                    let f = of(0.5) * m[pixel * mp + c + k] + of(0.5);
                    sigma = sigma * (of(0.5) * (f * of(s.log_max) + (T::one() - f) * of(s.log_min))).exp();
                }
                *y += sigma * z[i % z.len()];
            }
        }
    }
}

impl Kernel for Accumulate {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [a, x] if a == x => Ok(*a),
            _ => Err(format!("two images of one shape are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        shader("accumulate_f32", shader_file!("accumulate.wgsl"), io, Vec::new())
    }
    fn flops(&self, io: &Io) -> u64 {
        2 * io.output.padded_len() as u64
    }
}

impl Accumulate {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let weight = T::of(a.step.weight.into());
        let (c, cp) = (a.io.output.c, a.io.output.c_pad());
        for (i, ((y, &acc), &x)) in a.output.iter_mut().zip(a.inputs[0]).zip(a.inputs[1]).enumerate() {
            *y = if i % cp < c { acc + weight * x } else { T::zero() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Consts, preprocess};
    use crate::kernels::testing::{ELEMENTWISE, check, random};
    use crate::kernels::{Op, StepRow, noise, simplex};

    /// The specialised text passes naga's parser and validator, and can be written as SPIR-V, MSL and HLSL.
    fn valid(op: &dyn Kernel, inputs: &[Shape]) {
        let io = Io { inputs: inputs.to_vec(), output: op.output(inputs).unwrap() };
        let shader = op.shader(&io);
        let mut consts: Consts = shader.consts.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        for i in 0..inputs.len() {
            consts.insert(format!("BIND_IN{i}"), Value::T((1 + i).to_string()));
        }
        consts.insert("BIND_OUT".into(), Value::T((1 + inputs.len()).to_string()));
        let text = preprocess(shader.file, &consts).unwrap();
        let module = naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
        let flags = naga::valid::ValidationFlags::all();
        let info = naga::valid::Validator::new(flags, naga::valid::Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
        naga::back::spv::write_vec(&module, &info, &Default::default(), None).unwrap();
        naga::back::msl::write_string(&module, &info, &Default::default(), &Default::default()).unwrap();
        let options = naga::back::hlsl::Options::default();
        let mut hlsl = String::new();
        naga::back::hlsl::Writer::new(&mut hlsl, &options, &Default::default()).write(&module, &info, None).unwrap();
    }

    #[test]
    fn shaders_are_valid() {
        for c in [1, 3, 4, 6] {
            let x = Shape::new(2, 5, 7, c);
            let one = Shape { n: 1, ..x };
            valid(&NoiseTo, &[x, one]);
            valid(&Accumulate, &[x, x]);
            valid(&SamplerStep { learned_range: false, noisy: false }, &[x, x]);
            valid(&SamplerStep { learned_range: false, noisy: true }, &[x, x, x]);
            valid(&SamplerStep { learned_range: true, noisy: false }, &[x, x.with_c(2 * c)]);
            valid(&SamplerStep { learned_range: true, noisy: true }, &[x, x.with_c(2 * c), one]);
            valid(&noise::Gaussian { shape: one, stream: 1 }, &[]);
            valid(&noise::Given { n: 2 }, &[Shape { n: 6, ..x }]);
            for frequency in [1, 64, 100, 1024] {
                let op = simplex::Simplex { shape: one, octaves: 6, persistence: 0.8, frequency };
                valid(&op, &[Shape::new(8, 1, 1, 256)]);
            }
        }
    }

    #[test]
    fn a_step_follows_its_row() {
        let step = StepRow {
            x0_x: 2.0,
            x0_m: -1.0,
            clip: 1.5,
            eps_m: 1.0,
            next_0: 0.5,
            next_x: 0.25,
            next_e: 4.0,
            sigma: 1.0,
            log_min: 0.0,
            log_max: 2.0,
            ..Default::default()
        };
        // x = 1, mean half -1, so x0 = clamp(3) = 1.5; variance half 0, so sigma = e^(1/2).
        let (x, m, z) = ([1.0, 9.0, 9.0, 9.0], [-1.0, 0.0, 9.0, 9.0], [2.0, 9.0, 9.0, 9.0]);
        let shape = Shape::new(1, 1, 1, 1);
        let io = Io { inputs: vec![shape, shape.with_c(2), shape], output: shape };
        let mut out = [f64::NAN; 4];
        let args = Args { inputs: &[&x, &m, &z], output: &mut out, weights: &[], io: &io, step: &step };
        SamplerStep { learned_range: true, noisy: true }.cpu(args);
        assert_eq!(out, [0.75 + 0.25 - 4.0 + 0.5f64.exp() * 2.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn every_device_agrees() {
        let step = StepRow {
            signal: 0.7,
            noise: 0.71,
            clip: 0.9,
            x0_x: 1.4,
            x0_m: -1.1,
            eps_x: 1.5,
            eps_m: 0.2,
            eps_0: -1.2,
            next_0: 0.8,
            next_x: 0.3,
            next_e: 0.4,
            sigma: 1.0,
            log_min: -9.0,
            log_max: -3.5,
            weight: 0.3,
            ..Default::default()
        };
        for (h, w, c) in [(1, 1, 1), (5, 7, 3), (17, 31, 4), (9, 64, 5)] {
            let shape = Shape::new(2, h, w, c);
            let (x, m, z) = (random(shape, 1), random(shape, 2), random(Shape { n: 1, ..shape }, 3));
            let two = random(shape.with_c(2 * c), 4);
            let run = |op: &Op, inputs: &[&crate::Tensor], step: &StepRow| {
                let inputs: Vec<_> = inputs.iter().map(|t| (*t).clone()).collect();
                check(op, &inputs, &[], step, ELEMENTWISE);
            };
            run(&Op::NoiseTo(NoiseTo), &[&x, &z], &step);
            run(&Op::NoiseTo(NoiseTo), &[&x, &m], &step);
            run(&Op::Accumulate(Accumulate), &[&x, &m], &step);
            let op = |learned_range, noisy| Op::SamplerStep(SamplerStep { learned_range, noisy });
            run(&op(false, false), &[&x, &m], &StepRow { clip: f32::MAX, ..step });
            run(&op(false, true), &[&x, &m, &x], &step);
            run(&op(true, false), &[&x, &two], &step);
            run(&op(true, true), &[&x, &two, &z], &step);
        }
    }
}
