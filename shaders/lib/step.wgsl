// The step table's row, as kernels::StepRow, whose `patch` is first_patch here: WGSL reserves that word. Bound as a
// uniform with a dynamic offset.
struct StepRow {
    t: f32, signal: f32, noise: f32, clip: f32,
    x0_x: f32, x0_m: f32, eps_x: f32, eps_m: f32,
    eps_0: f32, next_0: f32, next_x: f32, next_e: f32,
    sigma: f32, log_min: f32, log_max: f32, weight: f32,
    seed_lo: u32, seed_hi: u32, draw: u32, noise_t: i32,
    rate: f32, root: f32, first_patch: u32, pad: u32,
}
@group(0) @binding(0) var<uniform> step: StepRow;
