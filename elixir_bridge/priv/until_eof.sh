#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command that must not outlive whoever holds the other end of our stdin.
#
#     until_eof.sh GRACE COMMAND [ARGUMENT...]
#
# First prints `pid=N`, the command's process id; the rest of the output is the
# command's. Each line on stdin sends it SIGTERM. When stdin ends, also because
# its owner was killed, it gets SIGTERM, and SIGKILL after GRACE seconds. Ends
# with the command's own status.
grace=$1
shift

exec 3<&0
"$@" </dev/null 3<&- &
child=$!
echo "pid=$child"

watch() {
    while read -r _; do kill -TERM "$child"; done
    kill -TERM "$child"
    tenths=$((grace * 10))
    while [ "$tenths" -gt 0 ] && kill -0 "$child"; do
        sleep 0.1
        tenths=$((tenths - 1))
    done
    kill -KILL "$child"
}
watch <&3 3<&- >/dev/null 2>&1 &
watcher=$!
exec 3<&-

# A trap interrupts `wait`; the command is still ours until it is reaped.
trap 'kill -TERM "$child"' HUP INT TERM
wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    status=$?
done
kill -KILL "$watcher" 2>/dev/null
exit "$status"
