{{/* A role without rules, or with those given, and its binding. Takes a dict: root, rules. */}}
{{- define "exporter.role" -}}
{{- if .root.Values.rbac.create }}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "exporter.metadata" (dict "root" .root) | nindent 2 }}
rules: {{ toYaml (default (list) .rules) | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "exporter.metadata" (dict "root" .root) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "exporter.fullname" .root }}
subjects:
  - kind: ServiceAccount
    name: {{ include "exporter.serviceAccountName" .root }}
    namespace: {{ include "exporter.namespace" .root }}
{{- end }}
{{- end }}
