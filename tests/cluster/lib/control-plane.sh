# Sourced: etcd, API server, controller manager, scheduler. Expects $dir, $bin, $ADDRESS.
# shellcheck shell=bash

# Only processes of this user reach etcd: its socket is in a directory of its own and it has no port.
start_etcd() {
  start "$dir" etcd "$bin/etcd" --data-dir "$dir/etcd/data" --unsafe-no-fsync --log-level warn \
    --listen-client-urls "unix://$dir/etcd/client" --advertise-client-urls http://localhost:2379 \
    --listen-peer-urls "unix://$dir/etcd/peer"
}

start_api_server() {
  local pki=$dir/pki
  start "$dir" kube-apiserver "$bin/kube-apiserver" --etcd-servers "unix://$dir/etcd/client" \
    --bind-address "$ADDRESS" --advertise-address "$ADDRESS" --secure-port 6443 \
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" --client-ca-file "$pki/ca.crt" \
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
    --kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key" \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$pki/service-accounts.pub" \
    --service-account-signing-key-file "$pki/service-accounts.key" --service-cluster-ip-range 10.96.0.0/16 \
    --requestheader-client-ca-file "$pki/aggregator-ca.crt" --requestheader-allowed-names aggregator \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file "$pki/aggregator.crt" --proxy-client-key-file "$pki/aggregator.key" \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged
}

# Autoscalers look as often as there is something new to see.
start_controllers() {
  local pki=$dir/pki
  start "$dir" kube-controller-manager "$bin/kube-controller-manager" --kubeconfig "$dir/controller-manager.kubeconfig" \
    --secure-port 0 --leader-elect=false --use-service-account-credentials --root-ca-file "$pki/ca.crt" \
    --service-account-private-key-file "$pki/service-accounts.key" --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
    --horizontal-pod-autoscaler-sync-period 5s --allocate-node-cidrs --cluster-cidr 10.244.0.0/16 --flex-volume-plugin-dir "$dir/kubelet/plugins"
  start "$dir" kube-scheduler "$bin/kube-scheduler" --kubeconfig "$dir/scheduler.kubeconfig" --secure-port 0 --leader-elect=false
}

etcd_listens() { [[ -S $dir/etcd/client ]]; }
api_ready() { kubectl get --raw /readyz; }

start_control_plane() {
  mkdir -p "$dir/etcd"
  alive "$dir/etcd.pid" || rm -f "$dir"/etcd/{client,peer}
  start_etcd
  await 30 "$dir" etcd etcd_listens
  start_api_server
  await 60 "$dir" kube-apiserver api_ready
  start_controllers
}
