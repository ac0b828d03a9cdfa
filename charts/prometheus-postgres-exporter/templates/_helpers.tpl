{{/* An entry of the environment from a Secret's key. Takes a dict: name, secret (name, key). */}}
{{- define "postgres.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret.name }}
      key: {{ .secret.key }}
{{- end }}

{{/* How to reach the server. Prints entries of the environment. */}}
{{- define "postgres.dataSource" -}}
{{- $source := .Values.config.datasource }}
{{- with .Values.config.datasourceSecret }}
{{- include "postgres.fromSecret" (dict "name" "DATA_SOURCE_NAME" "secret" .) }}
{{- else }}
{{- $extra := ternary (printf "&%s" $source.extraParams) "" (ne "" (toString (default "" $source.extraParams))) }}
- name: DATA_SOURCE_URI
  value: {{ tpl (printf "%s:%v/%s?sslmode=%s%s" (default "" $source.host) (default 5432 $source.port) (default "" $source.database) (default "disable" $source.sslmode) $extra) . | quote }}
{{- if $source.userSecret }}
{{ include "postgres.fromSecret" (dict "name" "DATA_SOURCE_USER" "secret" $source.userSecret) }}
{{- else if $source.userFile }}
- name: DATA_SOURCE_USER_FILE
  value: {{ $source.userFile }}
{{- else }}
- name: DATA_SOURCE_USER
  value: {{ tpl (toString (default "" $source.user)) . | quote }}
{{- end }}
{{- if $source.pgpassfile }}
- name: PGPASSFILE
  value: {{ $source.pgpassfile }}
- name: DATA_SOURCE_PASS
  value: ""
{{- else if $source.passwordFile }}
- name: DATA_SOURCE_PASS_FILE
  value: {{ $source.passwordFile }}
{{- else if $source.passwordSecret }}
{{ include "postgres.fromSecret" (dict "name" "DATA_SOURCE_PASS" "secret" $source.passwordSecret) }}
{{- else }}
{{ include "postgres.fromSecret" (dict "name" "DATA_SOURCE_PASS" "secret" (dict "name" (include "exporter.fullname" .) "key" "data_source_password")) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether the password is kept in a Secret of this chart. */}}
{{- define "postgres.ownSecret" -}}
{{- $source := .Values.config.datasource }}
{{- if not (or .Values.config.datasourceSecret $source.passwordSecret $source.passwordFile $source.pgpassfile) }}true{{ end }}
{{- end }}

{{/* Arguments of the binary. Prints list items. */}}
{{- define "postgres.args" -}}
{{- $config := .Values.config }}
- --config.file=/etc/postgres_exporter.yml
- --web.listen-address=:{{ .Values.service.targetPort }}
{{- if $config.disableCollectorDatabase }}
- --no-collector.database
{{- end }}
{{- if $config.disableCollectorBgwriter }}
- --no-collector.stat_bgwriter
{{- end }}
{{- if $config.disableDefaultMetrics }}
- --disable-default-metrics
{{- end }}
{{- if $config.disableSettingsMetrics }}
- --no-collector.settings
{{- end }}
{{- with $config.logLevel }}
- --log.level={{ . }}
{{- end }}
{{- with $config.logFormat }}
- --log.format={{ . }}
{{- end }}
{{- include "exporter.webConfigArg" . }}
{{- with $config.extraArgs }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}

{{/* Whether there is a configuration file. */}}
{{- define "postgres.hasConfig" -}}
{{- if or .Values.config.postgresExporter .Values.config.existingSecret.enabled }}true{{ end }}
{{- end }}

{{/* Fields that the two monitors name in their own way. Takes a monitor's values. */}}
{{- define "postgres.endpoint" -}}
{{- $renamed := dict "scrapeTimeout" .monitor.timeout "path" (default .path .monitor.telemetryPath) "scheme" (default (include "exporter.scheme" .root) .monitor.scheme) }}
{{- include "exporter.endpointFields" (dict "root" .root "fields" (merge $renamed (pick .monitor "interval" "tlsConfig" "basicAuth" "relabelings"))) }}
{{- end }}

{{/* What the exporter's container mounts. Prints list items or nothing. */}}
{{- define "postgres.mounts" -}}
{{- if include "postgres.hasConfig" . }}
- name: config
  mountPath: /etc/postgres_exporter.yml
  subPath: postgres_exporter.yml
{{- end }}
{{- include "exporter.webConfigMount" . }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* All volumes of the pod. Prints list items or nothing. */}}
{{- define "postgres.volumes" -}}
{{- if include "postgres.hasConfig" . }}
- name: config
  {{- if .Values.config.existingSecret.enabled }}
  secret:
    secretName: {{ .Values.config.existingSecret.name }}
  {{- else }}
  configMap:
    name: {{ include "exporter.fullname" . }}
  {{- end }}
{{- end }}
{{- include "exporter.webConfigVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
A probe as the values have it. The port `http` of the defaults is the exporter's under any name, and
its scheme is the exporter's; the path `/` gives way where it may need a password. Takes a dict:
root, kind.
*/}}
{{- define "postgres.probe" -}}
{{- $probe := deepCopy (get .root.Values .kind) }}
{{- with $probe.httpGet }}
{{- if eq (toString .port) "http" }}{{ $_ := set . "port" $.root.Values.service.name }}{{ end }}
{{- if eq (include "exporter.scheme" $.root) "https" }}{{ $_ := set . "scheme" "HTTPS" }}{{ end }}
{{- if eq (default "/" .path) "/" }}{{ $_ := set . "path" (include "exporter.probePath" $) }}{{ end }}
{{- end }}
{{- toYaml $probe }}
{{- end }}
