//! Whole training steps against central differences, and training against what it is for.
use super::*;
use crate::cpu;
use crate::detect::dte::{Estimate, Estimator};
use crate::kernels::testing::{gpus, random};

const KINDS: [Kind; 3] = [Kind::Categorical, Kind::InverseGamma, Kind::Residual];

/// The mean loss of one step in f64 and, after it, the states; weights are not changed (rate 0), moments are.
fn one_step(
    step: &Step,
    states: &[(StateId, Vec<f32>)],
    moved: Option<(StateId, usize, f32)>,
) -> (f64, cpu::Session<f64>) {
    let mut session = cpu::Session::<f64>::new(&step.graph);
    for (state, data) in states {
        let mut data = data.clone();
        if let Some((s, i, by)) = moved
            && s == *state
        {
            data[i] += by;
        }
        session.upload(*state, &data);
    }
    let row = StepRow { seed_lo: 5, draw: 1, root: 1.0, ..StepRow::default() };
    session.run(step.section, &row);
    let losses = session.state(step.loss);
    (losses.iter().sum::<f64>() / (losses.len() / 4) as f64, session)
}

/// Adam's first moments after one step from zero are a tenth of the gradient, here without decay.
#[test]
fn gradients_of_every_network_are_central_differences() {
    for kind in KINDS {
        let recipe = Recipe { batch: Some(16), decay: Some(0.0), ..Recipe::default() };
        let (count, columns) = (40, 5);
        let step = Step::new(kind, count, columns, &recipe.full(kind).unwrap()).unwrap();
        let shape = |s: StateId| step.graph.states[s.0].shape;
        let order: Vec<f32> = (0..count).map(|i| ((7 * i) % count) as f32).collect();
        let mut states = vec![
            (step.rows, random(shape(step.rows), 3).to_device_layout()),
            (step.order, Tensor::new(shape(step.order), order).unwrap().to_device_layout()),
        ];
        for (i, p) in step.parameters.iter().enumerate() {
            let mut t = p.initial(shape(p.state), 9, i as u32);
            let third = t.data.len() / 3;
            // Some slope for γ and β too.
            t.data[..third].iter_mut().enumerate().for_each(|(i, v)| *v += 0.01 * (i as f32).sin());
            states.push((p.state, t.to_device_layout()));
        }
        let (_, after) = one_step(&step, &states, None);
        let mut checked = 0;
        for p in &step.parameters {
            let (c, padded) = (shape(p.state).c, shape(p.state).c_pad());
            let third = shape(p.state).padded_len() / 3;
            let gradient: Vec<f64> = after.state(p.state)[third..2 * third].iter().map(|m| 10.0 * m).collect();
            let largest = gradient.iter().fold(0.0f64, |a, g| a.max(g.abs()));
            assert!(largest > 0.0, "{kind:?} {}: no gradient", p.name);
            let places = (0..third).filter(|i| i % padded < c);
            let picked = places.clone().step_by(places.count() / 5 + 1).chain([third - padded]);
            for i in picked {
                let by = 1.0 / 4096.0;
                let slope = |by: f32| {
                    let high = one_step(&step, &states, Some((p.state, i, by))).0;
                    let low = one_step(&step, &states, Some((p.state, i, -by))).0;
                    // What f32 makes of the moved value.
                    let at = states.iter().find(|s| s.0 == p.state).map(|s| s.1[i]).unwrap();
                    (high - low) / (f64::from(at + by) - f64::from(at - by))
                };
                // A ReLU's edge between the two sides shows as a difference between two widths.
                let (wide, narrow) = (slope(by), slope(by / 8.0));
                if (wide - narrow).abs() > 1e-3 * largest {
                    continue;
                }
                let e = (narrow - gradient[i]).abs();
                assert!(e < 1e-4 * largest, "{kind:?} {} [{i}]: {} and {narrow}", p.name, gradient[i]);
                checked += 1;
            }
        }
        assert!(checked >= 3 * step.parameters.len(), "{kind:?}: only {checked} gradients were smooth enough");
    }
}

/// Rows near a plane in five columns.
fn plane(count: usize, off: f32) -> Vec<f32> {
    let v = random(Shape::new(count, 1, 1, 3), 11).data;
    v.chunks(3).flat_map(|r| [r[0], r[1], r[0] + r[1] + off, r[0] - r[1], 0.1 * r[2]]).collect()
}

