# Sourced: the Gateway API, and the controller behind the class `traefik` and the Gateway `edge`.
# shellcheck shell=bash

# By itself, for any airline of a laptop; kept once it is made.
certify_edge() {
  ! kubectl --namespace traefik get secret edge > /dev/null 2>&1 || return 0
  local folder
  folder=$(mktemp -d)
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=edge \
    -addext "subjectAltName=DNS:*.localhost" -keyout "$folder/key" -out "$folder/certificate" 2> /dev/null
  kubectl --namespace traefik create secret tls edge --cert "$folder/certificate" --key "$folder/key" > /dev/null
  rm -rf "$folder"
}

start_routes() { # FOLDER: of what was built
  # Their schemas are too long for the annotation of a client's apply.
  kubectl apply --server-side -f "$1/gateway-api" > /dev/null
  kubectl wait --for=condition=Established crd/gateways.gateway.networking.k8s.io crd/gatewayclasses.gateway.networking.k8s.io \
    --timeout 60s > /dev/null
  create_namespace traefik
  certify_edge
  kubectl apply -f "$here/manifests/traefik.yaml" > /dev/null
}

start_routes_local() { start_routes "$(bin_dir)"; }

start_routes_kind() {
  local bin
  bin=$("$here/build")
  "$here/image" localhost/traefik:1 "$bin/traefik"
  start_routes "$bin"
}

# Not ours to install: the tests that need it say when there is none.
start_routes_existing() { :; }
