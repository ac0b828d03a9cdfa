//! `mysqld_exporter`

fn main() {
    let arguments = exporter_core::launch::arguments();
    std::process::exit(mysqld_exporter::app::run(&arguments))
}
