# Sourced: containerd, kubelet and kube-proxy: the one node. Expects $dir, $bin, $ADDRESS, $NODE.
# shellcheck shell=bash

# restrict_oom_score_adj: root may lack CAP_SYS_RESOURCE; runc then says "can't get final child's PID from pipe: EOF".
write_containerd_configuration() {
  cat > "$dir/containerd.toml" << TOML
version = 2
root = "$dir/containerd/root"
state = "$dir/containerd/state"
[grpc]
  address = "$dir/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
TOML
}

# In block style: flow style would be taken for JSON. failCgroupV1: a node with cgroup v1 hierarchies is refused otherwise.
write_kubelet_configuration() {
  cat > "$dir/kubelet.yaml" << YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $ADDRESS
healthzPort: 0
tlsCertFile: $dir/pki/kubelet.crt
tlsPrivateKeyFile: $dir/pki/kubelet.key
authentication:
  anonymous:
    enabled: false
  x509:
    clientCAFile: $dir/pki/ca.crt
authorization:
  mode: Webhook
containerRuntimeEndpoint: unix://$dir/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
podLogsDir: $dir/pod-logs
volumePluginDir: $dir/kubelet/plugins
clusterDomain: cluster.local
clusterDNS:
  - 10.96.0.10
evictionHard:
  nodefs.available: "1%"
  imagefs.available: "1%"
  memory.available: 100Mi
YAML
}

containerd() { ctr --address "$dir/containerd.sock" --namespace k8s.io "$@"; }

import_images() {
  local image
  for image in "${PROGRAMS_IN_PODS[@]}"; do
    [[ -n $(containerd images ls -q "name==localhost/$image:1") ]] || containerd images import "$bin/$image.tar" > /dev/null
  done
}

start_node() {
  write_containerd_configuration
  write_kubelet_configuration
  start "$dir" containerd containerd --config "$dir/containerd.toml"
  await 30 "$dir" containerd containerd version
  import_images
  start "$dir" kubelet "$bin/kubelet" --config "$dir/kubelet.yaml" --kubeconfig "$dir/kubelet.kubeconfig" \
    --hostname-override "$NODE" --node-ip "$ADDRESS" --root-dir "$dir/kubelet" --cert-dir "$dir/pki"
  start "$dir" kube-proxy "$bin/kube-proxy" --kubeconfig "$dir/proxy.kubeconfig" --proxy-mode nftables \
    --cluster-cidr 10.244.0.0/16 --hostname-override "$NODE" --healthz-bind-address "$ADDRESS:10256" --metrics-bind-address "$ADDRESS:10249"
  await 30 "$dir" kube-proxy nft list table ip kube-proxy
}

# Pods outlive containerd, by design: ends the first process of each of their containers.
end_containers() {
  local task pid
  for task in "$dir"/containerd/state/io.containerd.runtime.v2.task/k8s.io/*/; do
    pid=$(cat "$task/init.pid" 2> /dev/null) || continue
    if grep -qs "$(basename "$task")" "/proc/$pid/cgroup"; then kill -s KILL "$pid" || true; fi
    sed 's|^unix://||' "$task/address" | xargs -r rm -f
  done
}

# Ends the containers' shims, and components whose noted id was lost: programs of the cluster that were given a path below $dir.
end_strays() {
  local pid program
  for pid in $({ grep -lsaF "$dir/" /proc/[0-9]*/cmdline || true; } | cut -d / -f 3); do
    program=$(readlink "/proc/$pid/exe") || continue
    program=${program##*/}
    case ${program% (deleted)} in
      containerd-shim-runc-v2 | containerd | etcd | kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kube-proxy)
        kill -s KILL "$pid" 2> /dev/null || true
        ;;
    esac
  done
}

unmounted() { # unmounts what lies below $dir, deepest first; fails while there is more
  awk -v below="$dir/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount --lazy
  ! grep -q " $dir/" /proc/mounts
}

remove_cgroups() {
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2> /dev/null || true
}
