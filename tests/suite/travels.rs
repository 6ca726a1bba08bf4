//! The program alone: one copied file, with neither the repository nor a home, does its main job.
use std::path::Path;
use std::process::{Command, Output};

/// A copy of the program in a folder, with an environment that names nothing.
fn alone(folder: &Path, args: &[&str], env: &[(&str, &Path)]) -> Output {
    let program = folder.join(format!("residua{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_residua"), &program).unwrap();
    }
    let mut command = Command::new(&program);
    command.args(args).current_dir(folder).env_clear().envs(env.iter().copied());
    command.output().unwrap()
}

#[test]
fn a_copy_in_an_empty_folder_inspects_its_samples_and_writes_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--device", "cpu", "--runs", "1", "--steps", "1", "--threshold", "1"];
    let out = alone(folder.path(), &args, &[]);
    let (said, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}{errors}");
    assert!(said.contains("8 images, 0 anomalous, 0 failed"), "{said}");
    let report = std::fs::read_to_string(folder.path().join("residua-out/report.html")).unwrap();
    assert!(report.contains("brick-1") && report.contains("splash"));
    // Where there is no home, the model lies in the current folder.
    const OWN: &str = concat!("residua-", env!("CARGO_PKG_VERSION"), "/texture");
    let detector = |root: &Path| root.join(OWN).join("detector.json");
    assert!(detector(folder.path()).is_file());
    std::fs::remove_dir_all(folder.path().join(OWN)).unwrap();

    // A folder of this name that holds another model is not taken for it.
    let other = folder.path().join("weights/texture");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("detector.json"), "{}").unwrap();
    let home = folder.path().join("data");
    let out = alone(folder.path(), &["selftest", "--device", "cpu"], &[("XDG_DATA_HOME", &home)]);
    if cfg!(all(unix, not(target_os = "macos"))) {
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert!(detector(&home).is_file() && !detector(folder.path()).exists());
    }
}
