//! The CPU halves' matrix product: row-major matrices, the `gemm` crate behind a checked interface.
use super::Real;

/// A row-major matrix: row r begins at `r·stride`. Rows may overlap (`stride` below the number of columns),
/// which is how a convolution reads its input without copying it.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, T> {
    /// The numbers, from the first row's first column.
    pub data: &'a [T],
    /// Elements between the beginnings of two rows.
    pub stride: usize,
}

/// C = A·B, or C += A·B when `accumulate`; A is m×k, B k×n and C m×n with `ldc` elements a row.
/// One thread, for callers that split their work over rayon, which parallelises what surrounds the product too.
pub(crate) fn matmul<T: Real>(size: [usize; 3], a: Mat<T>, b: Mat<T>, c: &mut [T], ldc: usize, accumulate: bool) {
    product(size, (a, false), (b, false), c, ldc, accumulate, false);
}

/// The same on as many threads as rayon has.
pub(crate) fn matmul_threads<T: Real>(
    size: [usize; 3],
    a: Mat<T>,
    b: Mat<T>,
    c: &mut [T],
    ldc: usize,
    accumulate: bool,
) {
    product(size, (a, false), (b, false), c, ldc, accumulate, true);
}

/// C = A·Bᵀ on one thread: the same with B given as n×k.
pub(crate) fn matmul_transposed<T: Real>(size: [usize; 3], a: Mat<T>, b: Mat<T>, c: &mut [T], ldc: usize) {
    product(size, (a, false), (b, true), c, ldc, false, false);
}

/// C = A·B with each matrix as it is or, with its flag, given as its transpose; `threads`: on as many as rayon has.
pub(crate) fn product<T: Real>(
    [m, n, k]: [usize; 3],
    (a, a_transposed): (Mat<T>, bool),
    (b, b_transposed): (Mat<T>, bool),
    c: &mut [T],
    ldc: usize,
    accumulate: bool,
    threads: bool,
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let (a_rows, a_cols) = if a_transposed { (k, m) } else { (m, k) };
    let (b_rows, b_cols) = if b_transposed { (n, k) } else { (k, n) };
    // Not a debug assertion: the safety of the call below rests on it.
    assert!(
        (a_rows - 1) * a.stride + a_cols <= a.data.len()
            && (b_rows - 1) * b.stride + b_cols <= b.data.len()
            && (m - 1) * ldc + n <= c.len()
            && n <= ldc,
        "matmul {m}x{n}x{k} is out of its slices"
    );
    let strides = |stride: usize, transposed| if transposed { (stride as isize, 1) } else { (1, stride as isize) };
    let ((a_cs, a_rs), (b_cs, b_rs)) = (strides(a.stride, a_transposed), strides(b.stride, b_transposed));
    // SAFETY: the furthest element of each matrix lies in its slice (checked above); C is borrowed mutably, so
    // it overlaps neither A nor B, and its rows do not overlap one another (n <= ldc). `gemm` looks T up by its
    // type id and knows f32 and f64, the only implementors of `Real`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            ldc as isize,
            accumulate,
            a.data.as_ptr(),
            a_cs,
            a_rs,
            b.data.as_ptr(),
            b_cs,
            b_rs,
            T::one(),
            T::one(),
            false,
            false,
            false,
            if threads { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_rows_and_accumulation() {
        let a = [1.0, 2.0, 3.0, 4.0];
        let b = [1.0, 10.0, 100.0, 1000.0];
        let mut c = [1.0; 6];
        matmul([3, 2, 2], Mat { data: &a, stride: 1 }, Mat { data: &b, stride: 2 }, &mut c, 2, true);
        assert_eq!(c, [202.0, 2011.0, 303.0, 3021.0, 404.0, 4031.0]);
        matmul([1, 1, 2], Mat { data: &a, stride: 9 }, Mat { data: &b, stride: 1 }, &mut c, 2, false);
        assert_eq!(c[0], 21.0_f64);
        // B as two rows of two: the transposed product pairs rows with rows.
        matmul_transposed([1, 2, 2], Mat { data: &a, stride: 2 }, Mat { data: &b, stride: 2 }, &mut c, 2);
        assert_eq!(c[..2], [21.0, 2100.0]);
        matmul::<f32>([0, 1, 2], Mat { data: &[], stride: 9 }, Mat { data: &[], stride: 1 }, &mut [], 2, false);
    }
}
