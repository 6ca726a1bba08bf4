//! The attack on functions whose optimum is known.
use super::*;
use crate::Shape;
use crate::detect::attack::{Ball, Norm};
use std::collections::HashSet;

/// A function of one image (C,H,W) and a seed, with its gradient.
struct Function<F: FnMut(&[f32], u64) -> (f64, Vec<f32>)> {
    of: F,
    /// The seeds that gradients were asked for with, and those of scores alone.
    seeds: [Vec<u64>; 2],
}

impl<F: FnMut(&[f32], u64) -> (f64, Vec<f32>)> Function<F> {
    fn new(of: F) -> Self {
        Function { of, seeds: [Vec::new(), Vec::new()] }
    }
    fn both(&mut self, images: &Tensor, seed: u64) -> (Vec<f64>, Tensor) {
        let len = images.data.len() / images.shape.n;
        let all: Vec<_> = images.data.chunks_exact(len).map(|x| (self.of)(x, seed)).collect();
        let data = all.iter().flat_map(|a| a.1.iter().copied()).collect();
        (all.iter().map(|a| a.0).collect(), Tensor { shape: images.shape, data })
    }
}

impl<F: FnMut(&[f32], u64) -> (f64, Vec<f32>)> Target for Function<F> {
    fn scores(&mut self, images: &Tensor, seed: u64) -> Result<Vec<f64>> {
        self.seeds[1].push(seed);
        Ok(self.both(images, seed).0)
    }
    fn slopes(&mut self, images: &Tensor, seed: u64) -> Result<(Vec<f64>, Tensor)> {
        self.seeds[0].push(seed);
        Ok(self.both(images, seed))
    }
}

const N: usize = 3;
const SHAPE: Shape = Shape::new(N, 5, 7, 3);
const LEN: usize = 5 * 7 * 3;

fn images() -> Tensor {
    // At the ends of 0..1 as well.
    let data = uniforms(3, 0, 0, SHAPE.len()).iter().map(|u| (1.2 * u - 0.1).clamp(0.0, 1.0) as f32).collect();
    Tensor { shape: SHAPE, data }
}

fn pgd(norm: Norm, epsilon: f64) -> Pgd {
    let steps = 20;
    let step_size = Pgd::usual_step(epsilon, steps);
    Pgd { ball: Ball { norm, epsilon }, steps, step_size, restarts: 1, draws: 1, start: Start::Random, seed: 5 }
}

fn run(pgd: &Pgd, target: &mut dyn Target, towards: Towards) -> Vec<Found> {
    let subjects: Vec<Subject> = (0..N as u64).map(|seed| Subject { towards, seed }).collect();
    pgd.attack(target, &images(), &subjects).unwrap()
}

fn weights() -> Vec<f64> {
    standard_normals(8, 0, 0, LEN)
}

fn dot(w: &[f64], x: &[f32]) -> f64 {
    w.iter().zip(x).map(|(w, x)| w * f64::from(*x)).sum()
}

#[test]
fn a_linear_score_reaches_its_known_ends() {
    let w = weights();
    let gradient: Vec<f32> = w.iter().map(|v| *v as f32).collect();
    for (towards, sign) in [(Towards::Higher, 1.0), (Towards::Lower, -1.0)] {
        // In linf each value goes as far as it may.
        let p = pgd(Norm::Linf, 0.03);
        let mut f = Function::new(|x, _| (dot(&w, x), gradient.clone()));
        for (found, c) in run(&p, &mut f, towards).iter().zip(images().data.chunks_exact(LEN)) {
            for ((x, c), w) in found.image.iter().zip(c).zip(&w) {
                let end = (f64::from(*c) + sign * 0.03 * w.signum()).clamp(0.0, 1.0);
                assert!((f64::from(*x) - end).abs() < 1e-6, "{x}, not {end}");
            }
            assert_eq!((found.restart, found.flat_steps), (Some(0), 0));
        }
        // In l2 along the gradient, what the box takes away being spent on the others.
        let p = Pgd { steps: 100, ..pgd(Norm::L2, 0.5) };
        let mut f = Function::new(|x, _| (dot(&w, x), gradient.clone()));
        for (found, c) in run(&p, &mut f, towards).iter().zip(images().data.chunks_exact(LEN)) {
            let far: Vec<f64> = c.iter().zip(&w).map(|(c, w)| f64::from(*c) + sign * 1e4 * w).collect();
            let best = sign * dot(&w, &p.ball.nearest(c, &far));
            let (own, reached) = (sign * dot(&w, c), sign * dot(&w, &found.image));
            assert!(reached > own + 0.99 * (best - own) && reached <= best + 1e-6, "{own} {reached} {best}");
            assert!(p.ball.holds(c, &found.image));
        }
    }
}

/// −‖x − a‖², whose greatest value over a ball is at the ball's point nearest to a.
#[test]
fn a_quadratic_is_climbed_to_the_nearest_point_of_the_ball() {
    for (norm, epsilon, away) in
        [(Norm::L2, 0.3, 0.01), (Norm::L2, 0.3, 0.2), (Norm::Linf, 0.05, 0.01), (Norm::Linf, 0.05, 0.3)]
    {
        let p = Pgd { steps: 200, step_size: 0.02 * epsilon, ..pgd(norm, epsilon) };
        let clean = images();
        let shift = weights();
        for (i, c) in clean.data.chunks_exact(LEN).enumerate() {
            let a: Vec<f64> = c.iter().zip(&shift).map(|(c, z)| f64::from(*c) + away * z).collect();
            let value = |x: &[f32]| -> f64 { -x.iter().zip(&a).map(|(x, a)| (f64::from(*x) - a).powi(2)).sum::<f64>() };
            let slope = |x: &[f32]| x.iter().zip(&a).map(|(x, a)| (2.0 * (a - f64::from(*x))) as f32).collect();
            let mut f = Function::new(|x, _| (value(x), slope(x)));
            let found = &run(&p, &mut f, Towards::Higher)[i];
            let (best, own) = (value(&p.ball.nearest(c, &a)), value(c));
            let reached = value(&found.image);
            assert!(
                reached <= best + 1e-7 && reached > own + 0.97 * (best - own),
                "{norm:?} {away}: {own} {reached} {best}"
            );
        }
    }
}

