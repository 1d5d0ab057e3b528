{{- define "celeriac.name" -}}
{{- if contains "celeriac" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-celeriac" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "celeriac.selector" -}}
app.kubernetes.io/name: celeriac
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "celeriac.labels" -}}
{{ include "celeriac.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- /* A value as text: 2000000 as it is, where Go would write 2e+06. */ -}}
{{- define "celeriac.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /* The environment of every process. Takes root, and settings of its own. */ -}}
{{- define "celeriac.environment" -}}
env:
  - name: REDIS_URL
    valueFrom:
      secretKeyRef:
        name: {{ required "redis.existingSecret: the name of a Secret with the URL of a Redis" .root.Values.redis.existingSecret }}
        key: {{ .root.Values.redis.key }}
  # Workers are told, too: by it they know that tasks may not reach private addresses, such as this cluster's.
  - name: HOST
    value: 0.0.0.0
  {{- range $name, $value := mustMergeOverwrite (dict) .root.Values.settings .settings }}
  - name: {{ $name }}
    value: {{ include "celeriac.text" $value | quote }}
  {{- end }}
{{- with .root.Values.existingSecret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}

{{- /* What every pod has. Takes root, component and graceSeconds. */ -}}
{{- define "celeriac.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
shareProcessNamespace: true # the first process collects those that others leave behind
terminationGracePeriodSeconds: {{ .graceSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "celeriac.selector" . | nindent 8 }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
{{- end }}

{{- define "celeriac.container" -}}
image: {{ printf "%s:%s" .root.Values.image.repository (.root.Values.image.tag | default .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: tmp
    mountPath: /tmp
{{- end }}

{{- /* One pod of several may be evicted at a time. Takes root, component, name and replicas. */ -}}
{{- define "celeriac.budget" -}}
{{- if and .root.Values.podDisruptionBudget (gt (int .replicas) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels:
    {{- include "celeriac.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "celeriac.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{- /* Probes of a worker or a beat. Each takes half a second of a processor. */ -}}
{{- define "celeriac.probes" -}}
readinessProbe:
  exec:
    command: [python, -m, app.launch.alive, {{ . }}]
  initialDelaySeconds: 5
  periodSeconds: 30
  timeoutSeconds: 15
  failureThreshold: 3
livenessProbe: # while Redis is away, a restart would help nobody and lose what is still held
  exec:
    command: [python, -m, app.launch.alive, {{ . }}, --ignore-redis]
  initialDelaySeconds: 60
  periodSeconds: 60
  timeoutSeconds: 15
  failureThreshold: 3
{{- end }}
