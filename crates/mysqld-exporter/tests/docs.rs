//! The generated documentation is what the program prints.

use std::path::Path;
use std::process::Command;

#[test]
fn the_list_of_metrics_is_current() {
    let output = Command::new(env!("CARGO_BIN_EXE_mysqld_exporter"))
        .arg("--list-metrics")
        .output()
        .unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics/mysqld.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        String::from_utf8(output.stdout).unwrap() == page,
        "docs/metrics/mysqld.md is old: \
         cargo run --bin mysqld_exporter -- --list-metrics > docs/metrics/mysqld.md"
    );
}
