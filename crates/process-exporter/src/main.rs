//! `process-exporter`

fn main() {
    std::process::exit(process_exporter::app::run(
        &exporter_core::launch::arguments(),
    ))
}
