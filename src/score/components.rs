//! The connected components of a mask, and the removal of small ones.
use super::Voxels;

/// The components of a mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// 0 on the background, otherwise the component's number: 1, 2, … in the order of their first voxels.
    pub labels: Voxels<u32>,
    /// The voxels of component 1, 2, ….
    pub sizes: Vec<usize>,
}

/// Labels the components of a mask. Voxels that share a face, an edge or a corner are connected (26 neighbours):
/// `scipy.ndimage.label` with a structure of ones, `skimage.measure.label` as it comes.
pub fn components(mask: &Voxels<bool>) -> Components {
    let [_, height, width] = mask.dims();
    let mut labels = vec![0; mask.data().len()];
    let mut parents = vec![0];
    for at in (0..labels.len()).filter(|&at| mask.data()[at]) {
        let (x, y, z) = (at % width, at / width % height, at / width / height);
        let columns = x.saturating_sub(1)..(x + 2).min(width);
        // Of the 26 neighbours those that have their label already: nine in the slice before, three in the row before,
        // one in the row.
        let mut own = if x > 0 { labels[at - 1] } else { 0 };
        let before = if z > 0 { y.saturating_sub(1)..(y + 2).min(height) } else { 0..0 };
        let rows = before.map(|row| (z - 1) * height + row).chain((y > 0).then(|| z * height + y - 1));
        for neighbour in rows.flat_map(|row| columns.clone().map(move |x| row * width + x)) {
            own = match (own, labels[neighbour]) {
                (own, 0) => own,
                (0, other) => other,
                (own, other) => join(&mut parents, own, other),
            };
        }
        if own == 0 {
            own = parents.len() as u32;
            parents.push(own);
        }
        labels[at] = own;
    }
    number(mask, labels, &mut parents)
}

/// The component that a preliminary label has been found to belong to: the smallest label in it.
fn root(parents: &mut [u32], mut label: u32) -> u32 {
    while parents[label as usize] != label {
        let above = parents[parents[label as usize] as usize];
        parents[label as usize] = above;
        label = above;
    }
    label
}

fn join(parents: &mut [u32], one: u32, other: u32) -> u32 {
    let (one, other) = (root(parents, one), root(parents, other));
    let (first, second) = (one.min(other), one.max(other));
    parents[second as usize] = first;
    first
}

/// From preliminary labels to numbers without gaps. A root is the smallest label of its component, and labels were
/// given in the order of the voxels, so the numbers follow the components' first voxels.
fn number(mask: &Voxels<bool>, mut labels: Vec<u32>, parents: &mut [u32]) -> Components {
    let mut numbers = vec![0; parents.len()];
    let mut sizes = Vec::new();
    for label in labels.iter_mut().filter(|label| **label != 0) {
        let root = root(parents, *label) as usize;
        if numbers[root] == 0 {
            sizes.push(0);
            numbers[root] = sizes.len() as u32;
        }
        *label = numbers[root];
        sizes[*label as usize - 1] += 1;
    }
    Components { labels: mask.with(labels), sizes }
}

/// What becomes of the holes in components that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holes {
    /// They stay, as in pDDPM's public code: there, holes count towards the size and are not filled in the result.
    #[default]
    Keep,
    /// They are filled.
    Fill,
}

/// Removes the components of a mask (see [`components`]) whose size, holes filled, is `largest` voxels or less; 0
/// removes none. pDDPM's value is 7.
///
/// The size is scikit-image's `area_filled`: a hole is background, or another component, from which no path of
/// neighbouring voxels, 26 of them to each, leads around the component. So a cavity that is open at a corner is no hole
/// (for `scipy.ndimage.binary_fill_holes` with its default structure, six neighbours, it is one), and neither is
/// anything in a volume of one or two slices.
pub fn drop_small(mask: &Voxels<bool>, largest: usize, holes: Holes) -> Voxels<bool> {
    if largest == 0 && holes == Holes::Keep {
        return mask.clone();
    }
    let Components { labels, sizes } = components(mask);
    let mut data = mask.data().to_vec();
    let mut filled = Vec::new();
    for (i, (&size, bounds)) in sizes.iter().zip(all_bounds(&labels, sizes.len())).enumerate() {
        // A component that is large without its holes needs no look at them.
        let needs_holes = size <= largest || holes == Holes::Fill;
        let inside = if needs_holes { holes_of(&labels, i as u32 + 1, bounds) } else { Vec::new() };
        if size + inside.len() <= largest {
            let own = positions(labels.dims(), bounds).filter(|&at| labels.data()[at] == i as u32 + 1);
            own.for_each(|at| data[at] = false);
        } else if holes == Holes::Fill {
            filled.extend(inside);
        }
    }
    // At the end: what lies in a hole may be a small component, removed after the hole was found.
    filled.into_iter().for_each(|at| data[at] = true);
    mask.with(data)
}

/// The box around a component: its first voxel and the one past its last, on each axis.
type Bounds = [[usize; 2]; 3];

fn all_bounds(labels: &Voxels<u32>, count: usize) -> Vec<Bounds> {
    let [_, height, width] = labels.dims();
    let mut bounds = vec![[[usize::MAX, 0]; 3]; count];
    for (at, &label) in labels.data().iter().enumerate().filter(|(_, label)| **label != 0) {
        let place = [at / width / height, at / width % height, at % width];
        for (bound, place) in bounds[label as usize - 1].iter_mut().zip(place) {
            *bound = [bound[0].min(place), bound[1].max(place + 1)];
        }
    }
    bounds
}

/// The indices of a box's voxels, in order.
fn positions([_, height, width]: [usize; 3], [z, y, x]: Bounds) -> impl Iterator<Item = usize> {
    let columns = move |row: usize| (x[0]..x[1]).map(move |x| row * width + x);
    (z[0]..z[1]).flat_map(move |z| (y[0]..y[1]).flat_map(move |y| columns(z * height + y)))
}

/// The voxels in the holes of a component: what a flood from the faces of its box does not reach.
fn holes_of(labels: &Voxels<u32>, label: u32, bounds: Bounds) -> Vec<usize> {
    let size = bounds.map(|[first, end]| end - first);
    if size.iter().any(|&side| side < 3) {
        return Vec::new();
    }
    let [_, rows, columns] = size;
    let positions: Vec<usize> = positions(labels.dims(), bounds).collect();
    let mut dry: Vec<bool> = positions.iter().map(|&at| labels.data()[at] != label).collect();
    let place = |at: usize| [at / columns / rows, at / columns % rows, at % columns];
    let on_face = |at: &usize| place(*at).iter().zip(size).any(|(&p, side)| p == 0 || p == side - 1);
    let mut pending: Vec<usize> = (0..dry.len()).filter(|at| dry[*at] && on_face(at)).collect();
    pending.iter().for_each(|&at| dry[at] = false);
    while let Some(at) = pending.pop() {
        let [z, y, x] = place(at);
        let around = |p: usize, axis: usize| p.saturating_sub(1)..(p + 2).min(size[axis]);
        for row in around(z, 0).flat_map(|z| around(y, 1).map(move |y| z * rows + y)) {
            for next in around(x, 2).map(|x| row * columns + x) {
                if std::mem::take(&mut dry[next]) {
                    pending.push(next);
                }
            }
        }
    }
    positions.into_iter().zip(dry).filter(|(_, dry)| *dry).map(|(at, _)| at).collect()
}
