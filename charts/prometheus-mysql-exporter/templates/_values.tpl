{{/* Keys of `values.yaml`, made by `cargo xtask charts`. */}}
{{- define "prometheus-mysql-exporter.keys" -}}
namespaceOverride nameOverride fullnameOverride replicaCount image imagePullSecrets service serviceMonitor serviceAccount resources podLabels nodeSelector tolerations affinity topologySpreadConstraints podDisruptionBudget networkPolicy podSecurityContext securityContext annotations priorityClassName hostUsers config collectors mysql cloudsqlproxy extraVolumes extraVolumeMounts extraEnvs prometheusRule dashboards webConfig extraManifests global
{{- end }}
