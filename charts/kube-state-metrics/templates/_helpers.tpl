{{/* Resources that are exposed. Prints a YAML list. */}}
{{- define "kube.collectors" -}}
{{- $collectors := concat (default (list) .Values.collectors) (default (list) .Values.collectorsExtra) | uniq }}
{{- range .Values.collectorsExclude }}{{ $collectors = without $collectors . }}{{ end }}
{{- toYaml $collectors }}
{{- end }}

{{/* Namespaces that are watched, with commas; empty is all. */}}
{{- define "kube.namespaces" -}}
{{- $wanted := list }}
{{- if .Values.releaseNamespace }}{{ $wanted = append $wanted (include "exporter.namespace" .) }}{{ end }}
{{- with .Values.namespaces }}
{{- if kindIs "string" . }}
{{- range splitList "," (tpl . $) }}{{ $wanted = append $wanted (trim .) }}{{ end }}
{{- else }}
{{- range . }}{{ $wanted = append $wanted (tpl . $) }}{{ end }}
{{- end }}
{{- end }}
{{- $wanted | uniq | join "," }}
{{- end }}

{{/* Rules for what is exposed, and for what else it does. Prints a YAML list. */}}
{{- define "kube.rules" -}}
{{- $groups := dict
  "" (list "configmaps" "endpoints" "limitranges" "namespaces" "nodes" "persistentvolumeclaims" "persistentvolumes" "pods" "replicationcontrollers" "resourcequotas" "secrets" "serviceaccounts" "services")
  "apps" (list "daemonsets" "deployments" "replicasets" "statefulsets")
  "batch" (list "cronjobs" "jobs")
  "autoscaling" (list "horizontalpodautoscalers")
  "policy" (list "poddisruptionbudgets")
  "networking.k8s.io" (list "ingresses" "ingressclasses" "networkpolicies")
  "discovery.k8s.io" (list "endpointslices")
  "coordination.k8s.io" (list "leases")
  "storage.k8s.io" (list "storageclasses" "volumeattachments")
  "admissionregistration.k8s.io" (list "mutatingadmissionpolicies" "mutatingadmissionpolicybindings" "mutatingwebhookconfigurations" "validatingadmissionpolicies" "validatingadmissionpolicybindings" "validatingwebhookconfigurations")
  "certificates.k8s.io" (list "certificatesigningrequests")
  "rbac.authorization.k8s.io" (list "clusterroles" "clusterrolebindings" "roles" "rolebindings") }}
{{- $wanted := include "kube.collectors" . | fromYamlArray }}
{{- range $group, $resources := $groups }}
{{- range $resource := $resources }}
{{- if has $resource $wanted }}
- apiGroups: [{{ $group | quote }}]
  resources: [{{ $resource | quote }}]
  verbs: ["list", "watch"]
{{- end }}
{{- end }}
{{- end }}
{{- if or .Values.kubeRBACProxy.enabled .Values.authFilter.enabled }}
- apiGroups: ["authentication.k8s.io"]
  resources: ["tokenreviews"]
  verbs: ["create"]
- apiGroups: ["authorization.k8s.io"]
  resources: ["subjectaccessreviews"]
  verbs: ["create"]
{{- end }}
{{- if and .Values.customResourceState.enabled .Values.rbac.customResourceState.createClusterRoleRules }}
- apiGroups: ["apiextensions.k8s.io"]
  resources: ["customresourcedefinitions"]
  verbs: ["list", "watch"]
{{- end }}
{{- with .Values.rbac.extraRules }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Ports: behind the proxy the binary has others. */}}
{{- define "kube.port" -}}
{{- ternary .Values.kubeRBACProxy.port .Values.service.port .Values.kubeRBACProxy.enabled -}}
{{- end }}
{{- define "kube.telemetryPort" -}}
{{- default 8081 .Values.selfMonitor.telemetryPort -}}
{{- end }}

