//! `kube-state-metrics`

fn main() {
    let arguments = exporter_core::launch::arguments();
    std::process::exit(kube_state_metrics::app::run(&arguments))
}
