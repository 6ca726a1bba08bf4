//! What sections write into states.
use super::{Graph, SectionId, StateId};
use crate::kernels::{Op, StepRow, adam::Adam, testing};
use crate::{Device, Shape, Tensor};

const SHAPE: Shape = Shape { n: 3, h: 1, w: 1, c: 2 };

fn devices() -> Vec<Device> {
    let gpus = testing::gpus().iter().map(|g| Device::Gpu(g.clone()));
    std::iter::once(Device::Cpu).chain(gpus).collect()
}

/// What states hold after one run of the first section, on every device; each begins with its own number everywhere.
fn after(g: &Graph) -> Vec<Vec<f32>> {
    let states: Vec<StateId> = (0..g.states.len()).map(StateId).collect();
    let mut found = Vec::new();
    for device in devices() {
        let values = device.drive(async {
            let mut session = device.session(g, 1).await.unwrap();
            session.set_steps(&[StepRow::adam(0, 0.5)]).unwrap();
            for &s in &states {
                let shape = g.states[s.0].shape;
                session.upload(s, &Tensor::new(shape, vec![s.0 as f32; shape.len()]).unwrap()).unwrap();
            }
            session.run(&[(SectionId(0), 0)], |_| true).await.unwrap();
            let mut values = Vec::new();
            for &s in &states {
                values.push(session.read(s).await.unwrap().data);
            }
            values
        });
        found.push(values);
    }
    let near = |a: &[Vec<f32>], b: &[Vec<f32>]| a.concat().iter().zip(b.concat()).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(found.iter().all(|values| near(values, &found[0])), "devices differ: {found:?}");
    found.swap_remove(0)
}

#[test]
fn states_of_a_section_are_written_at_once() {
    // a, b and c move on by one place, whatever the order in which that is said; d is b doubled.
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut g = Graph::new();
        let states: Vec<StateId> = ["a", "b", "c", "d"].map(|name| g.state(name, SHAPE)).to_vec();
        g.section("move");
        let reads: Vec<_> = states.iter().map(|&s| g.read(s)).collect();
        for i in order {
            g.write(states[(i + 1) % 3], reads[i]).unwrap();
        }
        let double = g.map("double", reads[1], Default::default(), 2.0, 0.0).unwrap();
        g.write(states[3], double).unwrap();
        let first: Vec<f32> = after(&g).iter().map(|values| values[0]).collect();
        assert_eq!(first, [2.0, 0.0, 1.0, 2.0], "{order:?}");
    }
}

#[test]
fn a_state_updated_in_place_gives_another_what_it_held() {
    let mut g = Graph::new();
    let (before, trained) = (g.state("before", SHAPE), g.state("trained", SHAPE));
    let gradient = g.state("gradient", Shape { n: 1, ..SHAPE });
    g.section("step");
    let (held, slope) = (g.read(trained), g.read(gradient));
    let step = g.push("adam", Op::Adam(Adam { decay: 0.0 }), &[slope]).unwrap();
    g.write(trained, step).unwrap();
    g.write(before, held).unwrap();
    let values = after(&g);
    assert_eq!(values[before.0], [1.0; 6]);
    assert!(values[trained.0].iter().all(|&v| v != 1.0), "{values:?}");
}

#[test]
fn a_write_that_cannot_be_meant_is_refused() {
    let mut g = Graph::new();
    let (x, y) = (g.state("x", SHAPE), g.state("y", SHAPE));
    g.section("first");
    let node = g.read(x);
    g.write(y, node).unwrap();
    let error = g.write(y, node).unwrap_err().to_string();
    assert_eq!(error, "y: is written a second time by the section `first`");
    g.section("second");
    let error = g.write(y, node).unwrap_err().to_string();
    assert_eq!(error, "y: is given `x`, which belongs to another section");
    let own = g.read(x);
    g.write(y, own).unwrap();
}
