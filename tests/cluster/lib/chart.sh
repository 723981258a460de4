# Sourced: the chart with values for the servers of this cluster. Expects $NAMESPACE.
# shellcheck shell=bash

OPERATOR=albatross_operator

create_namespace() { kubectl create namespace "$1" --dry-run=client --output yaml | kubectl apply -f - > /dev/null; }

apply_admin_secret() { # NAMESPACE SERVER PASSWORD
  kubectl apply -f - > /dev/null << YAML
apiVersion: v1
kind: Secret
metadata:
  name: $2-admin
  namespace: $1
stringData:
  username: $OPERATOR
  password: $3
YAML
}

# Beside a local cluster they run as processes, which its pods reach by the address of their bridge.
start_servers_local() {
  "$here/servers" up
  source "$(servers_dir)/settings"
  local host=10.244.0.1 server
  POSTGRES_ADDRESS="host: $host, port: $POSTGRES_PORT" AMQP_ADDRESS=$host:$AMQP_PORT
  MANAGEMENT_ADDRESS=$host:$RABBITMQ_MANAGEMENT_PORT REDIS_ADDRESS=$host:$REDIS_PORT
  for server in POSTGRES RABBITMQ REDIS; do
    local password=${server}_PASSWORD
    apply_admin_secret "$NAMESPACE" "${server,,}" "${!password}"
  done
}

# Elsewhere they are pods, whose passwords are made once.
start_servers_in_pods() {
  local domain=albatross-servers.svc server password
  create_namespace albatross-servers
  for server in postgres rabbitmq redis; do
    password=$(kubectl --namespace "$NAMESPACE" get secret "$server-admin" --ignore-not-found --output 'jsonpath={.data.password}' | base64 -d)
    password=${password:-$(openssl rand -hex 20)}
    apply_admin_secret "$NAMESPACE" "$server" "$password"
    apply_admin_secret albatross-servers "$server" "$password"
  done
  kubectl apply -f "$here/manifests/servers.yaml" > /dev/null
  for server in postgres rabbitmq redis; do
    kubectl --namespace albatross-servers rollout status "deployment/$server" --timeout 300s >&2
  done
  POSTGRES_ADDRESS="host: postgres.$domain, port: 5432" AMQP_ADDRESS=rabbitmq.$domain:5672
  MANAGEMENT_ADDRESS=rabbitmq.$domain:15672 REDIS_ADDRESS=redis.$domain:6379
}

start_servers_kind() { start_servers_in_pods; }
start_servers_existing() { start_servers_in_pods; }

egress() { # SERVER
  if [[ $(provider) == local ]]; then
    echo '{cidrs: [10.244.0.1/32]}'
  else
    echo "{podSelector: {app: $1}, namespaceSelector: {kubernetes.io/metadata.name: albatross-servers}}"
  fi
}

values() { # OPERATOR-IMAGE RUNTIME-IMAGE
  cat << YAML
image:
  repository: ${1%:*}
  tag: ${1##*:}
  pullPolicy: IfNotPresent
config:
  servers:
    postgres:
      - {name: postgres, $POSTGRES_ADDRESS, adminSecret: postgres-admin, connectionBudget: 280, egress: $(egress postgres)}
    rabbitmq:
      - name: rabbitmq
        amqp: amqp://$AMQP_ADDRESS
        management: http://$MANAGEMENT_ADDRESS
        adminSecret: rabbitmq-admin
        egress: $(egress rabbitmq)
    redis:
      - {name: redis, url: "redis://$REDIS_ADDRESS", adminSecret: redis-admin, acl: managed, egress: $(egress redis)}
  defaults:
    image: $2
    placement: {postgres: postgres, rabbitmq: rabbitmq, redis: redis}
YAML
}

install_chart() { # OPERATOR-IMAGE RUNTIME-IMAGE
  values "$@" | helm upgrade --install albatross "$root/charts/albatross" --namespace "$NAMESPACE" --values - --wait --timeout 3m > /dev/null
}
