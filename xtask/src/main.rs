//! Project chores, run as `cargo xtask COMMAND`.

mod bench;
mod charts;
mod cluster;
mod compat;
mod crowd;
mod deb;
mod demo;
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
  dist [EXPORTER]...           everything for a release, in dist/: tarballs of static binaries with man
                               page, completions, units, licences and SBOM; Debian packages, image
                               and chart archives where their tools are installed; SHA256SUMS
  images [EXPORTER]...         container images from docker/Dockerfile, by docker or buildah
         [--tag TAG] [--oci-archive DIR]
  charts [--check]             README and values.schema.json of every chart, from the comments of its
                               values; with helm installed also lint and render
         [--package DIR]       and archives with an index
         [--server-dry-run]    instead, what the API server of the current context says of them
  demo [--once]                every exporter on its port, against servers of this machine or private
                               ones, and Prometheus where it is installed; a table until Ctrl-C
  bench EXPORTER --peer PATH   CPU, memory, latency, start time and size beside a peer binary
        [--path /metrics] [--scrapes N] [--rounds N] [--ours PATH] [--out FILE]
        [--ours-arg ARG]... [--peer-arg ARG]... [--pause MS] [-- ARGS FOR BOTH]...
        [--sleepers N] [--wakers N] [--waker-threads N] [--waker-mib N]  processes to look at
        [--pods N] [--nodes N] [--updates A SECOND]  of kube-state-metrics, before the API server of
                               its tests
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
        "charts" => charts::run(rest),
        "demo" => demo::run(rest),
        "bench" => bench::run(rest),
        crowd::WAKER => crowd::waker(rest),
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
