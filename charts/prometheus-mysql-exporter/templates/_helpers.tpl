{{/* Name and key of the options file. */}}
{{- define "mysql.configSecret" -}}
{{- default (printf "%s-config" (include "exporter.fullname" .)) .Values.mysql.existingConfigSecret.name -}}
{{- end }}
{{- define "mysql.configVolume" -}}
{{- include "mysql.configSecret" . | replace "." "-" | trunc 63 | trimSuffix "-" -}}
{{- end }}
{{- define "mysql.configKey" -}}
{{- default "my.cnf" .Values.mysql.existingConfigSecret.key -}}
{{- end }}

{{/* Name of the Secret with Google's credentials. */}}
{{- define "mysql.proxySecret" -}}
{{- default (printf "%s-cloudsqlproxy" (include "exporter.fullname" .)) .Values.cloudsqlproxy.credentialsSecret -}}
{{- end }}

{{/* Arguments of the binary. Prints list items. */}}
{{- define "mysql.args" -}}
- --config.my-cnf=/etc/cnf/{{ include "mysql.configKey" . }}
{{- with .Values.config.logLevel }}
- --log.level={{ . }}
{{- end }}
{{- with .Values.config.logFormat }}
- --log.format={{ . }}
{{- end }}
{{- include "exporter.webConfigArg" . }}
{{- with .Values.config.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- range $name, $value := .Values.collectors }}
{{- if and (kindIs "bool" $value) $value }}
- --collect.{{ $name }}
{{- else if kindIs "bool" $value }}
- --no-collect.{{ $name }}
{{- else }}
- --collect.{{ $name }}
- {{ include "exporter.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The options file. */}}
{{- define "mysql.optionsFile" -}}
[client]
{{- with .Values.mysql.protocol }}
protocol={{ . }}
{{- end }}
host={{ tpl .Values.mysql.host . }}
port={{ .Values.mysql.port }}
user={{ .Values.mysql.user }}
{{- if not .Values.mysql.existingPasswordSecret.name }}
password={{ .Values.mysql.pass | quote }}
{{- end }}
{{- with .Values.mysql.db }}
database={{ . }}
{{- end }}
{{- range .Values.mysql.additionalConfig }}
{{ . }}
{{- end }}
{{- if .Values.serviceMonitor.multipleTarget.enabled }}
{{- range .Values.serviceMonitor.multipleTarget.targets }}
{{- if and .user .password }}
[client.{{ .name }}]
user={{ .user }}
password={{ .password | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
