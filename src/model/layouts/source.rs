//! What every layout reads from: a checkpoint's shapes, a config and the overrides, as records of the UNet.
use crate::model::Checkpoint;
use crate::model::config::{AttentionOrder, Config, Overrides};
use crate::model::unet::{ClassEmbed, Conv, Linear, Norm, TimeEmbed};
use crate::{Error, Result};

/// How many heads an attention has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Heads {
    /// So many at every width.
    Count(usize),
    /// As many as go into the width.
    Width(usize),
    /// Nobody says; `name` is the setting that would.
    Unknown {
        /// The setting in the layout's own words.
        name: &'static str,
    },
}

/// The inputs of a layout, with the two numbers that every GroupNorm shares.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub ck: &'a Checkpoint,
    pub cfg: &'a Config,
    pub over: &'a Overrides,
    pub groups: usize,
    /// A norm of fewer channels than `groups` has a group for each.
    pub fewer_groups: bool,
    pub eps: f32,
}

impl<'a> Source<'a> {
    pub fn new(ck: &'a Checkpoint, cfg: &'a Config, over: &'a Overrides) -> Self {
        Source { ck, cfg, over, groups: 32, fewer_groups: false, eps: 1e-5 }
    }

    /// Sets groups and epsilon: the override, else the config's `keys`, else `defaults`. Of a layout where they vary, and whose file
    /// does not say them, a warning says which are assumed.
    pub fn norms(&mut self, keys: [&str; 2], defaults: (usize, f32), varies: bool) -> Result<()> {
        let (groups, eps) = (self.cfg.count(keys[0])?, self.cfg.number(keys[1])?);
        self.groups = self.over.groups.or(groups).unwrap_or(defaults.0);
        self.eps = self.over.norm_eps.or(eps.map(|e| e as f32)).unwrap_or(defaults.1);
        if self.groups == 0 || !self.eps.is_finite() || self.eps < 0.0 {
            return Err(Error::Invalid(format!("GroupNorm with {} groups and epsilon {}", self.groups, self.eps)));
        }
        // A config that its own program wrote leaves out what is as that has it.
        let assumed = [
            (self.over.groups.is_none() && groups.is_none()).then(|| format!("{} groups", self.groups)),
            (self.over.norm_eps.is_none() && eps.is_none()).then(|| format!("an epsilon of {}", self.eps)),
        ];
        let assumed: Vec<String> = assumed.into_iter().flatten().collect();
        if varies && !self.cfg.exists() && !assumed.is_empty() {
            let path = self.ck.path().display();
            let assumed = assumed.join(" and ");
            tracing::warn!("{path}: does not say all of its GroupNorms, for which {assumed} are assumed");
        }
        Ok(())
    }

    pub fn fault(&self, text: impl Into<String>) -> Error {
        Error::file(self.ck.path(), text)
    }
    pub fn missing(&self, key: impl Into<String>) -> Error {
        Error::MissingTensor { path: self.ck.path().to_owned(), key: key.into() }
    }
    pub fn agree<T: PartialEq + std::fmt::Debug>(&self, key: &str, says: Option<T>, weights: T) -> Result<()> {
        self.cfg.agree(self.ck, key, says, weights)
    }
    pub fn under(&self, prefix: &str) -> bool {
        self.ck.has_under(prefix)
    }
    /// How many of `prefix.0.`, `prefix.1.`, ... there are without a gap.
    pub fn children(&self, prefix: &str) -> usize {
        (0..).take_while(|i| self.under(&format!("{prefix}.{i}."))).count()
    }

