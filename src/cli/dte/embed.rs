//! `residua dte embed`: the features of images as a table, for any use.
use super::images::{ImageArgs, embed};
use crate::cli::DeviceArgs;
use crate::data::{check_writable, write_bytes, write_npy_rows};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(mut_arg("features", |features| features.required(true)))]
pub(super) struct Args {
    /// Images, and folders of images
    #[arg(value_name = "IMAGES", required = true)]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    images: ImageArgs,
    /// Table to write: .npy (rows, features), or .csv, with a label column where folders tell labels. Beside it, a list
    /// of the rows' files: for table.npy, table.files.csv
    #[arg(long, value_name = "TABLE")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

/// True when an image could not be read; the rest is done.
pub(super) fn run(args: &Args) -> Result<bool> {
    let ending = args.out.extension().map(|e| e.to_string_lossy().to_lowercase());
    let as_csv = match ending.as_deref() {
        Some("npy") => false,
        Some("csv") => true,
        _ => return Err(Error::file(&args.out, "is no name of a table that can be written: .npy or .csv")),
    };
    let folder = args.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    check_writable(folder)?;
    crate::cli::places::check_apart(&args.out, &args.inputs)?;
    // Clap has made sure that it is there.
    let Some(network) = &args.images.features else { return Err(Error::Invalid("--features is missing".into())) };
    let rows = embed(&args.device.open()?, &args.inputs, network, &args.images, None)?;
    let (table, list) = (&rows.table, args.out.with_extension("files.csv"));
    let values: Vec<f32> = table.values.iter().map(|&v| v as f32).collect();
    if as_csv {
        let mut text: Vec<String> = (0..table.columns).map(|c| format!("f{c}")).collect();
        text.extend(table.labels.as_ref().map(|_| "label".to_owned()));
        let mut text = text.join(",");
        for (i, row) in values.chunks_exact(table.columns).enumerate() {
            let label = table.labels.as_ref().map(|y| u8::from(y[i]).to_string());
            let fields: Vec<String> = row.iter().map(f32::to_string).chain(label).collect();
            text.push('\n');
            text.push_str(&fields.join(","));
        }
        text.push('\n');
        write_bytes(&args.out, text.as_bytes())?;
    } else {
        write_npy_rows(&args.out, table.columns, &values)?;
    }
    write_bytes(&list, &rows.csv(None)?)?;
    println!(
        "{}: {} rows of {} features; files in {}",
        args.out.display(),
        table.rows(),
        table.columns,
        list.display()
    );
    Ok(rows.tell_failures())
}
