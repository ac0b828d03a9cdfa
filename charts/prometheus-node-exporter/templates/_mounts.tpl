{{/* What the exporter's container mounts. */}}
{{- define "node.mounts" -}}
- name: proc
  mountPath: /host/proc
  {{- with .Values.hostProcFsMount.mountPropagation }}
  mountPropagation: {{ . }}
  {{- end }}
  readOnly: true
- name: sys
  mountPath: /host/sys
  {{- with .Values.hostSysFsMount.mountPropagation }}
  mountPropagation: {{ . }}
  {{- end }}
  readOnly: true
{{- if .Values.hostRootFsMount.enabled }}
- name: root
  mountPath: /host/root
  {{- with .Values.hostRootFsMount.mountPropagation }}
  mountPropagation: {{ . }}
  {{- end }}
  readOnly: true
{{- end }}
{{- range .Values.extraHostVolumeMounts }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: {{ default false .readOnly }}
  {{- with .mountPropagation }}
  mountPropagation: {{ . }}
  {{- end }}
{{- end }}
{{- range .Values.sidecarVolumeMount }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: true
{{- end }}
{{- range concat (default (list) .Values.configmaps) (default (list) .Values.secrets) }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
{{- end }}
{{- $tls := tpl .Values.tlsSecret.volumeName . }}
{{- $taken := false }}
{{- range .Values.extraVolumeMounts }}
{{- if or (eq .name $tls) (eq .mountPath "/tls") }}{{ $taken = true }}{{ end }}
{{- end }}
{{- if and .Values.tlsSecret.enabled (not .Values.kubeRBACProxy.enabled) (not $taken) }}
- name: {{ $tls | quote }}
  mountPath: /tls
  readOnly: true
{{- end }}
{{- include "exporter.webConfigMount" . }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What sidecars mount beside their own. */}}
{{- define "node.sidecarMounts" -}}
{{- range .Values.sidecarVolumeMount }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: false
{{- end }}
{{- range .Values.sidecarHostVolumeMounts }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: {{ default false .readOnly }}
  {{- with .mountPropagation }}
  mountPropagation: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* All volumes of the pod. */}}
{{- define "node.volumes" -}}
- name: proc
  hostPath:
    path: /proc
- name: sys
  hostPath:
    path: /sys
{{- if .Values.hostRootFsMount.enabled }}
- name: root
  hostPath:
    path: /
{{- end }}
{{- range concat (default (list) .Values.extraHostVolumeMounts) (default (list) .Values.sidecarHostVolumeMounts) }}
- name: {{ .name }}
  hostPath:
    path: {{ .hostPath }}
    {{- with .type }}
    type: {{ . }}
    {{- end }}
{{- end }}
{{- range .Values.sidecarVolumeMount }}
- name: {{ .name }}
  emptyDir:
    medium: Memory
{{- end }}
{{- range .Values.configmaps }}
- name: {{ .name }}
  configMap:
    name: {{ .name }}
{{- end }}
{{- range .Values.secrets }}
- name: {{ .name }}
  secret:
    secretName: {{ .name }}
{{- end }}
{{- if .Values.kubeRBACProxy.enabled }}
- name: kube-rbac-proxy-config
  configMap:
    name: {{ include "exporter.fullname" . }}-rbac-config
{{- end }}
{{- with .Values.tlsSecret }}
{{- if .enabled }}
- name: {{ tpl .volumeName $ | quote }}
  secret:
    secretName: {{ tpl .secretName $ | quote }}
    items:
      - key: {{ required "tlsSecret.certItem must not be empty" .certItem | quote }}
        path: tls.crt
      - key: {{ required "tlsSecret.keyItem must not be empty" .keyItem | quote }}
        path: tls.key
      {{- with .caItem }}
      - key: {{ . | quote }}
        path: ca.crt
      {{- end }}
{{- end }}
{{- end }}
{{- include "exporter.webConfigVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The init container that opens files of the host to the exporter's group, where any is wanted. */}}
{{- define "node.permissions" -}}
{{- $init := .Values.permissionInitContainer }}
{{- if or $init.fixes.rapl $init.fixes.slabinfo $init.extraCommands }}
- name: permissions
  image: {{ include "exporter.imageOf" (dict "root" . "image" $init.image "default" "") | quote }}
  imagePullPolicy: {{ $init.image.pullPolicy }}
  command:
    - sh
    - -ec
    - |
      {{- if $init.fixes.rapl }}
      find /host/sys/devices/virtual/powercap -name energy_uj -exec chmod g+r {} + -exec chown root:{{ .Values.securityContext.runAsGroup }} {} +
      {{- end }}
      {{- if $init.fixes.slabinfo }}
      chmod g+r /host/proc/slabinfo
      chgrp {{ .Values.securityContext.runAsGroup }} /host/proc/slabinfo
      {{- end }}
      {{- range $init.extraCommands }}
      {{ . }}
      {{- end }}
  securityContext:
    {{- toYaml $init.securityContext | nindent 4 }}
  volumeMounts:
    - name: proc
      mountPath: /host/proc
    - name: sys
      mountPath: /host/sys
{{- end }}
{{- end }}

{{/* The proxy in front of the exporter. */}}
{{- define "node.proxy" -}}
{{- $proxy := .Values.kubeRBACProxy }}
- name: kube-rbac-proxy
  args:
    {{- with $proxy.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    - --secure-listen-address=:{{ .Values.service.port }}
    - --upstream=http://127.0.0.1:{{ $proxy.port }}/
    - --proxy-endpoints-port={{ $proxy.proxyEndpointsPort }}
    - --config-file=/etc/kube-rbac-proxy-config/config-file.yaml
    {{- if and $proxy.tls.enabled .Values.tlsSecret.enabled }}
    - --tls-cert-file=/tls/private/tls.crt
    - --tls-private-key-file=/tls/private/tls.key
    {{- if and $proxy.tls.tlsClientAuth .Values.tlsSecret.caItem }}
    - --client-ca-file=/tls/private/ca.crt
    {{- end }}
    {{- end }}
  image: {{ include "exporter.imageOf" (dict "root" . "image" $proxy.image "default" "") | quote }}
  imagePullPolicy: {{ $proxy.image.pullPolicy }}
  {{- with $proxy.env }}
  env:
    {{- include "exporter.env" (dict "root" $ "env" .) | trim | nindent 4 }}
  {{- end }}
  ports:
    - containerPort: {{ .Values.service.port }}
      name: {{ $proxy.portName }}
      {{- if $proxy.enableHostPort }}
      hostPort: {{ .Values.service.port }}
      {{- end }}
    - containerPort: {{ $proxy.proxyEndpointsPort }}
      {{- if $proxy.enableProxyEndpointsHostPort }}
      hostPort: {{ $proxy.proxyEndpointsPort }}
      {{- end }}
      name: http-healthz
  readinessProbe:
    httpGet:
      scheme: HTTPS
      port: {{ $proxy.proxyEndpointsPort }}
      path: healthz
    initialDelaySeconds: 5
    timeoutSeconds: 5
  {{- with $proxy.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $proxy.containerSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: kube-rbac-proxy-config
      mountPath: /etc/kube-rbac-proxy-config
    {{- if and $proxy.tls.enabled .Values.tlsSecret.enabled }}
    - name: {{ tpl .Values.tlsSecret.volumeName . | quote }}
      mountPath: /tls/private
      readOnly: true
    {{- end }}
    {{- with $proxy.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