    /// The shape of `key.weight`, no size of which is zero.
    pub fn weight(&self, key: &str) -> Result<&'a [usize]> {
        let key = format!("{key}.weight");
        let shape = self.ck.shape(&key).ok_or_else(|| self.missing(&key))?;
        if shape.is_empty() || shape.contains(&0) {
            return Err(self.fault(format!("tensor `{key}` has the empty shape {shape:?}")));
        }
        Ok(shape)
    }
    pub fn conv(&self, key: &str) -> Result<Conv> {
        let conv = self.square(key)?;
        match conv.kernel {
            1 | 3 => Ok(conv),
            k => Err(self.fault(format!("tensor `{key}.weight` is a {k}x{k} convolution, not a 1x1 or 3x3 one"))),
        }
    }
    /// A convolution with as many rows as columns.
    pub fn square(&self, key: &str) -> Result<Conv> {
        let (cout, cin, kernel) = match *self.weight(key)? {
            [o, i] | [o, i, 1] => (o, i, 1),
            [o, i, a, b] if a == b => (o, i, a),
            [_, _, _, _, _] => return Err(self.fault(format!("`{key}` is a 3-D convolution, which is not supported"))),
            ref s => {
                return Err(self.fault(format!("tensor `{key}.weight` of shape {s:?} is no square convolution")));
            }
        };
        Ok(Conv { key: key.into(), cin, cout, kernel })
    }
    pub fn linear(&self, key: &str) -> Result<Linear> {
        match *self.weight(key)? {
            [cout, cin] | [cout, cin, 1] | [cout, cin, 1, 1] => Ok(Linear { key: key.into(), cin, cout }),
            ref s => Err(self.fault(format!("tensor `{key}.weight` of shape {s:?} is no matrix"))),
        }
    }
    pub fn norm(&self, key: &str) -> Result<Norm> {
        let channels = self.weight(key)?.first().copied().unwrap_or(0);
        self.norm_of(key, if self.fewer_groups { self.groups.min(channels) } else { self.groups })
    }
    pub fn norm_of(&self, key: &str, groups: usize) -> Result<Norm> {
        let &[channels] = self.weight(key)? else {
            return Err(self.fault(format!("tensor `{key}.weight` of shape {:?} is no GroupNorm's", self.weight(key)?)));
        };
        if !(groups > 0 && channels.is_multiple_of(groups)) {
            return Err(self.fault(format!("`{key}` has {channels} channels, which {groups} groups do not divide")));
        }
        Ok(Norm { key: key.into(), channels, groups, eps: self.eps })
    }

    /// Sinusoids and the two linear layers on them.
    pub fn time(&self, keys: [&str; 2], cos_first: bool, freq_shift: f32) -> Result<TimeEmbed> {
        let (linear1, linear2) = (self.linear(keys[0])?, self.linear(keys[1])?);
        let base = linear1.cin;
        let below_half = freq_shift >= 0.0 && freq_shift < (base / 2) as f32;
        if !below_half {
            return Err(self.fault(format!("freq_shift {freq_shift} does not suit a time embedding of width {base}")));
        }
        Ok(TimeEmbed { base, cos_first, freq_shift, linear1, linear2 })
    }
    /// The class table, where there is one.
    pub fn class(&self, name: &str, setting: &str) -> Result<Option<ClassEmbed>> {
        let says = self.cfg.count(setting)?;
        if !self.under(&format!("{name}.")) {
            let fault = |n| format!("`{setting}` is {n}, but {} has no `{name}.weight`", self.ck.path().display());
            return says.map_or(Ok(None), |n| Err(Error::file(self.cfg.path(), fault(n))));
        }
        match *self.weight(name)? {
            [classes, width] => {
                self.agree(setting, says, classes)?;
                Ok(Some(ClassEmbed { key: format!("{name}.weight"), classes, width }))
            }
            ref s => Err(self.fault(format!("`{name}.weight` of shape {s:?} is no table of classes"))),
        }
    }

    /// Heads as the overrides say, if they do.
    pub fn heads_override(&self) -> Result<Option<Heads>> {
        match (self.over.heads, self.over.head_channels) {
            (Some(_), Some(_)) => Err(Error::Invalid("--heads and --head-channels exclude each other".into())),
            (Some(0), _) | (_, Some(0)) => Err(Error::Invalid("an attention has at least one head".into())),
            (Some(n), None) => Ok(Some(Heads::Count(n))),
            (None, Some(n)) => Ok(Some(Heads::Width(n))),
            (None, None) => Ok(None),
        }
    }
    /// The number of heads of the attention `name` with `channels` channels.
    pub fn heads(&self, rule: Heads, name: &str, channels: usize) -> Result<usize> {
        let rule = match rule {
            Heads::Unknown { .. } if self.ck.is_manifest() => Heads::Count(1),
            known => known,
        };
        let (heads, divides) = match rule {
            Heads::Count(n) => (n, n > 0 && channels.is_multiple_of(n)),
            Heads::Width(w) => {
                (channels.checked_div(w).unwrap_or(0), w > 0 && channels >= w && channels.is_multiple_of(w))
            }
            Heads::Unknown { name } => {
                return Err(self.unset(name, "--heads or --head-channels"));
            }
        };
        let said = match rule {
            Heads::Width(w) => format!("heads of {w} channels"),
            _ => format!("{heads} heads"),
        };
        let fault = || self.fault(format!("`{name}` has {channels} channels, which {said} do not divide"));
        if divides { Ok(heads) } else { Err(fault()) }
    }
    /// The order of fused qkv rows, which does not matter for one head.
    pub fn order(&self, known: Option<AttentionOrder>, heads: usize) -> Result<AttentionOrder> {
        match self.over.attention_order.or(known) {
            Some(order) => Ok(order),
            // Without weights nothing is computed that the order would change.
            None if heads == 1 || self.ck.is_manifest() => Ok(AttentionOrder::New),
            None => Err(self.unset("use_new_attention_order", "--attention-order legacy|new")),
        }
    }
    fn unset(&self, name: &'static str, flag: &'static str) -> Error {
        Error::MissingSetting { path: self.ck.path().to_owned(), name, flag }
    }
}
