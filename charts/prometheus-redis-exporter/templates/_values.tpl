{{/* Keys of `values.yaml`, made by `cargo xtask charts`. */}}
{{- define "prometheus-redis-exporter.keys" -}}
rbac serviceAccount nameOverride fullnameOverride replicaCount image extraArgs command customLabels securityContext podSecurityContext env service resources nodeSelector tolerations affinity topologySpreadConstraints podDisruptionBudget priorityClassName script redisAddress redisAddressConfig redisTlsConfig annotations labels serviceMonitor auth networkPolicy prometheusRule dashboards extraManifests global
{{- end }}
