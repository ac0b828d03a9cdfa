{{/* Name of the chart, or of its alias in an umbrella. */}}
{{- define "exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Base name of all objects. */}}
{{- define "exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Namespace of all objects. */}}
{{- define "exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end }}

{{/* Name and version, as the label helm.sh/chart has them. */}}
{{- define "exporter.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* What selects the pods. Never more than these two: selectors cannot be changed by an upgrade. */}}
{{- define "exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of every object. */}}
{{- define "exporter.labels" -}}
helm.sh/chart: {{ include "exporter.chart" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/component: metrics
app.kubernetes.io/part-of: {{ include "exporter.partOf" . }}
{{ include "exporter.selectorLabels" . }}
{{- with .Chart.AppVersion }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
{{- with .Values.commonLabels }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- with .Values.customLabels }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- if eq (include "exporter.releaseLabel" .) "true" }}
release: {{ .Release.Name }}
{{- end }}
{{- end }}

{{/* The chart's own name, which an alias takes from it, so that its instances can be grouped. */}}
{{- define "exporter.partOf" -}}
{{- $annotations := default (dict) .Chart.Annotations -}}
{{- default (include "exporter.name" .) (index $annotations "exporters-rs/chart") -}}
{{- end }}

{{/* Whether the label `release` is wanted, here or by the umbrella. */}}
{{- define "exporter.releaseLabel" -}}
{{- $global := dig "releaseLabel" false (default (dict) .Values.global) -}}
{{- if or .Values.releaseLabel $global }}true{{ end -}}
{{- end }}

{{/* Name of the service account. */}}
{{- define "exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "exporter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/*
An image reference. Takes a dict: root, image (registry, repository, tag, digest, sha), and default,
the tag where none is given.
*/}}
{{- define "exporter.imageOf" -}}
{{- $global := dig "imageRegistry" "" (default (dict) .root.Values.global) -}}
{{- $registry := default (default "" .image.registry) $global -}}
{{- $tag := default .default .image.tag | toString -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .image.repository }}{{ with $tag }}:{{ . }}{{ end -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- with .image.sha }}@sha256:{{ . }}{{ end -}}
{{- end }}

{{/* Pull secrets: entries are names or maps with a name. Takes a dict: root, secrets. */}}
{{- define "exporter.pullSecrets" -}}
{{- $global := dig "imagePullSecrets" (list) (default (dict) .root.Values.global) -}}
{{- range concat (default (list) $global) (default (list) .secrets) }}
{{- if kindIs "map" . }}
- {{ toYaml . | nindent 2 | trim }}
{{- else }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The head of an object's metadata: name, namespace, labels. Takes a dict: root, name, labels, annotations. */}}
{{- define "exporter.metadata" -}}
name: {{ default (include "exporter.fullname" .root) .name }}
{{- if not .cluster }}
namespace: {{ default (include "exporter.namespace" .root) .namespace }}
{{- end }}
labels:
  {{- $labels := merge (dict) (default (dict) .labels) (fromYaml (include "exporter.labels" .root)) }}
  {{- toYaml $labels | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- tpl (toYaml .) $.root | nindent 2 }}
{{- end }}
{{- end }}

{{/*
A warning for NOTES about values that no template reads. Takes a dict: root, known, the keys of the
chart's values with blanks between them.
*/}}
{{- define "exporter.unknownValues" -}}
{{- $known := splitList " " (trim .known) }}
{{- range $key, $_ := .root.Values }}
{{- if not (has $key (concat $known (list "global" "enabled" "common"))) }}

WARNING: there is no value {{ $key | quote }}; is it misspelt?
{{- end }}
{{- end }}
{{- end }}
