{{/* Keys of `values.yaml`, made by `cargo xtask charts`. */}}
{{- define "exporters.keys" -}}
global nodeExporter kubeStateMetrics blackbox mysql postgres redis process prometheus-node-exporter kube-state-metrics
{{- end }}
