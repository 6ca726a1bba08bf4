//! The numbers of NumPy's arrays, whatever their type, byte order and width.
use npyz::{DType, NpyFile, TypeChar};

/// The type of an array's numbers, with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberType {
    Bool,
    Unsigned(u64),
    Signed(u64),
    Float(u64),
}

/// The numbers of an array in file order, each made what is wanted of its value and type. All types but 64-bit integers fit
/// into an f64 exactly.
/// # Errors
/// In words: an array of something else, or one that is cut off.
pub(super) fn numbers<T>(
    file: NpyFile<&[u8]>,
    make: impl Fn(f64, NumberType) -> T,
) -> Result<(Vec<T>, NumberType), String> {
    /// All values as `N`, each made an f64.
    fn all<N: npyz::Deserialize, T>(
        file: NpyFile<&[u8]>,
        number: impl Fn(N) -> f64,
        make: impl Fn(f64) -> T,
    ) -> Result<Vec<T>, String> {
        let values = file.data::<N>().map_err(|e| format!("its values cannot be read: {e}"))?;
        let made = values.map(|v| v.map(|v| make(number(v)))).collect::<std::io::Result<Vec<T>>>();
        made.map_err(|e| format!("its values cannot be read: {e}"))
    }
    let dtype = file.dtype();
    let kind = number_type(&dtype)?;
    let make = |v| make(v, kind);
    use NumberType::{Bool, Float, Signed, Unsigned};
    let values = match kind {
        Bool => all(file, |v: bool| f64::from(u8::from(v)), make),
        Unsigned(1) => all(file, |v: u8| v.into(), make),
        Unsigned(2) => all(file, |v: u16| v.into(), make),
        Unsigned(4) => all(file, |v: u32| v.into(), make),
        Unsigned(_) => all(file, |v: u64| v as f64, make),
        Signed(1) => all(file, |v: i8| v.into(), make),
        Signed(2) => all(file, |v: i16| v.into(), make),
        Signed(4) => all(file, |v: i32| v.into(), make),
        Signed(_) => all(file, |v: i64| v as f64, make),
        Float(2) => all(file, |v: half::f16| v.into(), make),
        Float(4) => all(file, |v: f32| v.into(), make),
        Float(_) => all(file, |v: f64| v, make),
    };
    Ok((values?, kind))
}

/// The type of an array's numbers, or in words what it holds instead.
fn number_type(dtype: &DType) -> Result<NumberType, String> {
    let DType::Plain(kind) = dtype else { return Err(RECORDS.into()) };
    let what = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, 1) => return Ok(NumberType::Bool),
        (TypeChar::Uint, size @ (1 | 2 | 4 | 8)) => return Ok(NumberType::Unsigned(size)),
        (TypeChar::Int, size @ (1 | 2 | 4 | 8)) => return Ok(NumberType::Signed(size)),
        (TypeChar::Float, size @ (2 | 4 | 8)) => return Ok(NumberType::Float(size)),
        (TypeChar::Float, _) => "floats of more than 64 bits",
        (TypeChar::Complex, _) => "complex numbers",
        (TypeChar::DateTime | TypeChar::TimeDelta, _) => "dates or times",
        (TypeChar::ByteStr | TypeChar::UnicodeStr, _) => "text",
        (TypeChar::Object, _) => "Python objects",
        _ => "something else than numbers",
    };
    Err(format!("it holds {what} (NumPy's type {}); integers, booleans and floats are read", dtype.descr()))
}

pub(super) const RECORDS: &str =
    "it holds records with named fields (a structured array); integers, booleans and floats are read";
