//! Whether the image data of a JPEG are all there. Decoders fill what is missing with gray instead of failing, which an
//! anomaly detector would then report; so the entropy-coded data is walked here, and nothing of it kept.
//!
//! Sources: ITU-T T.81 (1992), annexes B, F and G.
use super::jpeg_bits::{Bits, Missing, Table};
use super::limits::pixels;

/// What is said of data that end too early.
const BREAKS_OFF: &str = "the JPEG data is truncated: it breaks off before the end of the picture";

/// One component of the frame.
#[derive(Clone)]
struct Component {
    id: u8,
    /// Blocks of an MCU, across and down.
    h: usize,
    v: usize,
    /// Blocks that hold pixels.
    blocks: (usize, usize),
    /// Blocks of a row, those that fill the last MCU included.
    stride: usize,
    /// Of a progressive frame, the coefficients known not to be zero, a bit each, for each block.
    nonzero: Vec<u64>,
    /// Of a progressive frame, how many low bits each coefficient still lacks; `None` before its first scan.
    lacks: [Option<u8>; 64],
}

/// What the frame's header says.
struct Frame {
    progressive: bool,
    mcus: (usize, usize),
    components: Vec<Component>,
}

/// Tables and what else holds from one segment to the next.
#[derive(Default)]
struct State {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    restart: usize,
    frame: Option<Frame>,
}

/// A scan's parameters.
struct Scan {
    /// Component, DC table, AC table.
    parts: Vec<(usize, usize, usize)>,
    start: usize,
    end: usize,
    /// Whether the coefficients' first bits were in an earlier scan.
    refines: bool,
    low: u8,
}

/// What a JPEG says of its colours.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Colours {
    /// The components' names, one byte each.
    pub ids: Vec<u8>,
    /// Where the byte lies in the file that tells Adobe's transformation: 0 none, 1 YCbCr, 2 YCCK.
    pub adobe: Option<usize>,
}

/// Walks the data of a JPEG up to its end marker.
/// # Errors
/// What is wrong, in words: data that end before the picture does, segments that contradict themselves, kinds of JPEG that are
/// not read (lossless, hierarchical, arithmetic coding, 12 bits), too many pixels.
pub(super) fn check(bytes: &[u8]) -> Result<Colours, String> {
    let (mut at, mut state, mut scans, mut adobe) = (2, State::default(), 0, None);
    loop {
        let next =
            bytes.get(at..).and_then(|rest| rest.windows(2).position(|m| m[0] == 0xff && !matches!(m[1], 0 | 0xff)));
        let Some(next) = next else {
            return Err("the JPEG data is truncated: it has no end marker".into());
        };
        at += next + 2;
        let marker = bytes[at - 1];
        match marker {
            0xd9 if scans == 0 => return Err("the JPEG holds no picture".into()),
            0xd9 => return state.complete().map(|ids| Colours { ids, adobe }),
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let length = bytes.get(at..at + 2).map(|l| usize::from(u16::from_be_bytes([l[0], l[1]])));
        let segment = length.filter(|l| *l >= 2).and_then(|l| bytes.get(at + 2..at + l));
        let segment = segment.ok_or("the JPEG data is truncated: a segment is not whole")?;
        at += segment.len() + 2;
        match marker {
            0xc4 => state.tables(segment).ok_or("damaged JPEG: a table of codes contradicts itself")?,
            0xee if segment.starts_with(b"Adobe") && segment.len() >= 12 => adobe = Some(at - segment.len() + 11),
            0xdd => state.restart = segment.get(..2).map_or(0, |s| usize::from(u16::from_be_bytes([s[0], s[1]]))),
            0xc0..=0xc2 => state.frame(segment, marker == 0xc2)?,
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let kind = if marker >= 0xc9 { "arithmetic coding" } else { "lossless or hierarchical coding" };
                return Err(format!("is a JPEG with {kind}, which is not read; save it as PNG"));
            }
            0xda => {
                let scan = state.scan(segment).ok_or("damaged JPEG: the header of a scan contradicts itself")?;
                let mut bits = Bits::new(bytes, at);
                state.walk(&scan, &mut bits).map_err(|fault| match fault {
                    Missing::Data => BREAKS_OFF,
                    Missing::Sense => "damaged JPEG: its data is no sequence of its codes",
                })?;
                (at, scans) = (bits.at, scans + 1);
            }
            _ => {}
        }
    }
}

