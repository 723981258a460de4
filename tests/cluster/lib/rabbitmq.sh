# Sourced: a private RabbitMQ with its management plugin, and the name service that Erlang wants. Expects $dir and the settings.
# shellcheck shell=bash

write_rabbitmq_configuration() {
  local home=$dir/rabbitmq
  mkdir -p "$home/log"
  [[ -f $home/.erlang.cookie ]] || openssl rand -hex 16 > "$home/.erlang.cookie"
  chmod 400 "$home/.erlang.cookie"
  echo "[rabbitmq_management]." > "$home/enabled_plugins"
  cat > "$home/rabbitmq.conf" << CONF
listeners.tcp.1 = 127.0.0.1:$AMQP_PORT
management.tcp.ip = 127.0.0.1
management.tcp.port = $RABBITMQ_MANAGEMENT_PORT
default_user = $OPERATOR
default_pass = $RABBITMQ_PASSWORD
default_user_tags.administrator = true
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 100MB
log.console = true
log.file = false
CONF
}

# Erlang's name service on a port of its own: by default all nodes of a machine share one that outlives them.
start_epmd() {
  start "$dir" epmd epmd -port "$EPMD_PORT" -address 127.0.0.1
}

# The script of the release, since Debian's wants to be root or rabbitmq. Told that systemd runs it, it makes way for the server.
# No thread is bound to a core or spins: a test machine has few.
start_rabbitmq() {
  local home=$dir/rabbitmq program
  program=$(ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server 2> /dev/null | sort -V | tail -n 1)
  [[ -n $program ]] || fail "RabbitMQ is missing: run install-packages servers"
  start "$dir" rabbitmq env HOME="$home" ERL_EPMD_PORT="$EPMD_PORT" ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_NODENAME="albatross-$AMQP_PORT@localhost" RABBITMQ_DIST_PORT="$ERLANG_PORT" \
    RABBITMQ_CONF_ENV_FILE="$home/none" RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$home/none" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins" RABBITMQ_MNESIA_BASE="$home/mnesia" RABBITMQ_LOG_BASE="$home/log" \
    RABBITMQ_PID_FILE="$home/pid" RABBITMQ_GENERATED_CONFIG_DIR="$home/generated" RABBITMQ_SCHEDULER_BIND_TYPE=u \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}" \
    RUNNING_UNDER_SYSTEMD=true "$program"
}

rabbitmq_ready() {
  curl --silent --fail --max-time 2 --config - <<< "user = \"$OPERATOR:$RABBITMQ_PASSWORD\"
url = \"http://127.0.0.1:$RABBITMQ_MANAGEMENT_PORT/api/health/checks/port-listener/$AMQP_PORT\""
}

up_rabbitmq() {
  write_rabbitmq_configuration
  start_epmd
  start_rabbitmq
  await 120 "$dir" rabbitmq rabbitmq_ready
}
