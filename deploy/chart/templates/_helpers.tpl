{{- define "arango-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for the longest suffix, -leader-election. */}}
{{- define "arango-operator.fullname" -}}
{{- $name := include "arango-operator.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 46 | trimSuffix "-" }}
{{- end }}

{{- define "arango-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "arango-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What is said here can't be replaced by commonLabels. */}}
{{- define "arango-operator.labels" -}}
{{- $chart := printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- $ours := dict "app.kubernetes.io/version" .Chart.AppVersion "app.kubernetes.io/managed-by" .Release.Service "helm.sh/chart" $chart }}
{{- merge (include "arango-operator.selectorLabels" . | fromYaml) $ours .Values.commonLabels | toYaml }}
{{- end }}

{{- define "arango-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "arango-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "arango-operator.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/*
A role and its binding to the operator.
(dict "root" $ "name" NAME "rules" RULES), with "namespace" a Role there, without a ClusterRole.
*/}}
{{- define "arango-operator.role" -}}
{{- $scope := ternary "" "Cluster" (hasKey . "namespace") }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}Role
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "arango-operator.labels" .root | nindent 4 }}
rules:
  {{- toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}RoleBinding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "arango-operator.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $scope }}Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "arango-operator.serviceAccountName" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* What people and other programs may do: (dict "root" $ "name" NAME "label" LABEL "rules" RULES) */}}
{{- define "arango-operator.roleForOthers" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ include "arango-operator.fullname" .root }}-{{ .name }}
  labels:
    {{- include "arango-operator.labels" .root | nindent 4 }}
    {{ .label }}: "true"
rules:
  {{- toYaml .rules | nindent 2 }}
{{- end }}
