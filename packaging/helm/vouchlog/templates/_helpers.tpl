{{- define "vouchlog.name" -}}
{{- printf "%s-%s" .Release.Name "vouchlog" | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "vouchlog.labels" -}}
app.kubernetes.io/name: vouchlog
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What never changes: selectors are immutable. */}}
{{- define "vouchlog.selector" -}}
app.kubernetes.io/name: vouchlog
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: log
{{- end -}}
