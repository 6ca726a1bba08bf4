//! Labels: the columns that look like one, and what their values mean.
use super::table_columns::listed;
use super::table_roles::LabelMeaning;
use std::collections::HashMap;

/// Names of label columns, in lower case without spaces, dots, dashes and underscores.
const NAMES: [&str; 39] = [
    "y",
    "ytrue",
    "label",
    "labels",
    "class",
    "target",
    "targets",
    "outlier",
    "outliers",
    "anomaly",
    "anomalies",
    "anomalous",
    "isoutlier",
    "isanomaly",
    "isanomalous",
    "outlierlabel",
    "anomalylabel",
    "classlabel",
    "groundtruth",
    "gt",
    "truth",
    "fraud",
    "isfraud",
    "fraudulent",
    "attack",
    "isattack",
    "malicious",
    "ismalicious",
    "isdefect",
    "isdefective",
    "isabnormal",
    "abnormal",
    "defect",
    "defective",
    "fault",
    "faulty",
    "failure",
    "failed",
    "normal/attack",
];
/// The same of columns that say what is normal.
const NORMAL_NAMES: [&str; 5] = ["normal", "isnormal", "inlier", "isinlier", "inliers"];

/// What normal rows are called, in lower case.
const NORMAL: [&str; 13] =
    ["0", "normal", "inlier", "good", "ok", "benign", "nominal", "regular", "healthy", "no", "n", "f", "in"];
/// What anomalous rows are called, in lower case.
const ANOMALOUS: [&str; 21] = [
    "1",
    "anomaly",
    "anomalous",
    "abnormal",
    "outlier",
    "bad",
    "nok",
    "ng",
    "defect",
    "defective",
    "faulty",
    "attack",
    "malicious",
    "malware",
    "fraud",
    "fraudulent",
    "malignant",
    "yes",
    "y",
    "t",
    "out",
];

fn plain(name: &str) -> String {
    name.chars().filter(|c| !" ._-".contains(*c)).flat_map(char::to_lowercase).collect()
}

/// Whether a column's name is one that labels have.
pub(super) fn is_label_name(name: &str) -> bool {
    let name = plain(name);
    NAMES.contains(&&*name) || NORMAL_NAMES.contains(&&*name)
}

/// The values of a label column as they are written, each once, and which of them each row has.
#[derive(Default)]
pub(super) struct Words {
    distinct: Vec<String>,
    of: Vec<u32>,
    index: HashMap<String, u32>,
}

impl Words {
    /// Adds a row's value; `None` where it is missing.
    pub fn push(&mut self, word: Option<&str>) {
        let word = canonical(word.unwrap_or_default());
        let next = self.distinct.len() as u32;
        let at = *self.index.entry(word).or_insert_with_key(|word| {
            self.distinct.push(word.clone());
            next
        });
        self.of.push(at);
    }
    /// Adds a row's value that is a number, NaN where it is missing.
    pub fn push_number(&mut self, value: f64) {
        self.push((!value.is_nan()).then(|| value.to_string()).as_deref());
    }
    pub fn len(&self) -> usize {
        self.of.len()
    }
    fn count(&self, at: usize) -> usize {
        self.of.iter().filter(|&&o| o as usize == at).count()
    }
    fn is_empty(&self, at: usize) -> bool {
        self.distinct[at].is_empty()
    }
}

/// Numbers in one way of writing, booleans as numbers, words in lower case; nothing for missing values.
fn canonical(word: &str) -> String {
    let word = word.trim().to_lowercase();
    match &*word {
        "true" => "1".into(),
        "false" => "0".into(),
        w if super::table_number::is_missing(w) => String::new(),
        w => w.parse::<f64>().map_or_else(|_| w.to_owned(), |v| (v + 0.0).to_string()),
    }
}

/// Labels, and what was taken.
pub(super) struct Labels {
    /// True for anomalies; none where every value is missing.
    pub flags: Option<Vec<bool>>,
    /// What a user must be told, if anything.
    pub note: Option<String>,
}

