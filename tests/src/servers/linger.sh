# linger USERS ONLY SERVERS: ends the servers once nobody has held a lock on USERS for five minutes.
# Test binaries of one run follow each other within seconds and so find the servers running.
set -eu
exec 7> "$1" 8> "$2"
flock --nonblock 8 || exit 0
while :; do
  flock 7
  flock --unlock 7
  sleep 300
  if flock --nonblock 7; then
    exec "$3" down
  fi
done
