//! The generated documentation is what the program prints.

use std::path::Path;
use std::process::Command;

#[test]
fn the_list_of_metrics_is_current() {
    let output = Command::new(env!("CARGO_BIN_EXE_node_exporter"))
        .arg("--list-metrics")
        .output()
        .unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics/node.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        String::from_utf8(output.stdout).unwrap() == page,
        "docs/metrics/node.md is old: \
         cargo run --bin node_exporter -- --list-metrics > docs/metrics/node.md"
    );
}
