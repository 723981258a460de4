# Sourced: the pods' bridge, made before the first pod so that servers can listen on its address. Expects $dir and $ADDRESS.
# shellcheck shell=bash

# Without br_netfilter an answer between two pods of the bridge would bypass the translation of a Service's address.
enable_forwarding() {
  [[ -d /proc/sys/net/bridge ]] || modprobe br_netfilter || fail "the kernel has no br_netfilter: Services cannot work"
  echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
  echo 1 > /proc/sys/net/ipv4/ip_forward
}

create_bridge() {
  ip link show cni0 > /dev/null 2>&1 || ip link add cni0 type bridge
  ip address replace "$ADDRESS/24" dev cni0
  ip link set cni0 up
}

# Pods reach the world by this machine's address, and the servers on its loopback by that of the bridge.
translate_addresses() {
  echo 1 > /proc/sys/net/ipv4/conf/cni0/route_localnet
  nft -f - << NFT
table ip albatross
delete table ip albatross
table ip albatross {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr 10.244.0.0/24 oifname != { "lo", "cni0" } masquerade
  }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    iifname "cni0" ip daddr $ADDRESS tcp dport $SERVER_PORTS dnat to 127.0.0.1
  }
  chain output {
    type nat hook output priority -100;
    ip daddr $ADDRESS tcp dport $SERVER_PORTS dnat to 127.0.0.1
  }
}
NFT
}

write_cni_configuration() {
  mkdir -p "$dir/cni"
  cat > "$dir/cni/10-albatross.conflist" << JSON
{"cniVersion": "0.4.0", "name": "albatross", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$dir/addresses", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
}

prepare_network() {
  enable_forwarding
  create_bridge
  translate_addresses
  write_cni_configuration
}

# The network of pods that were not ended one by one: what CNI noted down about our network, and nothing else.
remove_network() {
  local note namespace container
  for note in /var/lib/cni/results/albatross-*; do
    [[ -f $note ]] || continue
    for namespace in $(grep -o 'netns/cni-[0-9a-f-]*' "$note" || true); do
      ip netns delete "${namespace#*/}" 2> /dev/null || true
    done
    container=${note##*/albatross-}
    rm -f "$note" "/var/lib/cni/results/cni-loopback-${container%-eth0}-lo"
  done
  ip link delete cni0 2> /dev/null || true
  local table
  for table in "ip albatross" "ip kube-proxy" "ip6 kube-proxy"; do
    # shellcheck disable=SC2086
    nft delete table $table 2> /dev/null || true
  done
}
