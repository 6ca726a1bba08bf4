//! Whatever the bytes, the readers of tables (.npz, .npy, CSV and Parquet) give an error or a table, with any roles of columns.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::data::{ColumnRoles, LabelChoice, LabelMeaning, TableColumns};
use std::path::Path;

fuzz_target!(
    init: {
        // A panic of the Parquet reader is caught and made an error, so it may not end the run before it can be; any other
        // one still ends it.
        std::panic::set_hook(Box::new(|_| ()));
    },
    |bytes: &[u8]| {
        let names = |of: &[&str]| of.iter().map(|n| n.to_string()).collect::<Vec<String>>();
        let usual = ColumnRoles::default();
        let fitted = TableColumns {
            features: names(&["b", "a"]),
            label: Some("y".into()),
            left_out: names(&["c"]),
            anomalous: names(&["1"]),
            normal: names(&[]),
        };
        let all = [
            ColumnRoles { label: LabelChoice::Named("a".into()), meaning: LabelMeaning::Anomalous(names(&["1"])), ..usual.clone() },
            ColumnRoles { label: LabelChoice::Absent, drop: names(&["a"]), keep: names(&["id"]), ..usual.clone() },
            ColumnRoles { meaning: LabelMeaning::Normal(names(&["0"])), fitted: Some(fitted), ..usual.clone() },
            usual,
        ];
        for roles in all {
            let Ok(file) = roles.decode(bytes, Path::new("fuzz")) else { continue };
            let table = file.table;
            assert!(table.rows() * table.columns == table.values.len() && table.rows() > 0);
            assert!(table.labels.is_none_or(|y| y.len() == table.values.len() / table.columns));
        }
    }
);
