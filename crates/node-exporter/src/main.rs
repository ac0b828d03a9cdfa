//! `node_exporter`
fn main() {}
