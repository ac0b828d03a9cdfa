{{/* The exporter's image. */}}
{{- define "node.image" -}}
{{- if .Values.image.sha }}
{{- fail "image.sha is not supported, use image.digest" }}
{{- end }}
{{- $suffix := ternary "-distroless" "" (default false .Values.image.distroless) }}
{{- $tag := printf "%s%s" (default (printf "v%s" .Chart.AppVersion) .Values.image.tag) $suffix }}
{{- include "exporter.imageOf" (dict "root" . "image" (merge (dict "tag" $tag) .Values.image) "default" "") }}
{{- end }}

{{/* Host of the listen address. */}}
{{- define "node.host" -}}
- name: HOST_IP
  {{- if .Values.kubeRBACProxy.enabled }}
  value: 127.0.0.1
  {{- else if .Values.service.listenOnAllInterfaces }}
  value: 0.0.0.0
  {{- else }}
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: status.hostIP
  {{- end }}
{{- end }}

{{/* One of the probes, which behind the proxy goes to loopback. Takes a dict: root, kind. */}}
{{- define "node.probe" -}}
{{- $values := .root.Values }}
{{- $given := get $values .kind }}
{{- $own := default (dict) $given.httpGet }}
{{- $scheme := lower (default "http" $own.scheme) }}
{{- $get := merge (dict "scheme" (ternary (include "exporter.scheme" .root) $scheme (eq "http" $scheme))) $own }}
{{- $probe := merge (dict "httpGet" $get) $given }}
{{- if $values.kubeRBACProxy.enabled }}
{{- include "exporter.probe" (dict "probe" $probe "host" "127.0.0.1" "path" (include "exporter.probePath" .) "port" $values.kubeRBACProxy.port "scheme" "http") }}
{{- else }}
{{- include "exporter.probe" (dict "probe" $probe "path" (include "exporter.probePath" .) "port" $values.service.portName "scheme" "http") }}
{{- end }}
{{- end }}

{{/* Nodes that are no machines have nothing to measure. */}}
{{- define "node.affinity" -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - key: eks.amazonaws.com/compute-type
            operator: NotIn
            values:
              - fargate
          - key: type
            operator: NotIn
            values:
              - virtual-kubelet
{{- end }}

{{/* API version of a monitor. Takes its values. */}}
{{- define "node.monitorVersion" -}}
{{- default "monitoring.coreos.com/v1" .apiVersion -}}
{{- end }}
