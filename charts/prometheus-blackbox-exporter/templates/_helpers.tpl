{{/* Path of the configuration file. */}}
{{- define "blackbox.configFile" -}}
{{- if .Values.config }}{{ default "/config/blackbox.yaml" .Values.configPath }}{{ else }}{{ default "/etc/blackbox_exporter/config.yml" .Values.configPath }}{{ end -}}
{{- end }}

{{/* The pod, the same in a Deployment and a DaemonSet. */}}
{{- define "blackbox.pod" -}}
automountServiceAccountToken: {{ .Values.automountServiceAccountToken }}
serviceAccountName: {{ include "exporter.serviceAccountName" . }}
{{- include "exporter.fields" (dict
  "dnsPolicy" .Values.dnsPolicy
  "hostAliases" .Values.hostAliases
  "nodeSelector" .Values.nodeSelector
  "affinity" .Values.affinity
  "tolerations" .Values.tolerations
  "topologySpreadConstraints" .Values.topologySpreadConstraints
  "dnsConfig" .Values.dnsConfig
  "priorityClassName" .Values.priorityClassName
  "securityContext" .Values.podSecurityContext
  "initContainers" .Values.extraInitContainers
  "restartPolicy" .Values.restartPolicy) }}
{{- with include "exporter.pullSecrets" (dict "root" . "secrets" .Values.image.pullSecrets) | trim }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
hostNetwork: {{ .Values.hostNetwork }}
{{- if kindIs "bool" .Values.hostUsers }}
hostUsers: {{ .Values.hostUsers }}
{{- end }}
containers:
  {{- with .Values.extraContainers }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
  - name: blackbox-exporter
    image: {{ include "exporter.imageOf" (dict "root" . "image" .Values.image "default" (printf "v%s" .Chart.AppVersion)) | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    {{- with .Values.securityContext }}
    securityContext:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.extraEnv }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.extraEnvFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    args:
      - --config.file={{ include "blackbox.configFile" . }}
      {{- include "exporter.webConfigArg" . | trim | nindent 6 }}
      {{- with .Values.extraArgs }}
      {{- tpl (toYaml .) $ | nindent 6 }}
      {{- end }}
    {{- with .Values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    ports:
      - containerPort: {{ .Values.containerPort }}
        name: http
        {{- with .Values.hostPort }}
        hostPort: {{ . }}
        {{- end }}
    {{- range $kind := list "livenessProbe" "readinessProbe" }}
    {{- with get $.Values $kind }}
    {{ $kind }}:
      {{- $get := merge (dict) (default (dict) .httpGet) (dict "scheme" (upper (include "exporter.scheme" $))) }}
      {{- merge (dict "httpGet" $get) . | toYaml | nindent 6 }}
    {{- end }}
    {{- end }}
    volumeMounts:
      {{- include "blackbox.mounts" . | trim | nindent 6 }}
  {{- if .Values.configReloader.enabled }}
  {{- include "blackbox.reloader" . | trim | nindent 2 }}
  {{- end }}
volumes:
  {{- include "blackbox.volumes" . | trim | nindent 2 }}
{{- end }}

{{- define "blackbox.mounts" -}}
{{- if .Values.config }}
- mountPath: {{ dir (include "blackbox.configFile" .) }}
  name: config
{{- end }}
{{- range .Values.extraConfigmapMounts }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  subPath: {{ default "" .subPath | quote }}
  readOnly: {{ default false .readOnly }}
{{- end }}
{{- range .Values.extraSecretMounts }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  subPath: {{ default "" .subPath | quote }}
  readOnly: {{ default false .readOnly }}
{{- end }}
{{- include "exporter.webConfigMount" . }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "blackbox.volumes" -}}
{{- if .Values.config }}
- name: config
  {{- if or .Values.secretConfig .Values.configExistingSecretName }}
  secret:
    secretName: {{ default (include "exporter.fullname" .) .Values.configExistingSecretName }}
  {{- else }}
  configMap:
    name: {{ include "exporter.fullname" . }}
  {{- end }}
{{- end }}
{{- range .Values.extraConfigmapMounts }}
- name: {{ .name }}
  configMap:
    name: {{ .configMap }}
    {{- with .defaultMode }}
    defaultMode: {{ . }}
    {{- end }}
{{- end }}
{{- range .Values.extraSecretMounts }}
- name: {{ .name }}
  secret:
    secretName: {{ .secretName }}
    {{- with .defaultMode }}
    defaultMode: {{ . }}
    {{- end }}
{{- end }}
{{- include "exporter.webConfigVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The container that tells of changes. */}}
{{- define "blackbox.reloader" -}}
{{- $reloader := .Values.configReloader }}
- name: config-reloader
  image: {{ include "exporter.imageOf" (dict "root" . "image" $reloader.image "default" "") | quote }}
  imagePullPolicy: {{ $reloader.image.pullPolicy }}
  {{- include "exporter.fields" (pick $reloader "securityContext" "resources" "livenessProbe" "readinessProbe") | nindent 2 }}
  args:
    - --config-file={{ include "blackbox.configFile" . }}
    - --watch-interval={{ $reloader.config.watchInterval }}
    - --reload-url=http://127.0.0.1:{{ .Values.containerPort }}/-/reload
    - --listen-address=:{{ $reloader.containerPort }}
    - --log-format={{ $reloader.config.logFormat }}
    - --log-level={{ $reloader.config.logLevel }}
  ports:
    - containerPort: {{ $reloader.containerPort }}
      name: reloader-web
      protocol: TCP
  volumeMounts:
    {{- include "blackbox.mounts" . | trim | nindent 4 }}
{{- end }}

{{/* Relabelings that add labels. Takes a map. */}}
{{- define "blackbox.addLabels" -}}
{{- range $label, $value := . }}
- sourceLabels: [{{ $label | quote }}]
  targetLabel: {{ $label | quote }}
  replacement: {{ $value | quote }}
  action: replace
{{- end }}
{{- end }}
