//! The generated documentation is what the program prints, and the shipped file is one it takes.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_list_of_metrics_is_current() {
    let output = Command::new(env!("CARGO_BIN_EXE_blackbox_exporter"))
        .arg("--list-metrics")
        .output()
        .unwrap();
    let page = std::fs::read_to_string(root().join("docs/metrics/blackbox.md")).unwrap();
    assert!(
        String::from_utf8(output.stdout).unwrap() == page,
        "docs/metrics/blackbox.md is old: \
         cargo run --bin blackbox_exporter -- --list-metrics > docs/metrics/blackbox.md"
    );
}

#[test]
fn the_shipped_modules_load() {
    let file = root().join("docker/blackbox.yml");
    let output = Command::new(env!("CARGO_BIN_EXE_blackbox_exporter"))
        .arg(format!("--config.file={}", file.display()))
        .arg("--config.check")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
