//! Project chores, run as `cargo xtask COMMAND`.

mod bench;
mod compat;
mod dist;
mod exposition;
mod http;
mod images;
mod packages;
mod run;
mod sbom;
mod servers;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test                         format, lints, unit and end-to-end tests
  dist [EXPORTER]...           static binaries in tarballs with man page, completions, units,
                               licences, SBOM and SHA256SUMS, in target/packages
  images [EXPORTER]...         container images from docker/Dockerfile, by docker or buildah
         [--tag TAG] [--oci-archive DIR]
  bench EXPORTER --peer PATH   CPU, memory, latency, start time and size beside a peer binary
        [--path /metrics] [--scrapes N] [--rounds N] [--ours PATH] [--out FILE]
        [--ours-arg ARG]... [--peer-arg ARG]... [--sleepers N] [-- ARGS FOR BOTH]...
  compat OURS PEER             compares two endpoints (http:// URLs or files)
         [--values] [--ignore PREFIX]...

EXPORTER is a crate's name, such as node-exporter; none means all.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        print!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let result = match command.as_str() {
        "test" => test::run(rest),
        "dist" => dist::run(rest),
        "images" => images::run(rest),
        "bench" => bench::run(rest),
        "compat" => return compat::run(rest),
        "help" | "-h" | "--help" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!("unknown command {other:?}\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
