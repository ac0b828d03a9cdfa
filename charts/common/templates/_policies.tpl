{{/* Ingress to one port from anywhere or from `ingressFrom`. Takes a dict: root, port, labels. */}}
{{- define "exporter.networkPolicy" -}}
{{- $policy := default (dict) .root.Values.networkPolicy }}
{{- if $policy.enabled }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "exporter.metadata" (dict "root" .root "labels" $policy.labels) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "exporter.selectorLabels" .root | nindent 6 }}
  policyTypes:
    - Ingress
  ingress:
    - ports:
        - port: {{ .port }}
          protocol: TCP
      {{- with $policy.ingressFrom }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
{{- end }}
