//! Where a NIfTI volume lies in space, to tell whether two overlay each other.
use nifti::NiftiHeader;

/// From voxel indices (i, j, k, 1) to millimetres: the sform where there is one, else the qform, else the voxels' sizes
/// alone. See `nifti1.h`.
pub(super) fn affine(header: &NiftiHeader) -> [[f64; 4]; 3] {
    if header.sform_code > 0 {
        return [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from));
    }
    let size = [1, 2, 3].map(|axis| f64::from(header.pixdim[axis]));
    if header.qform_code <= 0 {
        return std::array::from_fn(|row| std::array::from_fn(|column| if row == column { size[row] } else { 0.0 }));
    }
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
    let flip = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let scale = [size[0], size[1], flip * size[2]];
    let offset = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
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
pub(super) fn overlay(one: &[[f64; 4]; 3], other: &[[f64; 4]; 3], dims: [usize; 3]) -> bool {
    (0..8).all(|corner| {
        let at = |axis: usize| if corner >> axis & 1 == 1 { (dims[axis] - 1) as f64 } else { 0.0 };
        one.iter().zip(other).all(|(p, q)| {
            let apart = (0..3).map(|axis| (p[axis] - q[axis]) * at(axis)).sum::<f64>() + p[3] - q[3];
            // Not a number is not near.
            apart.abs() <= 0.1
        })
    })
}
