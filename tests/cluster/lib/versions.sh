# Sourced: what is built, in which version, and where it is kept.
# shellcheck shell=bash

KUBERNETES_VERSION=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$here/tools/go.mod")
TOOLS=(
  helm.sh/helm/v3/cmd/helm@v3.20.0
  github.com/mattfenwick/cyclonus/cmd/cyclonus@v0.5.6
  github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
  sigs.k8s.io/metrics-server/cmd/metrics-server@v0.9.0
)

PROGRAMS_IN_PODS=(coredns metrics-server pause traefik)

# The folder's name holds a digest of everything that decides its content.
bin_dir() {
  local digest
  digest=$(cat "$here"/{lib/versions.sh,tools/go.mod,tools/go.sum,coredns/go.mod,coredns/go.sum,coredns/main.go,pause/main.go,traefik/go.mod,traefik/go.sum,traefik/dns/none.go} | sha256sum)
  echo "$(cache_dir)/cluster/$KUBERNETES_VERSION-${digest:0:12}"
}
