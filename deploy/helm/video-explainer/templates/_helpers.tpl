{{- define "video-explainer.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "video-explainer.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "video-explainer.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "video-explainer.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "video-explainer.selectorLabels" -}}
app.kubernetes.io/name: {{ include "video-explainer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "video-explainer.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "video-explainer.selectorLabels" . }}
app.kubernetes.io/part-of: {{ include "video-explainer.name" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "video-explainer.metricsPort" -}}
{{- .Values.config.metrics.port | default 9090 | int -}}
{{- end -}}

{{/* Port of the live page, the first one's where there are several; empty when no viewer sink is configured. */}}
{{- define "video-explainer.viewerPort" -}}
{{- $ports := list -}}
{{- range .Values.config.sinks -}}
{{- if eq .kind "viewer" -}}{{- $ports = append $ports (.port | default 8080 | int) -}}{{- end -}}
{{- end -}}
{{- if $ports -}}{{- first $ports -}}{{- end -}}
{{- end -}}

{{/* Secret that holds the token of the live page under the key "token". */}}
{{- define "video-explainer.viewerSecret" -}}
{{- .Values.viewer.existingSecret | default (printf "%s-viewer" (include "video-explainer.fullname" .)) -}}
{{- end -}}

{{/* The claim that keeps compiled models; empty when they go with the pod. */}}
{{- define "video-explainer.cacheClaim" -}}
{{- if .Values.cache.existingClaim -}}
{{- .Values.cache.existingClaim -}}
{{- else if .Values.cache.persistent -}}
{{- printf "%s-cache" (include "video-explainer.fullname" . | trunc 57 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/*
The worker's configuration. Unless it says otherwise compiled models take half of their volume: one that is being made,
and one larger than all the others may be together, must fit beside them.
*/}}
{{- define "video-explainer.config" -}}
{{- $unit := ternary 1073741824 1048576 (hasSuffix "Gi" .Values.cache.size) -}}
{{- $bytes := div (mul (regexFind "[0-9]+" .Values.cache.size | int64) $unit) 2 -}}
{{- $given := (.Values.config.engine | default dict).cacheBytes -}}
{{- if and (not (kindIs "string" $given)) (ge (int64 $given) (mul $bytes 2)) -}}
{{- fail (printf "config.engine.cacheBytes leaves no room in the volume of cache.size %s; make it smaller, or the volume larger" .Values.cache.size) -}}
{{- end -}}
{{- /* Their default address is the pod's own, where no NATS is. */}}
{{- if and .Values.roles.split (not (.Values.config.fleet | default dict).servers) -}}
{{- fail "config.fleet.servers is missing, which roles.split needs: where both roles find NATS with JetStream, such as [\"nats://nats:4222\"]" -}}
{{- end -}}
{{- $role := ternary (dict "role" "capture") dict .Values.roles.split -}}
{{- mergeOverwrite (dict "engine" (dict "cacheBytes" $bytes)) (deepCopy .Values.config) $role | toYaml -}}
{{- end -}}

{{/* What of it a running worker cannot change. */}}
{{- define "video-explainer.fixedConfig" -}}
{{- $config := include "video-explainer.config" . | fromYaml -}}
{{- $sinks := list -}}
{{- range $config.sinks -}}{{- $sinks = append $sinks (omit . "only") -}}{{- end -}}
{{- set (omit $config "sources" "explain" "overlay" "warnings" "control") "sinks" $sinks | toYaml -}}
{{- end -}}

{{/* The configuration of workers that explain what a capture gives out. */}}
{{- define "video-explainer.explainConfig" -}}
{{- $config := include "video-explainer.config" . | fromYaml -}}
{{- set (omit $config "sources" "sinks" "control") "role" "explain" | toYaml -}}
{{- end -}}

{{- define "video-explainer.explainName" -}}
{{- printf "%s-explain" (include "video-explainer.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{/* By a name of their own: what selects the worker itself, as it always did, does not select them. */}}
{{- define "video-explainer.explainLabels" -}}
app.kubernetes.io/name: {{ printf "%s-explain" (include "video-explainer.name" . | trunc 55 | trimSuffix "-") }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Who reaches a worker, and where it may go. Given: root, page (port of its live page, empty without). */}}
{{- define "video-explainer.policy" -}}
{{- with .root.Values.networkPolicy -}}
policyTypes: {{ ternary (list "Ingress" "Egress") (list "Ingress") (not (empty .egress)) | toJson }}
ingress:
  - ports: [{ port: metrics }]
    {{- with .metricsFrom }}
    from:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- if and .viewerFrom $.page }}
  - ports: [{ port: http }]
    from:
      {{- toYaml .viewerFrom | nindent 6 }}
  {{- end }}
{{- with .egress }}
egress:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}