{{/* Arguments of the binary. Prints list items. */}}
{{- define "kube.args" -}}
{{- with .Values.extraArgs }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- if .Values.kubeRBACProxy.enabled }}
- --host=127.0.0.1
{{- end }}
- --port={{ include "kube.port" . }}
{{- $resources := include "kube.collectors" . | fromYamlArray }}
{{- if .Values.nodeSharding.enabled }}
{{- $resources = ternary (without $resources "pods") (list "pods") (eq .pods "") }}
{{- end }}
{{- with $resources }}
- --resources={{ join "," . }}
{{- end }}
{{- with .Values.metricLabelsAllowlist }}
- --metric-labels-allowlist={{ join "," . }}
{{- end }}
{{- with .Values.metricAnnotationsAllowList }}
- --metric-annotations-allowlist={{ join "," . }}
{{- end }}
{{- with .Values.metricAllowlist }}
- --metric-allowlist={{ join "," . }}
{{- end }}
{{- with .Values.metricDenylist }}
- --metric-denylist={{ join "," . }}
{{- end }}
{{- with include "kube.namespaces" . }}
- --namespaces={{ . }}
{{- end }}
{{- with .Values.namespacesDenylist }}
- --namespaces-denylist={{ if kindIs "string" . }}{{ tpl . $ }}{{ else }}{{ join "," . }}{{ end }}
{{- end }}
{{- if .Values.autosharding.enabled }}
- --pod=$(POD_NAME)
- --pod-namespace=$(POD_NAMESPACE)
{{- end }}
{{- if .Values.kubeconfig.enabled }}
- --kubeconfig=/opt/k8s/.kube/config
{{- end }}
{{- if .Values.kubeRBACProxy.enabled }}
- --telemetry-host=127.0.0.1
- --telemetry-port={{ add 1 .Values.kubeRBACProxy.port }}
{{- else }}
{{- with .Values.selfMonitor.telemetryHost }}
- --telemetry-host={{ . }}
{{- end }}
{{- with .Values.selfMonitor.telemetryPort }}
- --telemetry-port={{ . }}
{{- end }}
{{- end }}
{{- if .Values.customResourceState.enabled }}
- --custom-resource-state-config-file=/etc/customresourcestate/{{ .Values.customResourceState.key }}
{{- end }}
{{- if .Values.authFilter.enabled }}
- --auth-filter
{{- end }}
{{- end }}

{{/* Name of the ConfigMap with custom resources. */}}
{{- define "kube.customResourceConfig" -}}
{{- default (printf "%s-customresourcestate-config" (include "exporter.fullname" .)) .Values.customResourceState.name -}}
{{- end }}

{{/* A probe; the proxies keep their own ports. Takes a dict: root, probe, path, port. */}}
{{- define "kube.probe" -}}
{{- $proxied := .root.Values.kubeRBACProxy.enabled }}
{{- $own := default (dict) .probe.httpGet }}
{{- $get := merge (dict) (ternary (dict "scheme" "https") (dict) $proxied) $own }}
{{- include "exporter.probe" (dict "probe" (merge (dict "httpGet" $get) .probe) "path" .path "port" .port "scheme" "http") }}
{{- end }}

{{/* One proxy. Takes a dict: root, name, port, portName, upstream, health, probe, path. */}}
{{- define "kube.proxy" -}}
{{- $proxy := .root.Values.kubeRBACProxy }}
- name: {{ .name }}
  args:
    {{- with $proxy.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if $proxy.ignoreProbePaths }}
    - --ignore-paths={{ .path }}
    {{- end }}
    - --secure-listen-address=:{{ .port }}
    - --upstream=http://127.0.0.1:{{ .upstream }}/
    - --proxy-endpoints-port={{ .health }}
    - --config-file=/etc/kube-rbac-proxy-config/config-file.yaml
  image: {{ include "exporter.imageOf" (dict "root" .root "image" $proxy.image "default" "") | quote }}
  imagePullPolicy: {{ $proxy.image.pullPolicy }}
  ports:
    - containerPort: {{ .port }}
      name: {{ .portName }}
    - containerPort: {{ .health }}
      name: {{ .portName }}-healthz
  {{ .kind }}:
    {{- include "kube.probe" (dict "root" .root "probe" .probe "path" .path "port" .portName) | trim | nindent 4 }}
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
    {{- with $proxy.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
