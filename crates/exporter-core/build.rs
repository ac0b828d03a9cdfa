//! Tells the program which compiler made it.

use std::process::Command;

fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let said = Command::new(rustc).arg("--version").output();
    let version = said
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_default();
    // "rustc 1.90.0 (hash date)": the first two words.
    let words: Vec<&str> = version.split_whitespace().take(2).collect();
    let version = match words.as_slice() {
        [] => "rustc".to_owned(),
        words => words.join(" "),
    };
    println!("cargo::rustc-env=EXPORTERS_RUSTC={version}");
    for variable in [
        "EXPORTERS_REVISION",
        "EXPORTERS_BRANCH",
        "EXPORTERS_BUILD_DATE",
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
