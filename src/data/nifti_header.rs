//! The headers of NIfTI-1 and NIfTI-2 (`nifti1.h`, `nifti2.h`).

/// The bytes of a NIfTI-1 header.
pub(super) const HEADER: usize = 348;
/// Those of a NIfTI-2 header.
const HEADER_2: usize = 540;

/// What of a header is needed, of either version.
pub(super) struct Header {
    pub big_endian: bool,
    /// The voxels lie in another file (.img).
    pub pair: bool,
    /// The bytes of the header in the file.
    pub length: usize,
    /// The sizes of all axes there are, at most seven.
    pub dims: Vec<u64>,
    pub datatype: i64,
    pub bitpix: i64,
    pub vox_offset: f64,
    pub slope: f64,
    pub inter: f64,
    pub pixdim: [f64; 8],
    pub qform_code: i64,
    pub sform_code: i64,
    pub quatern: [f64; 3],
    pub qoffset: [f64; 3],
    pub srow: [[f64; 4]; 3],
    /// The header as one of a single NIfTI-1 file, in the file's byte order.
    pub raw: [u8; HEADER],
}

/// Numbers in a header.
struct Fields<'a>(&'a [u8], bool);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        if self.1 {
            bytes.reverse();
        }
        bytes
    }
    /// An integer of two, four or eight bytes.
    fn int(&self, at: usize, size: usize) -> i64 {
        match size {
            2 => i16::from_le_bytes(self.bytes(at)).into(),
            4 => i32::from_le_bytes(self.bytes(at)).into(),
            _ => i64::from_le_bytes(self.bytes(at)),
        }
    }
    /// A float of four or eight bytes.
    fn float(&self, at: usize, size: usize) -> f64 {
        match size {
            4 => f32::from_le_bytes(self.bytes(at)).into(),
            _ => f64::from_le_bytes(self.bytes(at)),
        }
    }
    fn floats<const N: usize>(&self, at: usize, size: usize) -> [f64; N] {
        std::array::from_fn(|i| self.float(at + i * size, size))
    }
}

impl Header {
    /// How many bytes a header has that begins with these four; `None` where they begin none.
    pub(super) fn length(start: [u8; 4]) -> Option<(usize, bool)> {
        match (i32::from_le_bytes(start), i32::from_be_bytes(start)) {
            (348, _) => Some((HEADER, false)),
            (_, 348) => Some((HEADER, true)),
            (540, _) => Some((HEADER_2, false)),
            (_, 540) => Some((HEADER_2, true)),
            _ => None,
        }
    }

    /// Reads a header of the length that [`Header::length`] gives.
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn new(bytes: &[u8], big_endian: bool) -> Result<Header, String> {
        let (fields, second) = (Fields(bytes, big_endian), bytes.len() == HEADER_2);
        let magic: &[u8] = if second { &bytes[4..7] } else { &bytes[344..347] };
        let pair = match (magic, second) {
            (b"n+1", false) | (b"n+2", true) => false,
            (b"ni1", false) | (b"ni2", true) => true,
            (_, false) => {
                return Err(
                    "is an Analyze 7.5 header, which does not say how the volume lies; convert it to .nii".into()
                );
            }
            _ => return Err("damaged NIfTI header: it does not say which version it is".into()),
        };
        // Where each field lies, and how wide it is.
        let at = |first: usize, other: usize| if second { other } else { first };
        let (i, f) = (at(2, 8), at(4, 8));
        let count = fields.int(at(40, 16), i);
        if !(1..=7).contains(&count) {
            return Err(format!("damaged NIfTI header: it has {count} dimensions"));
        }
        let dims = (1..=count as usize).map(|n| fields.int(at(40, 16) + n * i, i));
        let dims: Vec<u64> = dims.map(|d| u64::try_from(d).unwrap_or(0)).collect();
        if dims.contains(&0) {
            return Err(format!("damaged NIfTI header: its dimensions are {dims:?}"));
        }
        let row = at(280, 400);
        let header = Header {
            big_endian,
            pair,
            length: bytes.len(),
            datatype: fields.int(at(70, 12), 2),
            bitpix: fields.int(at(72, 14), 2),
            vox_offset: if second { fields.int(168, 8) as f64 } else { fields.float(108, 4) },
            slope: fields.float(at(112, 176), f),
            inter: fields.float(at(116, 184), f),
            pixdim: fields.floats(at(76, 104), f),
            qform_code: fields.int(at(252, 344), at(2, 4)),
            sform_code: fields.int(at(254, 348), at(2, 4)),
            quatern: fields.floats(at(256, 352), f),
            qoffset: fields.floats(at(268, 376), f),
            srow: std::array::from_fn(|r| fields.floats(row + r * 4 * f, f)),
            raw: [0; HEADER],
            dims,
        };
        let raw = if second { header.as_first(bytes[500 + if big_endian { 3 } else { 0 }])? } else { of_first(bytes) };
        Ok(Header { raw, ..header })
    }

    /// The same as a NIfTI-1 header; `units` are those of space and time.
    fn as_first(&self, units: u8) -> Result<[u8; HEADER], String> {
        let mut raw = [0; HEADER];
        let mut put = |at: usize, little: &[u8]| {
            for (i, &byte) in little.iter().enumerate() {
                raw[at + if self.big_endian { little.len() - 1 - i } else { i }] = byte;
            }
        };
        put(0, &(HEADER as i32).to_le_bytes());
        put(40, &(self.dims.len() as i16).to_le_bytes());
        for n in 0..7 {
            let size = self.dims.get(n).copied().unwrap_or(1);
            let size = i16::try_from(size)
                .map_err(|_| format!("has dimensions {:?}; 32767 are read along an axis", self.dims))?;
            put(42 + 2 * n, &size.to_le_bytes());
        }
        let floats = |at: usize, values: &[f64], put: &mut dyn FnMut(usize, &[u8])| {
            values.iter().enumerate().for_each(|(n, v)| put(at + 4 * n, &(*v as f32).to_le_bytes()));
        };
        floats(76, &self.pixdim, &mut put);
        floats(256, &self.quatern, &mut put);
        floats(268, &self.qoffset, &mut put);
        floats(280, self.srow.as_flattened(), &mut put);
        put(123, &[units]);
        put(252, &(self.qform_code as i16).to_le_bytes());
        put(254, &(self.sform_code as i16).to_le_bytes());
        raw[344..348].copy_from_slice(b"n+1\0");
        Ok(raw)
    }
}

/// A NIfTI-1 header as that of a single file.
fn of_first(bytes: &[u8]) -> [u8; HEADER] {
    let mut raw = [0; HEADER];
    raw.copy_from_slice(bytes);
    raw[344..348].copy_from_slice(b"n+1\0");
    raw
}
