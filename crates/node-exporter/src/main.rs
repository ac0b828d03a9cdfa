//! `node_exporter`

fn main() {
    std::process::exit(node_exporter::app::run(&exporter_core::launch::arguments()))
}