impl State {
    fn tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while !segment.is_empty() {
            let (&kind, rest) = segment.split_first()?;
            let counts = rest.get(..16)?;
            let symbols = rest.get(16..16 + counts.iter().map(|c| usize::from(*c)).sum::<usize>())?;
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(kind & 15))? = Some(Table::new(counts, symbols)?);
            segment = &rest[16 + symbols.len()..];
        }
        Some(())
    }

    fn frame(&mut self, s: &[u8], progressive: bool) -> Result<(), String> {
        const DAMAGED: &str = "damaged JPEG: its header contradicts itself";
        if s.first().is_some_and(|bits| *bits != 8) {
            return Err(format!("is a JPEG of {} bits, which is not read; save it as PNG", s[0]));
        }
        let parts = s.get(6..).map(|p| p.chunks_exact(3)).filter(|p| p.len() == usize::from(s[5]) && p.len() > 0);
        let sampling = |p: &[u8]| (usize::from(p[1] >> 4), usize::from(p[1] & 15));
        let parts: Vec<&[u8]> = parts.ok_or(DAMAGED)?.collect();
        if parts.iter().any(|p| !matches!(sampling(p), (1..=4, 1..=4))) || self.frame.is_some() {
            return Err(DAMAGED.into());
        }
        let (height, width) = (usize::from(s[1]) << 8 | usize::from(s[2]), usize::from(s[3]) << 8 | usize::from(s[4]));
        pixels(width as u64, height as u64)?;
        let most = |of: fn((usize, usize)) -> usize| parts.iter().map(|p| of(sampling(p))).max().unwrap_or(1);
        let (h_max, v_max) = (most(|s| s.0), most(|s| s.1));
        let mcus = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
        let component = |p: &&[u8]| {
            let (h, v) = sampling(p);
            let blocks = ((width * h).div_ceil(h_max).div_ceil(8), (height * v).div_ceil(v_max).div_ceil(8));
            let (stride, rows) = (mcus.0 * h, mcus.1 * v);
            let nonzero = vec![0; if progressive { stride * rows } else { 0 }];
            Component { id: p[0], h, v, blocks, stride, nonzero, lacks: [None; 64] }
        };
        let components = parts.iter().map(component).collect();
        self.frame = Some(Frame { progressive, mcus, components });
        Ok(())
    }

    fn scan(&self, s: &[u8]) -> Option<Scan> {
        let frame = self.frame.as_ref()?;
        let (&count, rest) = s.split_first()?;
        let (parts, tail) = rest.split_at_checked(2 * usize::from(count)).filter(|_| (1..=4).contains(&count))?;
        let part = |p: &[u8]| {
            let component = frame.components.iter().position(|c| c.id == p[0])?;
            Some((component, usize::from(p[1] >> 4), usize::from(p[1] & 15)))
        };
        let parts: Vec<_> = parts.chunks_exact(2).map(part).collect::<Option<_>>()?;
        let [start, end, bits] = *tail.first_chunk::<3>()?;
        let (start, end) = if frame.progressive { (start.into(), end.into()) } else { (0, 63) };
        let band = start <= end && end < 64 && (!frame.progressive || (start == 0) == (end == 0));
        let alone = start == 0 || parts.len() == 1;
        (band && alone).then_some(Scan { parts, start, end, refines: bits >> 4 != 0, low: bits & 15 })
    }

    /// Walks one scan.
    fn walk(&mut self, scan: &Scan, bits: &mut Bits) -> Result<(), Missing> {
        let State { dc, ac, restart, frame } = self;
        let frame = frame.as_mut().ok_or(Missing::Sense)?;
        let alone = match scan.parts[..] {
            [(c, ..)] => Some(frame.components[c].blocks),
            _ => None,
        };
        let (across, down) = alone.unwrap_or(frame.mcus);
        let mut run = 0;
        for mcu in 0..across * down {
            if *restart > 0 && mcu > 0 && mcu.is_multiple_of(*restart) {
                bits.restart()?;
                run = 0;
            }
            let (x, y) = (mcu % across, mcu / across);
            for &(c, d, a) in &scan.parts {
                let component = &mut frame.components[c];
                let (h, v) = if alone.is_some() { (1, 1) } else { (component.h, component.v) };
                for i in 0..h * v {
                    let block = (y * v + i / h) * component.stride + x * h + i % h;
                    let tables = (dc.get(d).and_then(Option::as_ref), ac.get(a).and_then(Option::as_ref));
                    if frame.progressive {
                        let nonzero = component.nonzero.get_mut(block).ok_or(Missing::Sense)?;
                        progressive(scan, bits, tables, nonzero, &mut run)?;
                    } else {
                        sequential(bits, tables)?;
                    }
                }
            }
        }
        for &(c, ..) in &scan.parts {
            frame.components[c].lacks[scan.start..=scan.end].fill(Some(if frame.progressive { scan.low } else { 0 }));
        }
        Ok(())
    }

    /// The components' names, or that scans are missing.
    fn complete(&self) -> Result<Vec<u8>, String> {
        let components = self.frame.iter().flat_map(|f| &f.components);
        let whole = |c: &Component| c.lacks[0].is_some() && c.lacks.iter().all(|l| l.unwrap_or(0) == 0);
        components.map(|c| whole(c).then_some(c.id)).collect::<Option<_>>().ok_or_else(|| BREAKS_OFF.into())
    }
}

