{{/* Limits of a monitor; 0 leaves a limit out. Takes the values that hold them. */}}
{{- define "exporter.scrapeLimits" -}}
{{- range $limit := list "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" }}
{{- with index $ $limit }}
{{ $limit }}: {{ . | int64 }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Fields of an endpoint that are wanted. Takes a dict: root and fields, a dict from field to value;
empty values are left out, booleans only where they are given as such.
*/}}
{{- define "exporter.endpointFields" -}}
{{- range $name, $value := .fields }}
{{- if kindIs "bool" $value }}
{{ $name }}: {{ $value }}
{{- else if $value }}
{{- if or (kindIs "map" $value) (kindIs "slice" $value) }}
{{ $name }}:
  {{- tpl (toYaml $value) $.root | nindent 2 }}
{{- else }}
{{ $name }}: {{ $value | toYaml }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Relabelings that every target of a multi-target monitor has: the target is the instance, its name the
label `target`, and the labels of a map are added. Takes a dict: instance, name, labels.
*/}}
{{- define "exporter.targetRelabelings" -}}
- sourceLabels: [instance]
  targetLabel: instance
  replacement: {{ .instance | toString | quote }}
  action: replace
- sourceLabels: [target]
  targetLabel: target
  replacement: {{ .name | toString | quote }}
  action: replace
{{- range $label, $value := .labels }}
- sourceLabels: [{{ $label | quote }}]
  targetLabel: {{ $label | quote }}
  replacement: {{ $value | toString | quote }}
  action: replace
{{- end }}
{{- end }}

{{/*
The values of a monitor with the umbrella's `global.serviceMonitor` below them. Takes a dict: root,
values. Prints YAML.
*/}}
{{- define "exporter.monitor" -}}
{{- $global := dig "serviceMonitor" (dict) (default (dict) .root.Values.global) }}
{{- $monitor := deepCopy .values }}
{{- if $global.enabled }}{{ $_ := set $monitor "enabled" true }}{{ end }}
{{- with $global.interval }}{{ $_ := set $monitor "interval" (default . $monitor.interval) }}{{ end }}
{{- with $global.labels }}{{ $_ := set $monitor "additionalLabels" (merge (dict) (default (dict) $monitor.additionalLabels) .) }}{{ end }}
{{- toYaml $monitor }}
{{- end }}
