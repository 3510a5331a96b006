#!/bin/sh
# Starts coturn with coturn.conf beside this file and the hub's secret: sh coturn.sh [OPTIONS OF turnserver], as a user without rights.
# The secret comes from the environment, like the hub's, and gets into no process list.
set -eu
: "${LIGHTHOUSE_TURN_SECRET:?set it to the secret of the hub}"
umask 077
folder=$(mktemp -d)
{
  cat "$(dirname "$0")/coturn.conf"
  printf 'static-auth-secret=%s\n' "$LIGHTHOUSE_TURN_SECRET"
  # Users in a database are not asked for; coturn makes an empty one wherever it can write.
  printf 'userdb=%s/turndb\npidfile=%s/pid\n' "$folder" "$folder"
} >"$folder/coturn.conf"
unset LIGHTHOUSE_TURN_SECRET
exec turnserver -c "$folder/coturn.conf" "$@"