#[test]
fn the_best_restart_counts_and_nothing_worse_than_the_image_is_taken() {
    // Two hills along the first value: from the image itself the gradient leads to the lower one.
    let hills = |x: &[f32], c: f32| {
        let t = f64::from(x[0]) - f64::from(c);
        let bump = |at: f64, high: f64| high * (-((t - at) / 0.03).powi(2)).exp();
        let slope = |at: f64, high: f64| bump(at, high) * -2.0 * (t - at) / 0.03f64.powi(2);
        let mut g = vec![0.0; x.len()];
        g[0] = (slope(0.03, 1.0) + slope(-0.1, 3.0)) as f32;
        (bump(0.03, 1.0) + bump(-0.1, 3.0), g)
    };
    let clean = Tensor { shape: Shape::new(1, 1, 2, 1), data: vec![0.5, 0.5] };
    let subject = [Subject { towards: Towards::Higher, seed: 1 }];
    let value = |p: &Pgd| {
        let mut f = Function::new(|x, _| hills(x, 0.5));
        let found = p.attack(&mut f, &clean, &subject).unwrap().remove(0);
        assert_eq!(f.seeds[0].len(), p.gradients());
        (hills(&found.image, 0.5).0, found)
    };
    let one = Pgd { start: Start::Image, ..pgd(Norm::Linf, 0.12) };
    assert!((value(&one).0 - 1.0).abs() < 0.1);
    let (reached, found) = value(&Pgd { restarts: 12, start: Start::Random, ..one });
    assert!((reached - 3.0).abs() < 0.1 && found.restart.is_some(), "{reached}");
    // At the top already: every end of the attack is lower.
    let top = Tensor { data: vec![0.4, 0.5], ..clean.clone() };
    let mut f = Function::new(|x, _| hills(x, 0.5));
    let p = Pgd { steps: 1, step_size: 0.12, ..one };
    let found = p.attack(&mut f, &top, &subject).unwrap().remove(0);
    assert!(hills(&found.image, 0.5).0 >= hills(&top.data, 0.5).0);
}

#[test]
fn the_mean_over_draws_is_climbed_and_judging_draws_stay_unseen() {
    // Noise that turns the gradient around in most single draws, with the mean w.
    let w = weights();
    let of = |x: &[f32], seed: u64| {
        let z = standard_normals(seed, 0, 0, LEN);
        let g: Vec<f64> = w.iter().zip(&z).map(|(w, z)| w + 6.0 * z).collect();
        (dot(&g, x), g.iter().map(|g| *g as f32).collect())
    };
    let gain = |draws: usize| {
        let p = Pgd { draws, steps: 10, step_size: 0.1, ..pgd(Norm::L2, 1.0) };
        let mut f = Function::new(of);
        let found = run(&p, &mut f, Towards::Higher);
        assert_eq!(f.seeds[0].len(), p.gradients());
        let distinct: HashSet<u64> = f.seeds[0].iter().copied().collect();
        assert_eq!(distinct.len(), p.gradients(), "each step has draws of its own");
        let seen: HashSet<u64> = f.seeds.concat().into_iter().collect();
        assert!((0..64).all(|draw| !seen.contains(&seed_of(p.seed, Use::Fresh { draw }))));
        let images = images();
        let pairs = found.iter().zip(images.data.chunks_exact(LEN));
        pairs.map(|(f, c)| dot(&w, &f.image) - dot(&w, c)).sum::<f64>()
    };
    let (one, many) = (gain(1), gain(64));
    assert!(many > 1.5 * one && many > 0.0, "{one} {many}");
}

#[test]
fn flat_and_broken_gradients_are_counted_and_bad_input_is_refused() {
    let p = Pgd { restarts: 2, ..pgd(Norm::L2, 0.1) };
    for bad in [0.0, f32::NAN] {
        let mut f = Function::new(|_, _| (1.0, vec![bad; LEN]));
        let found = run(&p, &mut f, Towards::Lower);
        assert!(found.iter().all(|f| f.flat_steps == 40 && f.restart.is_none()));
    }
    let mut f = Function::new(|_, _| (f64::NAN, vec![0.0; LEN]));
    let subjects = [Subject { towards: Towards::Lower, seed: 0 }; N];
    let refused = |f: &mut dyn Target, clean: &Tensor| p.attack(f, clean, &subjects).unwrap_err();
    assert!(refused(&mut f, &images()).to_string().contains("not finite"));
    let mut f = Function::new(|_, _| (1.0, vec![1.0; LEN]));
    let outside = Tensor { data: vec![1.5; SHAPE.len()], ..images() };
    assert!(refused(&mut f, &outside).to_string().contains("0..1"));
    assert!(p.attack(&mut f, &images(), &subjects[..2]).is_err());
}
