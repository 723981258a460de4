# Sourced by every script here: where things are, messages, and processes that are known by id.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(cd "$here/../.." && pwd)

say() { printf '%s\n' "albatross: $*" >&2; }
fail() { say "$*"; exit 1; }
need() { command -v "$1" > /dev/null || fail "$1 is missing: $2"; }
need_root() { [[ $EUID -eq 0 ]] || fail "${0##*/} needs root"; }

cache_dir() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/albatross"; }

# State lives outside root's home: PostgreSQL runs as a user that may not enter it.
state_dir() {
  if [[ $EUID -eq 0 ]]; then echo /var/lib/albatross; else echo "${XDG_STATE_HOME:-$HOME/.local/state}/albatross"; fi
}
cluster_dir() { realpath -m "${ALBATROSS_CLUSTER_DIR:-$(state_dir)/cluster}"; }
servers_dir() { realpath -m "${ALBATROSS_SERVERS_DIR:-$(state_dir)/servers}"; }

# Which cluster is used: existing, kind or local.
provider() {
  case ${ALBATROSS_TEST_CLUSTER:-} in
    existing | kind | local) echo "$ALBATROSS_TEST_CLUSTER" ;;
    "") if command -v kind > /dev/null && docker info > /dev/null 2>&1; then echo kind; else echo local; fi ;;
    *) fail "ALBATROSS_TEST_CLUSTER must be existing, kind or local, and is $ALBATROSS_TEST_CLUSTER" ;;
  esac
}

# Below the range that the system gives to outgoing connections, and below the NodePorts.
SERVER_PORTS=20000-29999

# One run at a time works on a directory; started processes do not inherit the lock (see start).
# Again if the file went meanwhile: `down` removes it at its end.
lock() {
  local file=$1.lock
  mkdir -p "${file%/*}"
  while :; do
    exec 9> "$file"
    flock --nonblock 9 || { say "waiting for another run on $1"; flock 9; }
    [[ ! $file -ef /proc/self/fd/9 ]] || break
  done
}

retry() { # SECONDS COMMAND...: until it succeeds, or the time is over
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep .1
  done
}

# A process is known by its id and its start time, so that a reused id is never taken for ours.
started_at() {
  local stat
  stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 1
  awk '{ if ($1 == "Z") exit 1; print $20 }' <<< "${stat##*) }"
}

alive() { # PIDFILE
  local pid since
  read -r pid since 2> /dev/null < "$1" || return 1
  [[ -n $since && $(started_at "$pid") == "$since" ]]
}

start() { # DIR NAME COMMAND...: in the background, log in DIR/log/NAME.log, id in DIR/NAME.pid
  local dir=$1 name=$2 pid
  shift 2
  alive "$dir/$name.pid" && return 0
  mkdir -p "$dir/log"
  # In its own directory: what it dumps when it dies does not land elsewhere.
  setsid env --chdir="$dir" "$@" >> "$dir/log/$name.log" 2>&1 < /dev/null 9>&- &
  pid=$!
  echo "$pid $(started_at "$pid")" > "$dir/$name.pid"
}

end() { # SIGNAL PIDFILE...: signals all, then waits until each is gone; after 20 s by KILL
  local signal=$1 file pid
  shift
  for file in "$@"; do
    alive "$file" && read -r pid _ < "$file" && kill -s "$signal" "$pid" 2> /dev/null || true
  done
  for file in "$@"; do
    retry 20 gone "$file" || { read -r pid _ < "$file" && kill -s KILL "$pid" && retry 5 gone "$file"; }
    rm -f "$file"
  done
}
gone() { ! alive "$1"; }

await() { # SECONDS DIR NAME COMMAND...: until the command succeeds; gives up as soon as the process has ended
  local end=$((SECONDS + $1)) dir=$2 name=$3
  shift 3
  until "$@" > /dev/null 2>&1; do
    alive "$dir/$name.pid" || failed "$dir/log/$name.log" "$name has ended"
    ((SECONDS < end)) || failed "$dir/log/$name.log" "$name does not become ready"
    sleep .1
  done
}

failed() { # LOG MESSAGE: the message, and the last lines of the log that explains it
  tail -n 8 "$1" >&2 || true
  fail "$2 (log: $1)"
}
