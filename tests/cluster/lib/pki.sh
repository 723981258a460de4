# Sourced: a certificate authority, one certificate per component, and their kubeconfigs. Expects $dir and $ADDRESS.
# shellcheck shell=bash

issue_ca() { # NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=albatross-local-$1" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout "$dir/pki/$1.key" -out "$dir/pki/$1.crt" 2> /dev/null
}

issue() { # NAME SUBJECT [SUBJECT-ALTERNATIVE-NAMES [AUTHORITY]]
  local name=$dir/pki/$1 ca=$dir/pki/${4:-ca} extensions="extendedKeyUsage=clientAuth,serverAuth"
  [[ -z ${3:-} ]] || extensions+=$'\n'"subjectAltName=$3"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$name.key" 2> /dev/null |
    openssl x509 -req -days 3650 -CA "$ca.crt" -CAkey "$ca.key" -extfile <(echo "$extensions") -out "$name.crt" 2> /dev/null
}

kubeconfig() { # NAME: everything embedded, so that the file works wherever it is copied
  local authority certificate key
  authority=$(base64 -w0 "$dir/pki/ca.crt") certificate=$(base64 -w0 "$dir/pki/$1.crt") key=$(base64 -w0 "$dir/pki/$1.key")
  cat > "$dir/$1.kubeconfig" << YAML
apiVersion: v1
kind: Config
current-context: albatross
contexts: [{name: albatross, context: {cluster: albatross, user: $1}}]
clusters: [{name: albatross, cluster: {server: "https://$ADDRESS:6443", certificate-authority-data: $authority}}]
users: [{name: $1, user: {client-certificate-data: $certificate, client-key-data: $key}}]
YAML
}

issue_all() {
  [[ ! -f $dir/pki/complete ]] || return 0
  mkdir -p "$dir/pki"
  issue_ca ca
  # Of its own: whoever shows a certificate of it to an aggregated API may name any user.
  issue_ca aggregator-ca
  issue aggregator /CN=aggregator "" aggregator-ca
  issue apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:10.96.0.1,IP:127.0.0.1,IP:$ADDRESS"
  issue kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
  issue admin /O=system:masters/CN=admin
  issue kubelet "/O=system:nodes/CN=system:node:$NODE" "DNS:$NODE,IP:$ADDRESS"
  issue controller-manager /CN=system:kube-controller-manager
  issue scheduler /CN=system:kube-scheduler
  issue proxy /CN=system:kube-proxy
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$dir/pki/service-accounts.key"
  openssl pkey -in "$dir/pki/service-accounts.key" -pubout -out "$dir/pki/service-accounts.pub"
  local name
  for name in admin kubelet controller-manager scheduler proxy; do kubeconfig "$name"; done
  touch "$dir/pki/complete"
}
