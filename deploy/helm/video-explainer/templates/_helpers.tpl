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
