{{- define "relayd.labels" -}}
app.kubernetes.io/name: relayd
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "relayd.selector" -}}
app.kubernetes.io/name: relayd
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "relayd.hasRedis" -}}
{{- if or .Values.redis.url (and .Values.secret.name .Values.secret.redisUrlKey) }}yes{{ end }}
{{- end }}
