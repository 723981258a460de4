# Sourced: a private PostgreSQL. Expects $dir and the settings; with POSTGRES_VERSION it is one of newer-postgres.
# shellcheck shell=bash

postgres_bin() { # NAME: the newest one installed
  local found
  found=$(ls -d /usr/lib/postgresql/*/bin/"$1" 2> /dev/null | sort -V | tail -n 1)
  [[ -n $found ]] || fail "PostgreSQL is missing: run install-packages servers"
  echo "$found"
}

# Of the version that runs. A newer one was copied: its user may not enter the cache.
server_bin() { # NAME
  if [[ -n ${POSTGRES_VERSION:-} ]]; then echo "$dir/postgres/program/bin/$1"; else postgres_bin "$1"; fi
}

# PostgreSQL refuses to run as root. Both take their process over, so that its id is the server's.
as_postgres() { "${AS_POSTGRES[@]}" "$@"; }
if [[ $EUID -eq 0 ]]; then AS_POSTGRES=(setpriv --reuid postgres --regid postgres --init-groups --); else AS_POSTGRES=(env); fi

create_postgres_cluster() {
  local home=$dir/postgres
  [[ ! -f $home/complete ]] || return 0
  rm -rf "$home"
  mkdir -p "$home"
  [[ -z ${POSTGRES_VERSION:-} ]] || cp --recursive "$("$here/newer-postgres" "$POSTGRES_VERSION")" "$home/program"
  [[ $EUID -ne 0 ]] || chown --recursive postgres: "$home"
  as_postgres test -x "$home" || fail "the user postgres cannot enter $home: choose another ALBATROSS_SERVERS_DIR"
  as_postgres tee "$home/password" <<< "$POSTGRES_SUPERUSER_PASSWORD" > /dev/null
  as_postgres "$(server_bin initdb)" --pgdata "$home/data" --username postgres --pwfile "$home/password" \
    --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8 > /dev/null
  rm "$home/password"
  as_postgres tee -a "$home/data/pg_hba.conf" <<< "host all all 10.244.0.0/16 scram-sha-256" > /dev/null
  as_postgres touch "$home/complete"
}

# A killed server leaves a lock that holds as long as its id is in use, were it by a zombie. Its children work in the data
# directory: without any, the lock means nothing.
remove_stale_lock() {
  local process
  for process in /proc/[0-9]*; do
    [[ $(readlink "$process/cwd") != "$dir/postgres/data" ]] || return 0
  done
  rm -f "$dir/postgres/data/postmaster.pid"
}

start_postgres() {
  alive "$dir/postgres.pid" || remove_stale_lock
  start "$dir" postgres "${AS_POSTGRES[@]}" "$(server_bin postgres)" -D "$dir/postgres/data" -p "$POSTGRES_PORT" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300 -c password_encryption=scram-sha-256
}

as_superuser() {
  PGPASSWORD=$POSTGRES_SUPERUSER_PASSWORD psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --host 127.0.0.1 --port "$POSTGRES_PORT" --username postgres "$@"
}

create_operator_role() {
  as_superuser --dbname postgres << SQL
DO \$\$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$OPERATOR') THEN
    CREATE ROLE $OPERATOR LOGIN CREATEDB CREATEROLE PASSWORD '$POSTGRES_PASSWORD';
  END IF;
END \$\$;
SQL
}

# Again and again: after a kill, orphans of the old server may hold its memory for a moment.
postgres_ready() {
  start_postgres
  "$(postgres_bin pg_isready)" --host 127.0.0.1 --port "$POSTGRES_PORT"
}

up_postgres() {
  create_postgres_cluster
  retry 60 postgres_ready || failed "$dir/log/postgres.log" "PostgreSQL does not become ready"
  create_operator_role
}
