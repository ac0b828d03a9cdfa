{{/* Files of the TLS volume: value, variable, file name. Prints YAML. */}}
{{- define "redis.tlsFiles" -}}
- {value: caCertFile, variable: REDIS_EXPORTER_TLS_CA_CERT_FILE, file: tls-ca-cert.crt}
- {value: clientKeyFile, variable: REDIS_EXPORTER_TLS_CLIENT_KEY_FILE, file: tls-client-key.key}
- {value: clientCertFile, variable: REDIS_EXPORTER_TLS_CLIENT_CERT_FILE, file: tls-client-cert.crt}
- {value: serverKeyFile, variable: REDIS_EXPORTER_TLS_SERVER_KEY_FILE, file: tls-server-key.key}
- {value: serverCertFile, variable: REDIS_EXPORTER_TLS_SERVER_CERT_FILE, file: tls-server-cert.crt}
{{- end }}

{{/* Scheme of probes. */}}
{{- define "redis.scheme" -}}
{{- $secret := .Values.redisTlsConfig.serverCertFile.secret }}
{{- if and .Values.redisTlsConfig.enabled $secret.name $secret.key }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* Environment of the binary. Prints list items. */}}
{{- define "redis.env" -}}
{{- $address := .Values.redisAddressConfig }}
- name: REDIS_ADDR
  {{- if $address.enabled }}
  valueFrom:
    {{ ternary "secretKeyRef" "configMapKeyRef" $address.isSecret }}:
      name: {{ $address.source.name }}
      key: {{ $address.source.key }}
  {{- else }}
  value: {{ tpl (default "" .Values.redisAddress) . | quote }}
  {{- end }}
{{- with .Values.redisTlsConfig }}
{{- if .enabled }}
{{- if .skipTlsVerification }}
- name: REDIS_EXPORTER_SKIP_TLS_VERIFICATION
  value: "true"
{{- end }}
{{- $tls := . }}
{{- range include "redis.tlsFiles" $ | fromYamlArray }}
{{- $secret := (get $tls .value).secret }}
{{- if and $secret.name $secret.key }}
- name: {{ .variable }}
  value: {{ $tls.mountPath }}/{{ .file }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.auth }}
{{- if .enabled }}
{{- $file := .redisPasswordFile.secret }}
{{- if and $file.name $file.key }}
- name: REDIS_PASSWORD_FILE
  value: {{ .redisPasswordFile.mountPath }}/{{ $file.key }}
{{- else }}
- name: REDIS_PASSWORD
  {{- if .secret.name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret.name }}
      key: {{ .secret.key }}
  {{- else }}
  value: {{ .redisPassword | quote }}
  {{- end }}
{{- with .redisUser }}
- name: REDIS_USER
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.script }}
- name: REDIS_EXPORTER_SCRIPT
  value: /script/script.lua
{{- end }}
{{- include "exporter.env" (dict "root" . "env" .Values.env) }}
{{- end }}

{{- define "redis.mounts" -}}
{{- if .Values.redisTlsConfig.enabled }}
- name: tls-volume
  mountPath: {{ .Values.redisTlsConfig.mountPath }}
  readOnly: true
{{- end }}
{{- $auth := .Values.auth }}
{{- if and $auth.enabled $auth.redisPasswordFile.secret.name }}
- name: redis-password-file
  mountPath: {{ $auth.redisPasswordFile.mountPath }}
  readOnly: true
{{- end }}
{{- if .Values.script }}
- name: script
  mountPath: /script
  readOnly: true
{{- end }}
{{- end }}

{{- define "redis.volumes" -}}
{{- if .Values.redisTlsConfig.enabled }}
{{- $tls := .Values.redisTlsConfig }}
- name: tls-volume
  projected:
    sources:
      {{- range include "redis.tlsFiles" . | fromYamlArray }}
      {{- $secret := (get $tls .value).secret }}
      {{- if and $secret.name $secret.key }}
      - secret:
          name: {{ $secret.name }}
          items:
            - key: {{ $secret.key }}
              path: {{ .file }}
      {{- end }}
      {{- end }}
{{- end }}
{{- $auth := .Values.auth }}
{{- if and $auth.enabled $auth.redisPasswordFile.secret.name }}
- name: redis-password-file
  secret:
    secretName: {{ $auth.redisPasswordFile.secret.name }}
{{- end }}
{{- with .Values.script }}
- name: script
  configMap:
    name: {{ .configmap }}
    items:
      - key: {{ .keyname }}
        path: script.lua
{{- end }}
{{- end }}
