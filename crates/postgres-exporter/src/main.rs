//! `postgres_exporter`

use exporter_core::launch;
use postgres_exporter::dsn::environment::Environment;
use postgres_exporter::{app, sys};

fn main() {
    // The environment as the user set it, before it is changed.
    let environment = Environment::of_process();
    sys::keep_libraries_in();
    std::process::exit(app::run(&launch::arguments(), &environment))
}
