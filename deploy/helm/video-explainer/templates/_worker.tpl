{{/*
The Deployment of one role. Given: root (the chart's context), role (all, capture or explain), name, selector (labels), values (its own
resources, replicas and places, as in values.yaml).
*/}}
{{- define "video-explainer.deployment" -}}
{{- $root := .root }}
{{- $own := .values }}
{{- $isExplain := eq .role "explain" }}
{{- $page := ternary "" (include "video-explainer.viewerPort" $root) $isExplain }}
{{- $hasCard := and $root.Values.gpu.enabled (ne .role "capture") }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "video-explainer.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- if $isExplain }}
  {{- if not $own.autoscaling.enabled }}
  replicas: {{ $own.replicas }}
  {{- end }}
  strategy:
    {{- toYaml $own.strategy | nindent 4 }}
  {{- else }}
  # One process a station has its cameras: a second would publish every frame again.
  replicas: 1
  strategy:
    type: Recreate
  {{- end }}
  selector:
    matchLabels:
      {{- .selector | nindent 6 }}
  template:
    metadata:
      annotations:
        # Sources and settings are changed while the worker goes on; what else is changed starts it anew.
        checksum/config: {{ include (ternary "video-explainer.explainConfig" "video-explainer.fixedConfig" $isExplain) $root | sha256sum }}
        {{- with $root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      labels:
        {{- .selector | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
        {{- with $root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.serviceAccountName }}
      serviceAccountName: {{ . }}
      {{- end }}
      {{- with $root.Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $root.Values.runtimeClassName }}
      runtimeClassName: {{ . }}
      {{- end }}
      automountServiceAccountToken: false
      # Kubernetes' variables of services would stand beside those of the configuration.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
      securityContext:
        {{- toYaml $root.Values.podSecurityContext | nindent 8 }}
      containers:
        - name: worker
          image: "{{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}{{ with $root.Values.image.digest }}@{{ . }}{{ end }}"
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: ["run", "/config/video-explainer.yaml"]
          env:
            - { name: XDG_CACHE_HOME, value: /cache }
            {{- if $page }}
            # The configuration's ${VIEW_TOKEN}.
            - name: VIEW_TOKEN
              valueFrom:
                secretKeyRef: { name: {{ include "video-explainer.viewerSecret" $root }}, key: token }
            {{- end }}
            {{- with $root.Values.env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- $secrets := compact (list $root.Values.secrets.nats (ternary "" $root.Values.secrets.cameras $isExplain)) }}
          {{- if or $secrets $root.Values.envFrom }}
          envFrom:
            {{- range $secrets }}
            - secretRef: { name: {{ . }} }
            {{- end }}
            {{- with $root.Values.envFrom }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- end }}
          ports:
            - name: metrics
              containerPort: {{ include "video-explainer.metricsPort" $root }}
            {{- with $page }}
            - name: http
              containerPort: {{ . }}
            {{- end }}
          startupProbe:
            httpGet: { path: /healthz, port: metrics }
            {{- toYaml $root.Values.probes.startup | nindent 12 }}
          livenessProbe:
            httpGet: { path: /healthz, port: metrics }
            {{- toYaml $root.Values.probes.liveness | nindent 12 }}
          readinessProbe:
            httpGet: { path: /readyz, port: metrics }
            {{- toYaml $root.Values.probes.readiness | nindent 12 }}
          {{- $resources := deepCopy $own.resources }}
          {{- if $hasCard }}
          {{- $card := dict $root.Values.gpu.resource $root.Values.gpu.count }}
          {{- $_ := set $resources "limits" (merge $card (default dict $resources.limits)) }}
          {{- end }}
          resources:
            {{- toYaml $resources | nindent 12 }}
          securityContext:
            {{- toYaml $root.Values.securityContext | nindent 12 }}
          volumeMounts:
            # The folder and not the file in it: only so a change comes to be seen.
            - { name: config, mountPath: /config, readOnly: true }
            - { name: tmp, mountPath: /tmp }
            - { name: cache, mountPath: /cache }
            {{- if $root.Values.secrets.natsFiles }}
            - { name: nats-files, mountPath: /secrets/nats, readOnly: true }
            {{- end }}
            {{- with $root.Values.volumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: config
          secret:
            secretName: {{ .name }}
        - name: tmp
          emptyDir: { sizeLimit: {{ $root.Values.temporarySize }} }
        - name: cache
          {{- if and (not $isExplain) (include "video-explainer.cacheClaim" $root) }}
          persistentVolumeClaim: { claimName: {{ include "video-explainer.cacheClaim" $root }} }
          {{- else }}
          emptyDir: { sizeLimit: {{ $root.Values.cache.size }} }
          {{- end }}
        {{- with $root.Values.secrets.natsFiles }}
        - name: nats-files
          secret:
            secretName: {{ . }}
            defaultMode: 0440
        {{- end }}
        {{- with $root.Values.volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $own.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.topologySpreadConstraints }}
      topologySpreadConstraints:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- $tolerations := $own.tolerations }}
      {{- if $hasCard }}
      {{- $tolerations = append $tolerations (dict "key" $root.Values.gpu.resource "operator" "Exists" "effect" "NoSchedule") }}
      {{- end }}
      {{- with $tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
