{{/* Keys of `values.yaml`, made by `cargo xtask charts`. */}}
{{- define "prometheus-postgres-exporter.keys" -}}
nameOverride commonLabels fullnameOverride namespaceOverride replicaCount image command service automountServiceAccountToken serviceMonitor podMonitor networkPolicy podDisruptionBudget resources rbac serviceAccount podSecurityContext securityContext hostAliases config nodeSelector tolerations affinity topologySpreadConstraints annotations podLabels deployment livenessProbe readinessProbe priorityClassName initContainers extraContainers extraVolumes extraVolumeMounts extraEnvs prometheusRule dashboards webConfig extraManifests global
{{- end }}
