//! Where a NIfTI volume lies in space, and whether another lies there too, perhaps with its axes in another order.
use super::nifti_header::Header;

/// From voxel indices (i, j, k, 1) to millimetres: three rows of four.
pub(super) type Affine = [[f64; 4]; 3];

/// Where a volume lies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// Voxels along i, j, k.
    pub dims: [usize; 3],
    pub affine: Affine,
    /// Whether the header says so; otherwise the affine holds the voxels' sizes alone.
    pub known: bool,
    /// What the user should know of it.
    pub said: Option<String>,
}

/// Why two volumes cannot be compared voxel by voxel.
pub(super) enum Misfit {
    /// Other numbers of voxels.
    Dims,
    /// Only one of the two says where it lies.
    Unknown,
    /// Other spacings, another origin, or axes at an angle.
    Apart,
}

/// The axes of one volume in the terms of another: for each of its axes that of the other, and whether it runs the other way.
pub(super) type Axes = [(usize, bool); 3];

const SAME: Axes = [(0, false), (1, false), (2, false)];

impl Place {
    /// By the sform where there is one (`sform_code` > 0), else the qform, else the voxels' sizes alone. See `nifti1.h`.
    pub(super) fn new(header: &Header, dims: [usize; 3]) -> Place {
        let (sform, qform) = (header.sform_code > 0, header.qform_code > 0);
        let size = [1, 2, 3].map(|axis| header.pixdim[axis]);
        let sizes = std::array::from_fn(|r| std::array::from_fn(|c| if r == c { size[r] } else { 0.0 }));
        let affine = match (sform, qform) {
            (true, _) => header.srow,
            (_, true) => rotated(header, size),
            _ => sizes,
        };
        let known = (sform || qform) && determinant(&affine).is_normal();
        let said = if (sform || qform) && !known {
            Some("its header gives an affine that maps no volume, so that its place counts as unknown".into())
        } else if sform && qform && !overlay(&affine, &rotated(header, size), dims) {
            Some("the sform and the qform of its header put it in different places; the sform counts".into())
        } else {
            None
        };
        Place { dims, affine, known, said }
    }

    /// How the axes of `other` must be taken so that its voxels are those of this volume, each within a tenth of a millimetre:
    /// reordered and reversed, never resampled.
    pub(super) fn axes_of(&self, other: &Place) -> Result<Axes, Misfit> {
        let lies = |axes: &Axes| {
            (0..3).all(|a| other.dims[axes[a].0] == self.dims[a])
                && overlay(&self.affine, &other.taken(axes), self.dims)
        };
        match (self.known, other.known) {
            (true, true) => {
                let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
                let flips = (0..8).map(|bits: usize| [0, 1, 2].map(|a| bits >> a & 1 == 1));
                let mut all = flips.flat_map(|f| orders.map(|o| [0, 1, 2].map(|a| (o[a], f[a]))));
                all.find(lies).ok_or_else(|| {
                    let sorted = |mut dims: [usize; 3]| {
                        dims.sort_unstable();
                        dims
                    };
                    if sorted(self.dims) == sorted(other.dims) { Misfit::Apart } else { Misfit::Dims }
                })
            }
            _ if self.dims != other.dims => Err(Misfit::Dims),
            (false, false) if lies(&SAME) => Ok(SAME),
            (false, false) => Err(Misfit::Apart),
            _ => Err(Misfit::Unknown),
        }
    }

    /// The affine of the same volume with its axes taken so.
    fn taken(&self, axes: &Axes) -> Affine {
        self.affine.map(|row| {
            let mut new = [0.0, 0.0, 0.0, row[3]];
            for (a, &(axis, flipped)) in axes.iter().enumerate() {
                new[a] = if flipped { -row[axis] } else { row[axis] };
                new[3] += if flipped { row[axis] * (self.dims[axis] - 1) as f64 } else { 0.0 };
            }
            new
        })
    }
}

