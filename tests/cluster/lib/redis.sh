# Sourced: a private Redis whose users are kept in an ACL file. Expects $dir and the settings.
# shellcheck shell=bash

write_redis_configuration() {
  local home=$dir/redis
  mkdir -p "$home"
  [[ -f $home/users.acl ]] || cat > "$home/users.acl" << ACL
user default off
user $OPERATOR on >$REDIS_PASSWORD ~* &* +@all
ACL
  cat > "$home/redis.conf" << CONF
bind 127.0.0.1
port $REDIS_PORT
dir $home
aclfile $home/users.acl
save ""
appendonly no
CONF
}

redis_ready() {
  REDISCLI_AUTH=$REDIS_PASSWORD redis-cli --user "$OPERATOR" -p "$REDIS_PORT" ping | grep -q PONG
}

up_redis() {
  write_redis_configuration
  start "$dir" redis redis-server "$dir/redis/redis.conf"
  await 30 "$dir" redis redis_ready
}
