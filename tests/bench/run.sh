#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Benchmarks: the C node and a BEAM peer side by side, from one BEAM caller.
#
#   tests/bench/run.sh [--rounds N] [--seconds S] [--workers N]
#
# Builds the release preset, runs everything on loopback with an epmd of its own,
# prints a JSON line for each figure and a table of ratios. Under 5 minutes.
# Fewer than 100000 workers leave the rows about memory and starts out.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
rounds=5 seconds=0.6 workers=1000000

usage() { sed -n '3,9s/^# \{0,1\}//p' "$0"; }

while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=${2:?}; shift 2 ;;
    --seconds) seconds=${2:?}; shift 2 ;;
    --workers) workers=${2:?}; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
done

tmp=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    epmd -port "$ERL_EPMD_PORT" -kill >/dev/null 2>&1 || true
    rm -rf "$tmp"
}
trap cleanup EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

cnode=${CNODE_BIN:-$root/build/release/bin/cnode}
if [ -z "${CNODE_BIN:-}" ]; then
    (cd "$root" && cmake --preset release && cmake --build --preset release) >"$tmp/build.log" 2>&1 ||
        { tail -n 30 "$tmp/build.log" >&2; exit 1; }
fi
ERL_EPMD_PORT=$(free_port)
export ERL_EPMD_PORT
cookie=bench_$RANDOM$RANDOM
erlc -o "$tmp" "$here"/bench.erl "$here"/bench_peer.erl

"$cnode" start --config "$here/bench.json" --cookie "$cookie" >"$tmp/cnode.out" 2>"$tmp/cnode.log" &
cpid=$!
pids+=("$cpid")
"$cnode" start --config "$here/bench.json" --name bench_d@127.0.0.1 --cookie "$cookie" \
    --set runtime.schedulers=2 >"$tmp/cnode2.out" 2>"$tmp/cnode2.log" &
dpid=$!
pids+=("$dpid")
erl -noshell -name bench_b@127.0.0.1 -setcookie "$cookie" -pa "$tmp" +P 4000000 \
    -run bench_peer start </dev/null >"$tmp/beam.log" 2>&1 &
bpid=$!
pids+=("$bpid")

for _ in $(seq 100); do
    names=$(epmd -port "$ERL_EPMD_PORT" -names 2>/dev/null || true)
    if [[ $names == *bench_b* && $names == *bench_c* && $names == *bench_d* ]]; then break; fi
    kill -0 "$cpid" "$dpid" 2>/dev/null || { cat "$tmp"/cnode*.log >&2; exit 1; }
    sleep 0.1
done

printf '%s, %s cores, OTP %s, %s rounds of %s s\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
    "$(erl -noshell -eval 'io:put_chars(erlang:system_info(otp_release)), halt().')" \
    "$rounds" "$seconds"
# the beam.smp that does the work is the process itself: erl execs it
erl -noshell -name bench_a@127.0.0.1 -setcookie "$cookie" -pa "$tmp" \
    -run bench main bench_c@127.0.0.1 "$cpid" bench_b@127.0.0.1 "$bpid" \
    bench_d@127.0.0.1 "$dpid" "$rounds" "$seconds" "$workers"
