# Sourced: which cluster is used, and how each kind of it starts and ends. Sets KUBECONFIG and PATH.
# shellcheck shell=bash

start_cluster_local() {
  local environment
  environment=$("$here/up")
  eval "$environment"
}

start_cluster_kind() {
  kind get clusters 2> /dev/null | grep -qx albatross || kind create cluster --name albatross --wait 120s
  KUBECONFIG=$(cache_dir)/kind.kubeconfig
  export KUBECONFIG
  kind export kubeconfig --name albatross --kubeconfig "$KUBECONFIG"
  need helm "install Helm 3"
}

start_cluster_existing() {
  [[ -n ${KUBECONFIG:-} ]] || fail "KUBECONFIG must name the existing cluster"
  need kubectl "install kubectl"
  need helm "install Helm 3"
}

end_cluster_local() {
  "$here/down"
  "$here/servers" down
}

end_cluster_kind() { kind delete cluster --name albatross; }

# Not ours: only what was brought there is removed. The CRDs stay, and with them everybody's tenants.
end_cluster_existing() {
  helm uninstall albatross --namespace "$NAMESPACE" --ignore-not-found
  kubectl delete namespace "$NAMESPACE" albatross-servers --ignore-not-found
}
