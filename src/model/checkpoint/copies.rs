//! Two copies of the weights in one file, and which is read.
use crate::model::keys::WeightCopy;

/// Which of two copies of its weights is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    /// The one that is read.
    pub chosen: WeightCopy,
    /// Where the averages lie: what stands before their keys.
    pub ema: String,
    /// Where the weights of training lie.
    pub raw: String,
    /// Tensors that the chosen copy lacks and the other one lends it: such as are no weights, as running means.
    pub lent: Vec<String>,
}

impl std::fmt::Display for Copies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Copies { ema, raw, lent, .. } = self;
        match self.chosen {
            WeightCopy::Ema => write!(f, "the averaged weights (`{ema}`), not those of training (`{raw}`)"),
            WeightCopy::Raw => write!(f, "the weights of training (`{raw}`), not the averaged ones (`{ema}`)"),
        }?;
        match &lent[..] {
            [] => Ok(()),
            [one] => write!(f, ", but for the tensor `{one}`, which the former lack"),
            [first, ..] => write!(f, ", but for {} tensors that the former lack, such as `{first}`", lent.len()),
        }
    }
}

impl Copies {
    /// That the chosen copy lacks weights.
    pub(super) fn partial(&self, count: usize, first: &str) -> String {
        let Copies { ema, raw, .. } = self;
        let (own, other, way) = match self.chosen {
            WeightCopy::Ema => (format!("averaged weights (`{ema}`)"), format!("those of training (`{raw}`)"), "raw"),
            WeightCopy::Raw => {
                (format!("weights of training (`{raw}`)"), format!("the averaged ones (`{ema}`)"), "ema")
            }
        };
        format!(
            "its {own} are not whole: {count} of the tensors that {other} have are missing, such as `{first}`, and the two are not \
             mixed; --weights {way} reads the latter"
        )
    }
}
