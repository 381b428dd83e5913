#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Benchmarks: the C node and a BEAM peer side by side, from one BEAM caller.
#
#   tests/bench/run.sh [--rounds N] [--seconds S] [--workers N] [--tls]
#
# With --tls all nodes speak TLS 1.3 with each other, and rows are of that.
# Builds the release preset, runs everything on loopback with an epmd of its own,
# prints a JSON line for each figure and a table of ratios. Under 5 minutes.
# Fewer than 100000 workers leave the rows about memory and starts out.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
rounds=5 seconds=0.6 workers=1000000
tls='' c_tls=() erl_tls=()

usage() { sed -n '3,10s/^# \{0,1\}//p' "$0"; }

while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=${2:?}; shift 2 ;;
    --seconds) seconds=${2:?}; shift 2 ;;
    --workers) workers=${2:?}; shift 2 ;;
    --tls) tls=1; shift ;;
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

make_certificates() {
    local curve=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    openssl req -x509 "${curve[@]}" -days 2 -subj '/CN=bench ca' -keyout ca.key -out ca.pem
    openssl req "${curve[@]}" -subj '/CN=bench' -keyout key.pem -out csr.pem
    echo 'subjectAltName=DNS:127.0.0.1,IP:127.0.0.1' >ext
    openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
        -extfile ext -out cert.pem
}
if [ -n "$tls" ]; then
    (cd "$tmp" && make_certificates) >"$tmp/openssl.log" 2>&1 || { cat "$tmp/openssl.log" >&2; exit 1; }
    c_tls=(--set "node.tls={\"cert\": \"$tmp/cert.pem\", \"key\": \"$tmp/key.pem\", \"ca\": \"$tmp/ca.pem\"}")
    both="{certfile,\"$tmp/cert.pem\"},{keyfile,\"$tmp/key.pem\"},{cacertfile,\"$tmp/ca.pem\"},{verify,verify_peer},{versions,['tlsv1.3']}"
    echo "[{server,[{fail_if_no_peer_cert,true},$both]},{client,[$both]}]." >"$tmp/dist.conf"
    erl_tls=(-proto_dist inet_tls -ssl_dist_optfile "$tmp/dist.conf")
fi
erlc -o "$tmp" "$here"/bench.erl "$here"/bench_figures.erl "$here"/bench_peer.erl

"$cnode" start --config "$here/bench.json" --cookie "$cookie" "${c_tls[@]}" >"$tmp/cnode.out" 2>"$tmp/cnode.log" &
cpid=$!
pids+=("$cpid")
"$cnode" start --config "$here/bench.json" --name bench_d@127.0.0.1 --cookie "$cookie" \
    --set runtime.schedulers=2 "${c_tls[@]}" >"$tmp/cnode2.out" 2>"$tmp/cnode2.log" &
dpid=$!
pids+=("$dpid")
erl -noshell -name bench_b@127.0.0.1 -setcookie "$cookie" -pa "$tmp" +P 4000000 "${erl_tls[@]}" \
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
erl -noshell -name bench_a@127.0.0.1 -setcookie "$cookie" -pa "$tmp" "${erl_tls[@]}" \
    -run bench main bench_c@127.0.0.1 "$cpid" bench_b@127.0.0.1 "$bpid" \
    bench_d@127.0.0.1 "$dpid" "$rounds" "$seconds" "$workers"
