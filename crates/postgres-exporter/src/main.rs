//! `postgres_exporter`

fn main() {}
