//! `blackbox_exporter`

fn main() {
    std::process::exit(blackbox_exporter::app::run(
        &exporter_core::launch::arguments(),
    ))
}
