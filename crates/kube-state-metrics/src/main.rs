//! `kube-state-metrics`

fn main() {}
