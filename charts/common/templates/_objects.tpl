{{/* The service account. */}}
{{- define "exporter.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "exporter.metadata" (dict "root" . "name" (include "exporter.serviceAccountName" .) "annotations" .Values.serviceAccount.annotations) | nindent 2 }}
{{- if hasKey .Values.serviceAccount "automountServiceAccountToken" }}
automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
{{- end }}
{{- with include "exporter.pullSecrets" (dict "root" . "secrets" .Values.serviceAccount.imagePullSecrets) | trim }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whatever else the user wants: entries are maps or templates. */}}
{{- define "exporter.extraManifests" -}}
{{- range .Values.extraManifests }}
---
{{ if kindIs "string" . }}{{ tpl . $ }}{{ else }}{{ tpl (toYaml .) $ }}{{ end }}
{{- end }}
{{- end }}

{{/* A vertical pod autoscaler, where the cluster knows the kind. Takes a dict: root, kind, container. */}}
{{- define "exporter.verticalPodAutoscaler" -}}
{{- $root := .root }}
{{- $vpa := default (dict) $root.Values.verticalPodAutoscaler }}
{{- if and $vpa.enabled ($root.Capabilities.APIVersions.Has "autoscaling.k8s.io/v1") }}
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata:
  {{- include "exporter.metadata" (dict "root" $root) | nindent 2 }}
spec:
  {{- with $vpa.recommenders }}
  recommenders:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resourcePolicy:
    containerPolicies:
      - containerName: {{ .container }}
        {{- with $vpa.controlledResources }}
        controlledResources:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- with $vpa.controlledValues }}
        controlledValues: {{ . }}
        {{- end }}
        {{- with $vpa.maxAllowed }}
        maxAllowed:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- with $vpa.minAllowed }}
        minAllowed:
          {{- toYaml . | nindent 10 }}
        {{- end }}
  targetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ include "exporter.fullname" $root }}
  {{- with $vpa.updatePolicy }}
  updatePolicy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A disruption budget from a map of its spec. Takes a dict: root, spec. */}}
{{- define "exporter.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "exporter.metadata" (dict "root" .root) | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "exporter.selectorLabels" .root | nindent 6 }}
  {{- toYaml .spec | nindent 2 }}
{{- end }}

{{/*
Alert and recording rules: those of the chart's folder `rules` where `rules.default` wants them, and
the user's own. Takes a dict: root, values (prometheusRule).
*/}}
{{- define "exporter.prometheusRule" -}}
{{- $root := .root }}
{{- with .values }}
{{- if .enabled }}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  {{- $labels := merge (dict) (default (dict) .additionalLabels) (default (dict) .labels) }}
  {{- include "exporter.metadata" (dict "root" $root "namespace" .namespace "labels" $labels) | nindent 2 }}
spec:
  groups:
    {{- if .rules }}
    - name: {{ include "exporter.name" $root }}
      rules:
        {{- tpl (toYaml .rules) $root | nindent 8 }}
    {{- end }}
    {{- if ne (toString .defaultRules) "false" }}
    {{- range $path, $_ := $root.Files.Glob "rules/*.yaml" }}
    {{- with ($root.Files.Get $path | fromYaml).groups }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Dashboards of the chart's folder `dashboards`, as ConfigMaps that Grafana's sidecar finds. */}}
{{- define "exporter.dashboards" -}}
{{- $root := . }}
{{- $dashboards := default (dict) .Values.dashboards }}
{{- if $dashboards.enabled }}
{{- range $path, $_ := .Files.Glob "dashboards/*.json" }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  {{- $name := printf "%s-%s" (include "exporter.fullname" $root) (trimSuffix ".json" (base $path)) | trunc 63 | trimSuffix "-" }}
  {{- $labels := merge (dict) (default (dict "grafana_dashboard" "1") $dashboards.labels) }}
  {{- include "exporter.metadata" (dict "root" $root "name" $name "namespace" $dashboards.namespace "labels" $labels "annotations" $dashboards.annotations) | nindent 2 }}
data:
  {{ base $path }}: |-
    {{- $root.Files.Get $path | trim | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Name of the Secret with the web configuration. */}}
{{- define "exporter.webConfigSecret" -}}
{{- $web := default (dict) .Values.webConfig -}}
{{- default (printf "%s-web-config" (include "exporter.fullname" .)) $web.existingSecret -}}
{{- end }}

{{/*
The Secret with the web configuration: TLS, passwords, headers and rate limit of the exporter's own
endpoint.
*/}}
{{- define "exporter.webConfig" -}}
{{- $web := default (dict) .Values.webConfig }}
{{- if and $web.enabled (not $web.existingSecret) }}
apiVersion: v1
kind: Secret
metadata:
  {{- include "exporter.metadata" (dict "root" . "name" (include "exporter.webConfigSecret" .)) | nindent 2 }}
type: Opaque
stringData:
  web-config.yml: |
    {{- tpl (toYaml $web.config) . | nindent 4 }}
{{- end }}
{{- end }}

{{/* Scheme of the exporter's own endpoint. */}}
{{- define "exporter.scheme" -}}
{{- $web := default (dict) .Values.webConfig -}}
{{- if and $web.enabled (or $web.tls (hasKey (default (dict) $web.config) "tls_server_config")) }}https{{ else }}http{{ end -}}
{{- end }}
