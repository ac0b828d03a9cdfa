//! `redis_exporter`

fn main() {
    std::process::exit(redis_exporter::app::run(&exporter_core::launch::arguments()))
}
