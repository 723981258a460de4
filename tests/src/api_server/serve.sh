# serve BIN DIR PORT [controllers]: an API server with its etcd, in DIR, until standard input ends, and the controllers
# of Deployments, Jobs and namespaces if asked for. Prints "ready" once it answers. A line "stop" on standard input ends
# the API server alone, "start" starts it again; each is answered by a line.
set -euo pipefail
bin=$1 port=$3 controllers=${4:-}
cd "$2"
umask 077
chmod 700 .

# Nothing here is worth keeping, and an API server whose etcd has gone takes minutes to end in peace.
finish() {
  exec > /dev/null 2>&1 # nobody listens any more
  kill -s KILL "${children[@]}" || true
  wait || true
  cd / && rm -rf "$OLDPWD"
}
declare -A children=()
trap finish EXIT

token=$(openssl rand -hex 16)
echo "$token,admin,admin,system:masters" > tokens.csv
cat > kubeconfig << END
{apiVersion: v1, kind: Config, current-context: test,
 contexts: [{name: test, context: {cluster: test, user: admin}}],
 clusters: [{name: test, cluster: {server: "https://127.0.0.1:$port", certificate-authority: $PWD/pki/apiserver.crt}}],
 users: [{name: admin, user: {token: $token}}]}
END
cat > audit-policy << END
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
  - {level: Metadata, users: ["system:serviceaccount:albatross-system:albatross-operator"]}
  - {level: None}
END
openssl genrsa -out service-accounts.key 2048 2> /dev/null
openssl rsa -in service-accounts.key -pubout -out service-accounts.pub 2> /dev/null

"$bin/etcd" --data-dir data --unsafe-no-fsync --log-level warn \
  --listen-client-urls unix://client --advertise-client-urls http://localhost:2379 \
  --listen-peer-urls unix://peer > etcd.log 2>&1 < /dev/null &
children[etcd]=$!

start_api_server() {
  "$bin/kube-apiserver" --etcd-servers unix://client \
    --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$port" --cert-dir pki \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file service-accounts.pub \
    --service-account-signing-key-file service-accounts.key --service-cluster-ip-range 10.96.0.0/16 \
    --audit-policy-file audit-policy --audit-log-path audit.log --audit-log-maxsize 10000 \
    --authorization-mode RBAC --token-auth-file tokens.csv >> kube-apiserver.log 2>&1 < /dev/null &
  children[api-server]=$!
}

stop_api_server() {
  kill -s KILL "${children[api-server]}"
  wait "${children[api-server]}" || true # it was killed
  unset 'children[api-server]'
}

start_controllers() {
  "$bin/kube-controller-manager" --kubeconfig kubeconfig --secure-port 0 --leader-elect=false --kube-api-qps 1000 --kube-api-burst 1000 \
    --controllers deployment-controller,replicaset-controller,job-controller,namespace-controller \
    > kube-controller-manager.log 2>&1 < /dev/null &
  children[controllers]=$!
}

await() {
  for _ in {1..600}; do
    for child in "${children[@]}"; do
      kill -0 "$child" 2> /dev/null || break 2
    done
    if "$bin/kubectl" --kubeconfig kubeconfig get --raw /readyz > /dev/null 2>&1; then return; fi
    sleep .1
  done
  tail -n 5 ./*.log >&2
  exit 1
}

start_api_server
await
if [[ $controllers ]]; then start_controllers; fi
echo ready
while read -r order; do
  case $order in
    stop) stop_api_server ;;
    start) start_api_server && await ;;
  esac
  echo done
done
