{{/*
Volumes and mounts that more than one chart has. Each prints list items or nothing.
*/}}
{{- define "exporter.webConfigVolume" -}}
{{- if dig "enabled" false (default (dict) .Values.webConfig) }}
- name: web-config
  secret:
    secretName: {{ include "exporter.webConfigSecret" . }}
{{- end }}
{{- end }}

{{- define "exporter.webConfigMount" -}}
{{- if dig "enabled" false (default (dict) .Values.webConfig) }}
- name: web-config
  mountPath: /etc/web-config
  readOnly: true
{{- end }}
{{- end }}

{{/* The flags that name the web configuration and keep health open to probes; the dialect of Go's flag package takes two dashes too. */}}
{{- define "exporter.webConfigArg" -}}
{{- if dig "enabled" false (default (dict) .Values.webConfig) }}
- --web.config.file=/etc/web-config/web-config.yml
- --web.open-health
{{- end }}
{{- end }}

{{/*
The path of a probe: `/` as ever, or where a web configuration may ask for passwords, the two paths
that stay open to all. Takes a dict: root, kind (livenessProbe, readinessProbe).
*/}}
{{- define "exporter.probePath" -}}
{{- if dig "enabled" false (default (dict) .root.Values.webConfig) -}}
{{- ternary "/-/ready" "/-/healthy" (eq .kind "readinessProbe") -}}
{{- else -}}
/
{{- end -}}
{{- end }}

{{/*
An HTTP probe from values of the usual shape. Takes a dict: probe, path, port, scheme, host.
*/}}
{{- define "exporter.probe" -}}
{{- $get := default (dict) .probe.httpGet }}
failureThreshold: {{ default 3 .probe.failureThreshold }}
httpGet:
  {{- with .host }}
  host: {{ . }}
  {{- end }}
  {{- with $get.httpHeaders }}
  httpHeaders:
    {{- range . }}
    - name: {{ .name }}
      value: {{ .value | quote }}
    {{- end }}
  {{- end }}
  path: {{ default .path $get.path }}
  port: {{ default .port $get.port }}
  scheme: {{ upper (default .scheme $get.scheme) }}
initialDelaySeconds: {{ default 0 .probe.initialDelaySeconds }}
periodSeconds: {{ default 10 .probe.periodSeconds }}
successThreshold: {{ default 1 .probe.successThreshold }}
timeoutSeconds: {{ default 1 .probe.timeoutSeconds }}
{{- end }}

{{/* Environment from a map of name to value, or a list of entries; values may be templates. Takes a dict: root, env. */}}
{{- define "exporter.env" -}}
{{- if kindIs "map" .env }}
{{- range $name, $value := .env }}
- name: {{ $name }}
  {{- if kindIs "map" $value }}
  {{- tpl (toYaml $value) $.root | nindent 2 }}
  {{- else }}
  value: {{ tpl (toString $value) $.root | quote }}
  {{- end }}
{{- end }}
{{- else if .env }}
{{ tpl (toYaml .env) .root }}
{{- end }}
{{- end }}

{{/* A value as text; whole numbers of a million and more keep their digits. */}}
{{- define "exporter.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- . | int64 -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end }}

{{/* Container fields under their own names where they have a value. Takes a dict: name → value. */}}
{{- define "exporter.fields" -}}
{{- range $name, $value := . }}
{{- if kindIs "bool" $value }}
{{ $name }}: {{ $value }}
{{- else if $value }}
{{ $name }}:{{ if or (kindIs "map" $value) (kindIs "slice" $value) }}
  {{- toYaml $value | nindent 2 }}
{{- else }} {{ toYaml $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A sidecar: the container of an exporter inside somebody else's pod. Takes a dict: root (for globals),
image (registry, repository, tag, digest, pullPolicy; the tag is the version of this library unless
given), name, port, and optionally portName, args, env, envFrom, resources, securityContext, volumeMounts, probePath.

    containers:
      {{- include "exporter.sidecar" (dict "root" . "name" "redis-exporter" "port" 9121
            "image" (dict "repository" "exporters-rs/redis-exporter")
            "env" (list (dict "name" "REDIS_ADDR" "value" "redis://localhost:6379"))) | nindent 6 }}
*/}}
{{- define "exporter.sidecar" -}}
{{- $portName := default "metrics" .portName }}
- name: {{ .name }}
  image: {{ include "exporter.imageOf" (dict "root" .root "image" .image "default" (include "exporter.sidecarTag" .root)) | quote }}
  imagePullPolicy: {{ default "IfNotPresent" .image.pullPolicy }}
  {{- with .args }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .env }}
  env:
    {{- include "exporter.env" (dict "root" $.root "env" .) | trim | nindent 4 }}
  {{- end }}
  {{- with .envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: {{ $portName }}
      containerPort: {{ .port }}
      protocol: TCP
  {{- $probe := dict "probe" (dict) "path" (default "/" .probePath) "port" $portName "scheme" "HTTP" }}
  livenessProbe:
    {{- include "exporter.probe" $probe | trim | nindent 4 }}
  readinessProbe:
    {{- include "exporter.probe" $probe | trim | nindent 4 }}
  securityContext:
    {{- toYaml (default (fromYaml (include "exporter.hardened" .)) .securityContext) | nindent 4 }}
  {{- with .resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .volumeMounts }}
  volumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The tag of a sidecar's image: the exporters' version, which is the library's and not that of the chart around it. */}}
{{- define "exporter.sidecarTag" -}}
{{- printf "v%s" .Subcharts.common.Chart.AppVersion -}}
{{- end }}

{{/* What an exporter needs of its kernel: nothing. */}}
{{- define "exporter.hardened" -}}
allowPrivilegeEscalation: false
capabilities:
  drop:
    - ALL
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
seccompProfile:
  type: RuntimeDefault
{{- end }}
