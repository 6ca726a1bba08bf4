//! What a user says of a table's columns, and a table read by it.
use crate::data::{ColumnRoles, LabelChoice, LabelMeaning, TableColumns, TableFile};
use crate::detect::dte::Model;
use crate::{Error, Result};
use std::path::Path;

/// Flags on the columns of a table; no one of them says anything about images.
#[derive(clap::Args)]
pub(crate) struct ColumnArgs {
    /// The table's label column or array [default: the one called y, label, Class, target, outlier, is_anomaly or the like];
    /// none when there is none
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// The labels that are anomalous, all others being normal [default: 1, true, anomaly, outlier and the like; -1 beside 1]
    #[arg(long, value_name = "VALUES", value_delimiter = ',', allow_hyphen_values = true, conflicts_with = "normal")]
    anomalous: Vec<String>,
    /// The labels that are normal, all others being anomalous
    #[arg(long, value_name = "VALUES", value_delimiter = ',', allow_hyphen_values = true)]
    normal: Vec<String>,
    /// A column to leave out; may be given several times
    #[arg(long, value_name = "COLUMN")]
    drop: Vec<String>,
    /// A column to take as a feature though it looks like a label or an index; may be given several times
    #[arg(long, value_name = "COLUMN")]
    keep: Vec<String>,
}

impl ColumnArgs {
    /// The first flag given.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            (self.label.is_some(), "--label"),
            (!self.anomalous.is_empty(), "--anomalous"),
            (!self.normal.is_empty(), "--normal"),
            (!self.drop.is_empty(), "--drop"),
            (!self.keep.is_empty(), "--keep"),
        ];
        given.into_iter().find(|g| g.0).map(|g| g.1)
    }

    /// With what the flags say of the labels' values.
    pub fn remembered(&self, columns: TableColumns) -> TableColumns {
        TableColumns { anomalous: self.anomalous.clone(), normal: self.normal.clone(), ..columns }
    }

    fn roles(&self, model: Option<&Model>) -> ColumnRoles {
        // What was said when the model was fitted holds until something else is said.
        let said = !self.anomalous.is_empty() || !self.normal.is_empty();
        let known = model.and_then(|m| m.table.as_ref()).filter(|_| !said);
        let (anomalous, normal) = known.map_or((&self.anomalous, &self.normal), |c| (&c.anomalous, &c.normal));
        let meaning = match (&anomalous[..], &normal[..]) {
            ([], []) => LabelMeaning::Guess,
            (values, []) => LabelMeaning::Anomalous(values.to_vec()),
            (_, values) => LabelMeaning::Normal(values.to_vec()),
        };
        let label = match self.label.as_deref() {
            None => LabelChoice::Guess,
            Some("none") => LabelChoice::Absent,
            Some(name) => LabelChoice::Named(name.to_owned()),
        };
        let fitted = model.and_then(|m| m.table.clone());
        ColumnRoles { label, meaning, drop: self.drop.clone(), keep: self.keep.clone(), fitted }
    }

    /// Reads a table, for a model if one is given, and says on the standard error what was taken for granted.
    pub fn read(&self, path: &Path, model: Option<&Model>) -> Result<TableFile> {
        let mut file = self.roles(model).read(path)?;
        if let Some(model) = model {
            let by_position = |what: &str| format!("{what}, so that columns are taken by their position");
            file.notes.extend(match (&model.table, &file.table.names) {
                (Some(_), None) => Some(by_position("the table does not name its columns, as the model does")),
                (None, Some(_)) => Some(by_position("the model does not know the names of its columns")),
                _ => None,
            });
        }
        if let Some(label) = &file.label
            && !file.notes.iter().any(|note| note.starts_with("the labels "))
        {
            file.notes.insert(0, format!("the labels are those of `{label}`"));
        }
        file.notes.iter().for_each(|note| eprintln!("note: {}: {note}", path.display()));
        Ok(file)
    }
}

/// Names the table in an error that does not.
pub(crate) fn in_table(path: &Path) -> impl Fn(Error) -> Error {
    move |e| match e {
        Error::Invalid(fault) => Error::file(path, fault),
        other => other,
    }
}
