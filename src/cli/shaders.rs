//! `residua shaders`: every specialised shader that a model would run on a class of GPUs, as files. Needs no GPU.
use super::NetworkArgs;
use super::network::{Size, Subject};
use crate::data::{check_writable, create_folder, write_bytes};
use crate::gpu::specialise;
use crate::graph::{Fusion, Plan, fuse, lower_for};
use crate::hex::hex;
use crate::kernels::class::{Class, NAMED, Target};
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Model folder or checkpoint (safetensors, .pt, .pth, .ckpt, .bin)
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// Where the .wgsl files go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// Input size, a side or HEIGHTxWIDTH, instead of what the folder says
    #[arg(long, value_name = "SIZE")]
    size: Option<Size>,
    /// Whose GPUs: amd, nvidia, intel, apple, or webgpu for any other and a browser
    #[arg(long = "for", value_name = "CLASS", default_value = "webgpu", value_parser = class)]
    class: Class,
}

/// A class of GPUs by its name.
fn class(name: &str) -> std::result::Result<Class, String> {
    let found = NAMED.into_iter().find(|(known, _)| *known == name);
    let names = || NAMED.map(|(known, _)| known).join(", ");
    found
        .map(|(_, class)| class)
        .ok_or_else(|| format!("there is no class of GPUs of this name, but there are {}", names()))
}

/// A shader's text and how often it is launched.
struct Text {
    wgsl: String,
    file: &'static str,
    launches: usize,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let subject = Subject::open(&args.model, &args.network, args.size)?;
    check_writable(&args.out)?;
    let work = subject.work(args.network.strict)?;
    let plan = Plan::new(&lower_for(&fuse(&work.graph, Fusion::Full), true, Target::of(args.class)));
    let mut texts: BTreeMap<String, Text> = BTreeMap::new();
    for launch in plan.sections.iter().flatten() {
        let Some(kernel) = launch.op.kernel() else { continue };
        let shader = kernel.shader(&launch.io);
        let wgsl = specialise(&shader, launch.io.inputs.len(), launch.weights.len())?;
        let name = format!("{}-{}.wgsl", shader.label, short_hash(&wgsl));
        texts.entry(name).or_insert(Text { wgsl, file: shader.file.name, launches: 0 }).launches += 1;
    }
    create_folder(&args.out)?;
    for (name, text) in &texts {
        write_bytes(&args.out.join(name), text.wgsl.as_bytes())?;
        println!("{:4} launches  {name}", text.launches);
    }
    // After writing: a text that is refused is there to be looked at.
    texts.values().try_for_each(validate)?;
    println!("{} shaders, all valid, in {}", texts.len(), args.out.display());
    Ok(ExitCode::SUCCESS)
}

fn short_hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..4])
}

/// Parses and validates as a WebGPU implementation without any extension would.
fn validate(text: &Text) -> Result<()> {
    let fault = |fault: String| Error::Shader { file: text.file.to_owned(), fault };
    let module = naga::front::wgsl::parse_str(&text.wgsl).map_err(|e| fault(e.emit_to_string(&text.wgsl)))?;
    let flags = naga::valid::ValidationFlags::all();
    let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::empty());
    validator.validate(&module).map_err(|e| fault(e.emit_to_string(&text.wgsl)))?;
    Ok(())
}
