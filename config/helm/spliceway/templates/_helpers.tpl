{{- define "spliceway.labels" -}}
app.kubernetes.io/name: {{ .Values.name }}
{{- end }}

{{- define "spliceway.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* What would render and not run. */}}
{{- define "spliceway.guard" -}}
{{- $grace := .Values.terminationGracePeriodSeconds | default 0 | int }}
{{- if and (eq .Values.update "surge") .Values.ports }}
{{- fail "ports: with update: surge there must be none: the API server makes host ports of them, and the next Pod stays Pending beside the old one" }}
{{- end }}
{{- if and (eq .Values.update "recreate") (gt $grace 60) }}
{{- fail "terminationGracePeriodSeconds: more than 60 with update: recreate: no new Pod is created on a node while the old one ends" }}
{{- end }}
{{- end }}
