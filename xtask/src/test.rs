//! `cargo xtask test`: everything that CI checks.

use crate::run::{cargo, check, exists};
use crate::{charts, servers};

pub fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(argument) = arguments.first() {
        return Err(format!(
            "test takes no arguments, got {argument:?}; for one test: cargo test -p CRATE NAME"
        ));
    }
    step("format");
    check(cargo().args(["fmt", "--all", "--check"]))?;
    step("lints");
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--"];
    check(cargo().args(lints).args(["-D", "warnings"]))?;
    step("build");
    // The end-to-end tests start the binaries that stand beside them in the target directory.
    check(cargo().args(["build", "--workspace", "--bins"]))?;
    step("servers");
    servers::ensure()?;
    step("tests");
    check(cargo().args(["test", "--workspace", "--no-fail-fast"]))?;
    step("charts and rules");
    charts::verify()?;
    step("licences, bans, sources");
    if exists("cargo-deny") {
        check(cargo().args(["deny", "check", "licenses", "bans", "sources"]))?;
    } else {
        println!("cargo-deny is not installed; `cargo install cargo-deny` to check these too");
    }
    println!("\nall passed");
    Ok(())
}

fn step(name: &str) {
    println!("\n== {name}");
}
