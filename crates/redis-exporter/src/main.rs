//! `redis_exporter`

fn main() {}
