//! What the columns of a table are: features, the label, or neither; by what a user says, by what a fitted model knows, and
//! by the columns' names.
use super::table_columns::{TableColumns, listed, other_columns};
use super::table_index::is_index_name;
use super::table_label::is_label_name;
use super::table_number::quoted;
use std::collections::HashSet;

/// Which column holds the labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelChoice {
    /// That of the fitted model, else the one with a label's name, such as `y`, `label`, `Class` or `is_anomaly`.
    #[default]
    Guess,
    /// None.
    Absent,
    /// This one, which must be there.
    Named(String),
}

/// What the labels' values mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelMeaning {
    /// 0, false and words like `normal` are normal; 1, true and words like `anomaly` are anomalous; beside 1, -1 is
    /// anomalous (scikit-learn's convention) unless most rows have it. Everything else is refused.
    #[default]
    Guess,
    /// These are anomalous, all others normal.
    Anomalous(Vec<String>),
    /// These are normal, all others anomalous.
    Normal(Vec<String>),
}

/// What is said of a table's columns before it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnRoles {
    /// The labels.
    pub label: LabelChoice,
    /// What their values mean.
    pub meaning: LabelMeaning,
    /// Columns to leave out, which must be there.
    pub drop: Vec<String>,
    /// Columns that are features though they look like labels or an index, which must be there.
    pub keep: Vec<String>,
    /// The columns of the model that the table is for.
    pub fitted: Option<TableColumns>,
}

/// What a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Feature,
    Label,
    LeftOut,
    /// Left out if its values are an index's as well.
    Index,
}

impl ColumnRoles {
    /// The first flag given that needs columns with names.
    pub(super) fn needs_names(&self) -> Option<&'static str> {
        let named = matches!(self.label, LabelChoice::Named(_));
        let given = [(named, "--label"), (!self.drop.is_empty(), "--drop"), (!self.keep.is_empty(), "--keep")];
        given.into_iter().find(|g| g.0).map(|g| g.1)
    }
    /// The first flag given that needs labels.
    pub(super) fn needs_label(&self) -> Option<&'static str> {
        match self.meaning {
            LabelMeaning::Guess => None,
            LabelMeaning::Anomalous(_) => Some("--anomalous"),
            LabelMeaning::Normal(_) => Some("--normal"),
        }
    }
    /// Which of the named columns or arrays holds the labels, and notes on others that look like labels.
    /// # Errors
    /// In words: it is not there, or there are several.
    pub(super) fn label_of(&self, names: &[String], what: &str) -> Result<(Option<usize>, Vec<String>), String> {
        let at = |name: &str| names.iter().position(|n| n == name);
        let fitted = self.fitted.as_ref();
        let settled = |n: &String| {
            let known = fitted.is_some_and(|f| f.features.contains(n) || f.left_out.contains(n));
            known || self.drop.contains(n) || self.keep.contains(n)
        };
        let like: Vec<String> = names.iter().filter(|n| is_label_name(n) && !settled(n)).cloned().collect();
        let features = |label: Option<&str>| -> Vec<String> {
            let others: Vec<String> = like.iter().filter(|n| Some(n.as_str()) != label).cloned().collect();
            let text = || {
                format!("{} looks like a label, but is taken as a feature (--drop NAME leaves it out)", listed(&others))
            };
            if others.is_empty() || what != "column" || fitted.is_some() { Vec::new() } else { vec![text()] }
        };
        match &self.label {
            LabelChoice::Absent => Ok((None, features(None))),
            LabelChoice::Named(name) => {
                let found = at(name).ok_or_else(|| format!("has no {what} `{name}`{}", near(name, names)))?;
                Ok((Some(found), features(Some(name))))
            }
            LabelChoice::Guess => {
                let known = fitted.and_then(|f| f.label.as_ref());
                let known = known.filter(|l| !self.drop.contains(l) && !self.keep.contains(l));
                if let Some(known) = known.and_then(|l| at(l)) {
                    return Ok((Some(known), Vec::new()));
                }
                match &like[..] {
                    [] => Ok((None, Vec::new())),
                    [one] => Ok((at(one), Vec::new())),
                    _ => Err(format!(
                        "{} look like labels: name the one that is (--label NAME), or say that there is none (--label none)",
                        listed(&like)
                    )),
                }
            }
        }
    }
    /// What each column is, as far as names tell, and notes.
    /// # Errors
    /// In words: names that occur twice, columns named by a user that are not there, columns that are not the model's.
    pub(super) fn of(&self, names: &[String]) -> Result<(Vec<Role>, Vec<String>), String> {
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|n| !seen.insert(*n)) {
            return Err(format!("has two columns `{twice}`; columns are told apart by their names"));
        }
        for (flag, given) in [("--drop", &self.drop), ("--keep", &self.keep)] {
            if let Some(absent) = given.iter().find(|n| !names.contains(n)) {
                return Err(format!("has no column `{absent}`, which {flag} names{}", near(absent, names)));
            }
        }
        let (label, notes) = self.label_of(names, "column")?;
        let both = label.map(|l| &names[l]).filter(|l| self.drop.contains(l) || self.keep.contains(l));
        let both = both.or(self.drop.iter().find(|n| self.keep.contains(n)));
        if let Some(both) = both {
            return Err(format!("column `{both}` is named twice, by two of --label, --drop and --keep"));
        }
        let fitted = self.fitted.as_ref();
        let role = |(i, name): (usize, &String)| match fitted {
            _ if self.drop.contains(name) => Role::LeftOut,
            _ if label == Some(i) => Role::Label,
            Some(f) if f.features.contains(name) => Role::Feature,
            Some(f) if f.left_out.contains(name) || f.label.as_ref() == Some(name) => Role::LeftOut,
            _ if self.keep.contains(name) => Role::Feature,
            _ if is_index_name(name) => Role::Index,
            _ => Role::Feature,
        };
        let roles: Vec<Role> = names.iter().enumerate().map(role).collect();
        if let Some(fitted) = fitted {
            let with = |role: Role| names.iter().zip(&roles).filter(move |(_, r)| **r == role).map(|(n, _)| n.clone());
            let found: Vec<String> = with(Role::Feature).collect();
            if let Some(fault) = other_columns(&found, &fitted.features) {
                return Err(fault);
            }
        }
        Ok((roles, notes))
    }
}

/// A name that may have been meant.
fn near(name: &str, names: &[String]) -> String {
    let plain = |n: &str| n.trim().to_lowercase();
    let found = names.iter().find(|n| plain(n) == plain(name));
    found.map(|n| format!(" (it has `{n}`; as a flag: {})", quoted(n))).unwrap_or_default()
}