#[test]
fn the_trained_tell_what_is_off_the_plane() {
    let (train_rows, near, off) = (plane(256, 0.0), plane(60, 0.0), plane(60, 1.2));
    for (kind, wanted) in KINDS.into_iter().zip([0.95, 0.95, 0.7]) {
        let recipe = Recipe { epochs: 60, rate: Some(1e-3), ..Recipe::default() };
        let mut losses = Vec::new();
        let (a, b) = pollster::block_on(async {
            let remember = |_, loss| {
                losses.push(loss);
                true
            };
            let network = train(&Device::Cpu, kind, (&train_rows, 5), &recipe, remember).await.unwrap();
            let scored = Estimator::Networks(vec![network]);
            let score = async |rows| scored.score(&Device::Cpu, (rows, 5), Estimate::default()).await.unwrap();
            (score(&near).await, score(&off).await)
        });
        assert!(losses[losses.len() - 1] < losses[0], "{kind:?}: {losses:?}");
        let above = |s: &f64| a.iter().filter(|n| *n < s).count() as f64 / a.len() as f64;
        let auroc = b.iter().map(above).sum::<f64>() / b.len() as f64;
        assert!(auroc > wanted, "{kind:?}: AUROC {auroc}");
    }
}

#[test]
fn the_gpu_trains_and_scores_as_the_processor_does() {
    let Some(gpu) = gpus().first() else { return };
    let rows = plane(100, 0.0);
    let devices = [Device::Cpu, Device::Gpu(gpu.clone())];
    // The third differs from the first in its loss alone.
    for kind in [Kind::Categorical, Kind::Residual] {
        let recipe = Recipe { epochs: 2, ..Recipe::default() };
        let fit = |d: &Device| d.drive(async { train(d, kind, (&rows, 5), &recipe, |_, _| true).await.unwrap() });
        let [one, other] = [fit(&devices[0]), fit(&devices[1])];
        for ((name, _, a), (_, _, b)) in one.tensors("").iter().zip(&other.tensors("")) {
            // Adam's first steps go by the gradient's sign, so a few values near zero may part.
            let far = a.iter().zip(b).filter(|(a, b)| (**a - **b).abs() > 2e-5).count();
            assert!(far * 50 <= a.len(), "{kind:?} {name}: {far} of {}", a.len());
        }
        let scored = Estimator::Networks(vec![one]);
        let [a, b] =
            [0, 1].map(|i| devices[i].drive(scored.score(&devices[i], (&rows, 5), Estimate::default())).unwrap());
        assert_eq!((a.len(), b.len()), (100, 100));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-4 * a.abs(), "{kind:?}: {a} {b}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_network_and_bad_settings_are_refused() {
    let rows = plane(70, 0.0);
    let fit = |recipe: Recipe, columns| {
        pollster::block_on(train(&Device::Cpu, Kind::Categorical, (&rows, columns), &recipe, |_, _| true))
    };
    let two = Recipe { epochs: 2, ..Recipe::default() };
    assert_eq!(fit(two, 5).unwrap(), fit(two, 5).unwrap());
    assert_ne!(fit(two, 5).unwrap(), fit(Recipe { seed: 1, ..two }, 5).unwrap());
    let one = Recipe { max_steps: Some(2), ..two };
    assert_eq!(fit(one, 5).unwrap(), fit(Recipe { epochs: 1, ..two }, 5).unwrap());
    // 70 rows are two minibatches, or one whole one; 60 epochs of 20 000 rows are more than 4000 steps.
    let steps = |kind| [70, 1000, 5000, 20_000].map(|n| Recipe::default().full(kind).unwrap().steps(n));
    assert_eq!(steps(Kind::Categorical), [800, 4000, 4740, 18_780]);
    assert_eq!(steps(Kind::Residual), [400, 4000, 4680, 18_720]);
    assert_eq!(steps(Kind::InverseGamma), [400, 1600, 2000, 7900]);
    for (recipe, columns) in
        [(Recipe { batch: Some(0), ..two }, 5), (Recipe { rate: Some(f64::NAN), ..two }, 5), (two, 4)]
    {
        assert!(matches!(fit(recipe, columns), Err(Error::Invalid(_))));
    }
    let stopped = pollster::block_on(train(&Device::Cpu, Kind::Categorical, (&rows, 5), &two, |_, _| false));
    assert!(matches!(stopped, Err(Error::Interrupted)));
    let thin = pollster::block_on(train(&Device::Cpu, Kind::InverseGamma, (&rows, 2), &two, |_, _| true));
    assert!(thin.unwrap_err().to_string().contains("three columns"));
}
