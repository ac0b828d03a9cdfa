//! `node_exporter`

fn main() {
    let arguments = std::env::args_os();
    let arguments = arguments
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    std::process::exit(node_exporter::app::run(arguments))
}