/// Reads the labels of a column called `name`; `place` is where a row stands in its file.
/// # Errors
/// In words: a missing label among others, values of which it is not clear what they mean.
pub(super) fn read(
    words: &Words,
    name: &str,
    meaning: &LabelMeaning,
    place: impl Fn(usize) -> String,
) -> Result<Labels, String> {
    let distinct = &words.distinct;
    if !distinct.is_empty() && (0..distinct.len()).all(|i| words.is_empty(i)) {
        let note = format!("the labels of `{name}` are all missing, so that rows count as not labelled");
        return Ok(Labels { flags: None, note: Some(note) });
    }
    if let Some(row) = words.of.iter().position(|&o| words.is_empty(o as usize)) {
        return Err(format!("{}: a label is NaN, that is, missing (column `{name}`)", place(row)));
    }
    let (anomalous, how) = match meaning {
        LabelMeaning::Guess => {
            guess(words, name).map_err(|f| words.of.first().map_or_else(|| f.clone(), |_| with_flags(&f, name)))?
        }
        LabelMeaning::Anomalous(given) => (chosen(words, name, given)?, None),
        LabelMeaning::Normal(given) => (chosen(words, name, given)?.into_iter().map(|a| !a).collect(), None),
    };
    let flags: Vec<bool> = words.of.iter().map(|&o| anomalous[o as usize]).collect();
    let count = flags.iter().filter(|f| **f).count();
    let of = |kind: bool| {
        let these: Vec<String> =
            distinct.iter().zip(&anomalous).filter(|(_, a)| **a == kind).map(|d| d.0.clone()).collect();
        listed(&these)
    };
    let usual = ["y", "label"].contains(&name);
    let mut note = format!("the labels are those of `{name}`: ");
    note += &match (of(true), of(false)) {
        (a, n) if a.is_empty() => format!("all {} rows are normal ({n})", flags.len()),
        (a, n) if n.is_empty() => format!("all {} rows are anomalous ({a})", flags.len()),
        (a, n) => format!("{count} of {} rows are anomalous ({a}), the others normal ({n})", flags.len()),
    };
    let guessed = *meaning == LabelMeaning::Guess;
    let many = guessed && 2 * count > flags.len();
    if let Some(how) = &how {
        note += &format!("; {how}");
    }
    if many {
        note += "; that is more than half: if it is the other way round, say so with --anomalous VALUE";
    }
    let tell = !usual || how.is_some() || many || !guessed;
    Ok(Labels { flags: Some(flags), note: tell.then_some(note) })
}

fn with_flags(fault: &str, name: &str) -> String {
    format!(
        "{fault}. Say which values are anomalous (--anomalous VALUE) or which are normal (--normal VALUE); if `{name}` is \
         no label, take it as a feature (--keep {name}) or leave it out (--drop {name})"
    )
}

/// Which of the distinct values a user has named.
fn chosen(words: &Words, name: &str, given: &[String]) -> Result<Vec<bool>, String> {
    let given: Vec<String> = given.iter().map(|g| canonical(g)).collect();
    if let Some(absent) = given.iter().find(|g| !words.index.contains_key(*g)) {
        return Err(format!("no row has the label `{absent}`; column `{name}` holds {}", listed(&words.distinct)));
    }
    Ok(words.distinct.iter().map(|w| given.contains(w)).collect())
}

/// Which of the distinct values are anomalous, and by which convention where that must be said.
fn guess(words: &Words, name: &str) -> Result<(Vec<bool>, Option<String>), String> {
    let distinct = &words.distinct;
    let only = |allowed: &[&str]| distinct.iter().all(|w| allowed.contains(&&**w));
    let numbers = distinct.iter().all(|w| w.parse::<f64>().is_ok());
    if numbers && NORMAL_NAMES.contains(&&*plain(name)) {
        return Err(format!("`{name}` may say which rows are normal or which are anomalous"));
    }
    if only(&["0", "1"]) {
        return Ok((distinct.iter().map(|w| w == "1").collect(), None));
    }
    if only(&["-1", "1"]) {
        let (minus, rows) = (words.index["-1"] as usize, words.len());
        let count = words.count(minus);
        if 2 * count > rows {
            return Err(format!(
                "column `{name}` says -1 of {count} of {rows} rows: scikit-learn calls outliers -1, but most rows cannot be outliers"
            ));
        }
        let how = "-1 is taken for an outlier and 1 for an inlier, as in scikit-learn";
        return Ok((distinct.iter().map(|w| w == "-1").collect(), Some(how.into())));
    }
    let known = |w: &String| NORMAL.contains(&&**w) || ANOMALOUS.contains(&&**w);
    match distinct.iter().find(|w| numbers || !known(w)) {
        None => Ok((distinct.iter().map(|w| ANOMALOUS.contains(&&**w)).collect(), None)),
        Some(_) => {
            let expected = ["0", "1", "-1"];
            let odd = distinct.iter().find(|w| !expected.contains(&&***w) && !known(w));
            let odd = odd.or(distinct.first()).map_or("", String::as_str);
            Err(format!(
                "a label is {odd}, and column `{name}` holds {} values, {}; 0 (normal) and 1 (anomaly), -1 (outlier) and 1, and \
                 words like `normal` and `anomaly` are understood by themselves",
                distinct.len(),
                listed(distinct)
            ))
        }
    }
}
