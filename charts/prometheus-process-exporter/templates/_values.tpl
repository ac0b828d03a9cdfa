{{/* Keys of `values.yaml`, made by `cargo xtask charts`. */}}
{{- define "prometheus-process-exporter.keys" -}}
nameOverride fullnameOverride namespaceOverride commonLabels releaseLabel image imagePullSecrets config existingConfigMap extraArgs env service serviceAccount serviceMonitor networkPolicy updateStrategy resources podSecurityContext securityContext hostPID hostNetwork podAnnotations podLabels nodeSelector tolerations affinity priorityClassName extraVolumes extraVolumeMounts prometheusRule dashboards webConfig extraManifests global
{{- end }}
