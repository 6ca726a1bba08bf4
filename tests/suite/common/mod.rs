//! What the integration tests share: where the goldens are, the program, adapters, networks as graphs.
#![allow(dead_code)]
pub mod bench;
pub mod compared;
pub mod embedded;
pub mod folder;
pub mod guided;
pub mod host;
pub mod painted;
pub mod place;
pub mod small;
pub mod volume;

use residua::graph::{Graph, SectionId, StateId};
use residua::model::{Call, Network, Overrides};
use residua::{Shape, Tensor, gpu};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

/// `tests/goldens`, or `RESIDUA_GOLDENS`.
pub fn goldens() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    std::env::var_os("RESIDUA_GOLDENS").map_or_else(own, PathBuf::from)
}

/// The UNet goldens of `tests/goldens`.
pub const NETWORKS: [&str; 9] = [
    "anoddpm",
    "diffusers-ddpm-google-style",
    "diffusers-default-style",
    "guided-new-order-pddpm-style",
    "guided-updown-scaleshift-legacy",
    "guided-wolleb-style",
    "ldm-unet-diffad-style",
    "monai-generative-unet",
    "monai-unet",
];

/// The goldens of classifiers of noised images.
pub const CLASSIFIERS: [&str; 5] =
    ["classifier-adaptive", "classifier-attention", "classifier-spatial", "classifier-spatial-v2", "guided-classifier"];

/// The goldens of all networks of noised images.
pub fn denoisers_and_classifiers() -> impl Iterator<Item = &'static str> {
    NETWORKS.into_iter().chain(CLASSIFIERS)
}

/// The ResNet goldens of `tests/goldens`.
pub const RESNETS: [&str; 3] = ["resnet-basic", "resnet-bottleneck", "resnet-wide"];

/// The goldens of autoencoders, comparers, and of a UNet that an image's embedding modulates.
pub const LATENT: [&str; 8] = [
    "compvis-autoencoderkl",
    "diffae",
    "diffusers-autoencoderkl",
    "diffusers-vqmodel",
    "draem-segnet-6ch",
    "draem-segnet-9ch",
    "monai-autoencoderkl",
    "monai-vqvae",
];

/// The chains of `tests/goldens`.
pub const CHAINS: [&str; 22] = [
    "advrad-multiscale",
    "advrad-oneshot-grad",
    "anoddpm-gauss",
    "anoddpm-simplex",
    "ddad",
    "ddad-fixed",
    "diffad",
    "diffad-ldm-ddim",
    "diffad-noised",
    "diffusers-ddim",
    "diffusers-ddim-eta1-trailing",
    "diffusers-ddim-vpred",
    "diffusers-ddpm",
    "guided-ddim25",
    "pddpm",
    "pinaya",
    "simplex-fields",
    "wolleb",
    "wolleb-paper",
    "wolleb-respaced",
    "xu",
    "xu-noised",
];

/// A golden network folder that is always there.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

/// Copies networks of a golden chain into folders of a model: each's folder in the chain, its folder there, and its weights' file.
pub fn copy_networks(chain: &str, networks: &[(&str, &str, &str)], folder: &Path) {
    for (from, to, weights) in networks {
        std::fs::create_dir_all(folder.join(to)).unwrap();
        for file in ["config.json", weights] {
            std::fs::copy(golden(chain).join(from).join(file), folder.join(to).join(file)).unwrap();
        }
    }
}

/// The program, as a user starts it.
pub fn residua(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_residua")).args(args).output().expect("the program starts")
}

/// (exit code, standard output, standard error).
pub fn run(args: &[&str]) -> (i32, String, String) {
    let out = residua(args);
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().expect("it ends by itself"), text(&out.stdout), text(&out.stderr))
}

/// A GPU opened so; a visible skip where there is no adapter, and a failure with `RESIDUA_REQUIRE_GPU`.
pub fn open_gpu(options: gpu::Options) -> Option<Arc<gpu::Gpu>> {
    match pollster::block_on(gpu::Gpu::new(None, true, options)) {
        Ok(g) => Some(Arc::new(g)),
        Err(e) => {
            let required = std::env::var_os("RESIDUA_REQUIRE_GPU").is_some();
            assert!(!required, "RESIDUA_REQUIRE_GPU is set, but there is no adapter: {e}");
            println!("SKIPPED on the GPU: {e}");
            None
        }
    }
}

/// Values in −1..1, the same on every machine.
pub fn random(shape: Shape, seed: u64) -> Tensor {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    Tensor { shape, data: (0..shape.len()).map(|_| next()).collect() }
}

/// A graph of one section with its inputs and its output.
pub struct Case {
    pub graph: Graph,
    pub section: SectionId,
    pub inputs: Vec<(StateId, Tensor)>,
    pub out: StateId,
}

/// One call of a golden network, for a small random image at its own size.
pub fn network(folder: &Path) -> Case {
    let network = Network::open(folder, &Overrides::default()).unwrap();
    let (h, w) = network.architecture.sample_size().unwrap_or((32, 32));
    let image = random(Shape::new(1, h, w, network.in_channels()), 1);
    let Call { graph, section, inputs, out } = network.call(image.shape).unwrap();
    let one = |v: f32| Tensor { shape: Shape::new(1, 1, 1, 1), data: vec![v] };
    // A time, and a class.
    let inputs = inputs.into_iter().zip([image, one(321.0), one(1.0)]).collect();
    Case { graph, section, inputs, out }
}
