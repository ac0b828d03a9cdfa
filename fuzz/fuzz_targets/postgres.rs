//! Data source names, files of custom queries and values of the PostgreSQL exporter.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postgres_exporter::collectors::settings;
use postgres_exporter::dsn::Dsn;
use postgres_exporter::dsn::environment::Environment;
use postgres_exporter::dsn::settings::Settings;
use postgres_exporter::queries;
use postgres_exporter::version::Version;

fuzz_target!(|text: &str| {
    for dsn in [Dsn::parse(text), Dsn::of_request(text)].into_iter().flatten() {
        let _ = Settings::resolve(&dsn, &Environment::default());
    }
    let _ = queries::load(text);
    let _ = (Version::parse(text), Version::numbers(text));
    let _ = settings::normalise(text, "kB");
    for type_oid in [16, 17, 20, 25, 701, 1082, 1083, 1184, 1266] {
        let _ = queries::value(Some(text), type_oid);
        let _ = queries::label(Some(text), type_oid);
    }
});
