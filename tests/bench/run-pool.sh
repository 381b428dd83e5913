#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pool of a million workers is started, falls and is opened again, is started
# again and emptied, while another pool of the node is called once a millisecond.
#
#   tests/bench/run-pool.sh [--workers N] [--schedulers N]
#
# Prints a JSON line for each: how long it took, and how long those calls did.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
workers=1000000 schedulers=1

while [ $# -gt 0 ]; do
    case $1 in
    --workers) workers=${2:?}; shift 2 ;;
    --schedulers) schedulers=${2:?}; shift 2 ;;
    *) sed -n '3,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done

tmp=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    wait 2>/dev/null || true
    epmd -port "$ERL_EPMD_PORT" -kill >/dev/null 2>&1 || true
    rm -rf "$tmp"
}
trap cleanup EXIT

ERL_EPMD_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export ERL_EPMD_PORT
cookie=bench_$RANDOM$RANDOM
cnode=${CNODE_BIN:-$root/build/release/bin/cnode}
pool='{"behaviour": "counter", "registry": "none", "worker": {"idle_timeout": null}}'
cat >"$tmp/pool.json" <<END
{"node": {"name": "bench_c@127.0.0.1"}, "runtime": {"schedulers": $schedulers},
 "limits": {"processes": 4000000},
 "pools": {"Elixir.Big": $pool, "Elixir.Small": $pool}}
END
erlc -o "$tmp" "$here/bench_pool.erl"
"$cnode" start --config "$tmp/pool.json" --cookie "$cookie" >"$tmp/cnode.out" 2>"$tmp/cnode.log" &
pid=$!
for _ in $(seq 100); do
    ! grep -q ^ready "$tmp/cnode.out" || break
    sleep 0.1
done
erl -noinput -name bench_a@127.0.0.1 -setcookie "$cookie" -pa "$tmp" \
    -eval "bench_pool:main(['bench_c@127.0.0.1', '$workers'])" || { tail -n 20 "$tmp/cnode.log" >&2; exit 1; }
