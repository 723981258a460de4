# Sourced: what measures the pods' CPU and memory, for `kubectl top` and for autoscalers.
# shellcheck shell=bash

start_metrics_local() { kubectl apply -f "$here/manifests/metrics-server.yaml" > /dev/null; }

# Its nodes' certificates are made by themselves.
start_metrics_kind() {
  "$here/image" localhost/metrics-server:1 "$("$here/build")/metrics-server"
  sed 's|--kubelet-certificate-authority=.*|--kubelet-insecure-tls|' "$here/manifests/metrics-server.yaml" |
    kubectl apply -f - > /dev/null
}

# Not ours to install: the test that needs it says when there is none.
start_metrics_existing() { :; }

# While an API is announced and not served, listing what a cluster serves fails in part.
await_metrics() {
  [[ $(provider) == existing ]] ||
    kubectl wait --for=condition=Available apiservice/v1beta1.metrics.k8s.io --timeout 120s > /dev/null
}
