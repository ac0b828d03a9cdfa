{{/*
The pod. Takes the chart's root with `pods` added: which pods it exposes where they are shared by node,
`node` for those of its own, `unscheduled` for those of none, empty for the rest of the objects.
*/}}
{{- define "kube.pod" -}}
automountServiceAccountToken: {{ .Values.automountServiceAccountToken }}
hostNetwork: {{ .Values.hostNetwork }}
{{- if kindIs "bool" .Values.hostUsers }}
hostUsers: {{ .Values.hostUsers }}
{{- end }}
serviceAccountName: {{ include "exporter.serviceAccountName" . }}
{{- if .Values.securityContext.enabled }}
securityContext:
  {{- omit .Values.securityContext "enabled" | toYaml | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
dnsPolicy: {{ .Values.dnsPolicy }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .Chart.Name }}
    {{- $tag := default (printf "v%s" .Chart.AppVersion) .Values.image.tag }}
    image: {{ include "exporter.imageOf" (dict "root" . "image" (merge (dict "tag" $tag) .Values.image) "default" "") | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
      {{- include "kube.args" . | trim | nindent 6 }}
      {{- if eq .pods "node" }}
      - --node=$(NODE_NAME)
      {{- else if eq .pods "unscheduled" }}
      - --track-unscheduled-pods
      {{- end }}
    {{- if or .Values.autosharding.enabled (eq .pods "node") .Values.env }}
    env:
      {{- if .Values.autosharding.enabled }}
      - name: POD_NAME
        valueFrom:
          fieldRef:
            fieldPath: metadata.name
      - name: POD_NAMESPACE
        valueFrom:
          fieldRef:
            fieldPath: metadata.namespace
      {{- end }}
      {{- if eq .pods "node" }}
      - name: NODE_NAME
        valueFrom:
          fieldRef:
            fieldPath: spec.nodeName
      {{- end }}
      {{- with .Values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- if or .Values.kubeconfig.enabled .Values.customResourceState.enabled .Values.volumeMounts }}
    volumeMounts:
      {{- if .Values.kubeconfig.enabled }}
      - name: kubeconfig
        mountPath: /opt/k8s/.kube/
        readOnly: true
      {{- end }}
      {{- if .Values.customResourceState.enabled }}
      - name: customresourcestate-config
        mountPath: /etc/customresourcestate
        readOnly: true
      {{- end }}
      {{- with .Values.volumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- if not .Values.kubeRBACProxy.enabled }}
    ports:
      - containerPort: {{ .Values.service.port }}
        name: http
      - containerPort: {{ include "kube.telemetryPort" . }}
        name: metrics
    {{- if .Values.startupProbe.enabled }}
    startupProbe:
      {{- include "kube.probe" (dict "root" . "probe" .Values.startupProbe "path" "/healthz" "port" "http") | trim | nindent 6 }}
    {{- end }}
    livenessProbe:
      {{- include "kube.probe" (dict "root" . "probe" .Values.livenessProbe "path" "/livez" "port" "http") | trim | nindent 6 }}
    readinessProbe:
      {{- include "kube.probe" (dict "root" . "probe" .Values.readinessProbe "path" "/readyz" "port" "metrics") | trim | nindent 6 }}
    {{- end }}
    {{- with .Values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.containerSecurityContext }}
    securityContext:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- if .Values.kubeRBACProxy.enabled }}
  {{- $health := .Values.kubeRBACProxy.proxyEndpointsPort }}
  {{- include "kube.proxy" (dict "root" . "name" "kube-rbac-proxy-http" "port" .Values.service.port "portName" "http" "upstream" .Values.kubeRBACProxy.port "health" $health "kind" "livenessProbe" "probe" .Values.livenessProbe "path" "/livez") | trim | nindent 2 }}
  {{- include "kube.proxy" (dict "root" . "name" "kube-rbac-proxy-telemetry" "port" (include "kube.telemetryPort" .) "portName" "metrics" "upstream" (add 1 .Values.kubeRBACProxy.port) "health" (add 1 $health) "kind" "readinessProbe" "probe" .Values.readinessProbe "path" "/readyz") | trim | nindent 2 }}
  {{- end }}
  {{- with .Values.containers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with include "exporter.pullSecrets" (dict "root" . "secrets" .Values.imagePullSecrets) | trim }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- tpl (ternary . (toYaml .) (kindIs "string" .)) $ | trim | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- with ternary .Values.nodeSharding.tolerations .Values.tolerations (eq .pods "node") }}
tolerations:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- if or .Values.kubeconfig.enabled .Values.customResourceState.enabled .Values.volumes .Values.kubeRBACProxy.enabled }}
volumes:
  {{- if .Values.kubeconfig.enabled }}
  - name: kubeconfig
    secret:
      secretName: {{ include "exporter.fullname" . }}-kubeconfig
  {{- end }}
  {{- if .Values.kubeRBACProxy.enabled }}
  - name: kube-rbac-proxy-config
    configMap:
      name: {{ include "exporter.fullname" . }}-rbac-config
  {{- end }}
  {{- if .Values.customResourceState.enabled }}
  - name: customresourcestate-config
    configMap:
      name: {{ include "kube.customResourceConfig" . }}
  {{- end }}
  {{- with .Values.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Labels and annotations of the pod. */}}
{{- define "kube.podMetadata" -}}
labels:
  {{- merge (dict) (default (dict) .Values.podLabels) (fromYaml (include "exporter.labels" .)) | toYaml | nindent 2 }}
{{- with .Values.podAnnotations }}
annotations:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- end }}