/// The voxels of a volume of these dimensions with its axes taken so.
pub(super) fn reordered(voxels: &[f32], dims: [usize; 3], axes: &Axes) -> Vec<f32> {
    if *axes == SAME {
        return voxels.to_vec();
    }
    let strides = [1, dims[0], dims[0] * dims[1]];
    let along = |a: usize| {
        let (axis, flipped) = axes[a];
        (0..dims[axis]).map(move |i| strides[axis] * if flipped { dims[axis] - 1 - i } else { i })
    };
    let plane: Vec<usize> = along(1).flat_map(|y| along(0).map(move |x| x + y)).collect();
    along(2).flat_map(|z| plane.iter().map(move |p| voxels[p + z])).collect()
}

fn determinant(a: &Affine) -> f64 {
    let minor = |r: usize, s: usize| a[1][r] * a[2][s] - a[1][s] * a[2][r];
    a[0][0] * minor(1, 2) - a[0][1] * minor(0, 2) + a[0][2] * minor(0, 1)
}

/// The qform's affine.
fn rotated(header: &Header, size: [f64; 3]) -> Affine {
    let [b, c, d] = header.quatern;
    let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
    let flip = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let scale = [size[0], size[1], flip * size[2]];
    let offset = header.qoffset;
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let row = |r: usize| {
        let [x, y, z] = rotation[r];
        [x * scale[0], y * scale[1], z * scale[2], offset[r]]
    };
    [row(0), row(1), row(2)]
}

/// Whether two affines put every corner of a volume of these dimensions within a tenth of a millimetre.
fn overlay(one: &Affine, other: &Affine, dims: [usize; 3]) -> bool {
    (0..8).all(|corner| {
        let at = |axis: usize| if corner >> axis & 1 == 1 { (dims[axis] - 1) as f64 } else { 0.0 };
        one.iter().zip(other).all(|(p, q)| {
            let apart = (0..3).map(|axis| (p[axis] - q[axis]) * at(axis)).sum::<f64>() + p[3] - q[3];
            // Not a number is not near.
            apart.abs() <= 0.1
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dims: [usize; 3], affine: Affine) -> Place {
        Place { dims, affine, known: true, said: None }
    }

    #[test]
    fn axes_in_any_order_and_direction_are_found() {
        // Oblique, with three different spacings.
        let affine = [[1.2, 0.1, 0.0, -30.0], [-0.1, 1.1, 0.2, 12.0], [0.0, -0.2, 2.5, 7.0]];
        let volume = place([4, 3, 2], affine);
        let voxels: Vec<f32> = (0..24).map(|v| v as f32).collect();
        for order in [[0, 1, 2], [1, 2, 0], [2, 1, 0], [0, 2, 1]] {
            for flips in 0..8usize {
                let axes: Axes = [0, 1, 2].map(|a| (order[a], flips >> a & 1 == 1));
                let other = place(order.map(|a| volume.dims[a]), volume.taken(&axes));
                let stored = reordered(&voxels, volume.dims, &axes);
                let back = volume.axes_of(&other).ok().unwrap();
                assert_eq!(reordered(&stored, other.dims, &back), voxels, "{axes:?}");
            }
        }
    }

    #[test]
    fn what_lies_elsewhere_fits_nowhere() {
        let affine = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]];
        let volume = place([4, 3, 2], affine);
        let with = |edit: fn(&mut Place)| {
            let mut other = volume.clone();
            edit(&mut other);
            volume.axes_of(&other)
        };
        assert!(with(|p| p.affine[0][3] = 0.05).is_ok());
        assert!(matches!(with(|p| p.affine[0][3] = 1.0), Err(Misfit::Apart)));
        assert!(matches!(with(|p| p.affine[2][2] = 3.0), Err(Misfit::Apart)));
        assert!(matches!(with(|p| p.affine[0][1] = 0.3), Err(Misfit::Apart)));
        assert!(matches!(with(|p| p.affine[0][0] = f64::NAN), Err(Misfit::Apart)));
        assert!(matches!(with(|p| p.dims = [4, 3, 3]), Err(Misfit::Dims)));
        assert!(matches!(with(|p| p.known = false), Err(Misfit::Unknown)));
    }
}