type Tables<'a> = (Option<&'a Table>, Option<&'a Table>);

/// A block of a sequential frame.
fn sequential(bits: &mut Bits, (dc, ac): Tables) -> Result<(), Missing> {
    let (dc, ac) = (dc.ok_or(Missing::Sense)?, ac.ok_or(Missing::Sense)?);
    let size = bits.symbol(dc)?;
    bits.take(size)?;
    let mut k = 1;
    while k < 64 {
        let symbol = bits.symbol(ac)?;
        match (symbol >> 4, symbol & 15) {
            (15, 0) => k += 16,
            (_, 0) => break,
            (zeros, size) => {
                k += usize::from(zeros) + 1;
                if k > 64 {
                    return Err(Missing::Sense);
                }
                bits.take(size)?;
            }
        }
    }
    Ok(())
}

/// A block of a progressive frame; `run` is how many further blocks of the band are at their end.
fn progressive(
    scan: &Scan,
    bits: &mut Bits,
    (dc, ac): Tables,
    nonzero: &mut u64,
    run: &mut u32,
) -> Result<(), Missing> {
    if scan.start == 0 {
        if scan.refines {
            return bits.take(1).map(|_| ());
        }
        let size = bits.symbol(dc.ok_or(Missing::Sense)?)?;
        return bits.take(size).map(|_| ());
    }
    let ac = ac.ok_or(Missing::Sense)?;
    let mut k = scan.start;
    while *run == 0 && k <= scan.end {
        let symbol = bits.symbol(ac)?;
        let (mut zeros, size) = (symbol >> 4, symbol & 15);
        if size == 0 && zeros < 15 {
            *run = (1 << zeros) + bits.take(zeros)?;
            break;
        }
        bits.take(size)?;
        if scan.refines {
            // A bit for each coefficient that is not zero on the way over the zeros.
            while k <= scan.end {
                if *nonzero >> k & 1 == 1 {
                    bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
        } else {
            k += usize::from(zeros);
        }
        if size > 0 {
            if k > scan.end {
                return Err(Missing::Sense);
            }
            *nonzero |= 1 << k;
        }
        k += 1;
    }
    if *run > 0 {
        if scan.refines {
            let rest = (k..=scan.end).filter(|k| *nonzero >> k & 1 == 1).count();
            (0..rest).try_for_each(|_| bits.take(1).map(|_| ()))?;
        }
        *run -= 1;
    }
    Ok(())
}
