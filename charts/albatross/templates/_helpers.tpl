{{/* Fixed, since tenants' role bindings and network policies name the operator by it. */}}
{{- define "albatross.name" -}}albatross-operator{{- end }}

{{- define "albatross.selector" -}}
app.kubernetes.io/name: {{ include "albatross.name" . }}
{{- end }}

{{- define "albatross.labels" -}}
{{ include "albatross.selector" . }}
app.kubernetes.io/part-of: albatross
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "albatross.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The user that the operator is to the API server. */}}
{{- define "albatross.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "albatross.name" . }}
{{- end }}
