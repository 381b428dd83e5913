#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Benchmarks of syn: names that a BEAM and the C node tell each other, beside
# what two BEAMs tell each other in the same run.
#
#   CNODE_SYN_EBIN=FOLDER tests/bench/run-syn.sh [--rounds N] [--names N] [--most N]
#
# FOLDER is the ebin folder of real syn; without it there is nothing to measure.
# Builds the release preset, runs everything on loopback with an epmd of its own,
# prints a JSON line for each figure and tables of ratios. Under 5 minutes.
# --names come one by one in each round, --most at once when a node connects
# (1000000; 0 leaves those rows out). A million needs 6 GiB of memory.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../../scripts/common.sh"
here=$root/tests/bench
rounds=3 names=100000 most=1000000

while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=${2:?}; shift 2 ;;
    --names) names=${2:?}; shift 2 ;;
    --most) most=${2:?}; shift 2 ;;
    -h | --help) print_help; exit 0 ;;
    *) print_help >&2; exit 2 ;;
    esac
done

syn=${CNODE_SYN_EBIN:-}
syn=${syn%%:*}
if [ -z "$syn" ]; then
    echo "the rows of syn are left out: CNODE_SYN_EBIN names no syn"
    exit 0
fi
[ -e "$syn/syn.app" ] || die "there is no syn.app in $syn"

open_logs bench-syn
cnode=${CNODE_BIN:-$root/build/release/bin/cnode}
[ -n "${CNODE_BIN:-}" ] || build release cnode
out=$logs/beam
mkdir -p "$out"
erlc -o "$out" "$here"/bench_syn.erl "$here"/bench_figures.erl "$here"/bench_peer.erl
"${CC:-cc}" -shared -fPIC -O2 -I "$root/include" -o "$out/starter.so" "$here/starter.c"

private_epmd
export ERL_CRASH_DUMP_SECONDS=0
cookie=bench_$RANDOM$RANDOM
nodes=()

c_node() { # c_node KEY
    spawn "$1" "$cnode" start --config "$here/bench_syn.json" --cookie "$cookie" \
        --name "bench_$1@127.0.0.1" --set "behaviours=[\"$out/starter.so\"]"
    known_as "$1"
}

# Connections are those that the benchmark makes.
beam() { # beam KEY
    spawn "$1" erl -noinput -name "bench_$1@127.0.0.1" -setcookie "$cookie" -pa "$out" "$syn" \
        -kernel connect_all false -kernel dist_auto_connect never +P 4000000
    known_as "$1"
}

known_as() {
    nodes+=("$1" "bench_$1@127.0.0.1" "$spawned")
    wait_for 20 "$spawned" "the start of $1" has_name "bench_$1" || die "see $logs/$1.log"
}

c_node c
c_node d
beam one
beam two
beam fresh

printf '%s, %s cores, OTP %s, %s rounds of %s names, %s at once\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
    "$(erl -noshell -eval 'io:put_chars(erlang:system_info(otp_release)), halt().')" \
    "$rounds" "$names" "$most"
foreground erl -noshell -hidden -name bench_a@127.0.0.1 -setcookie "$cookie" -pa "$out" \
    -kernel connect_all false -run bench_syn main "$rounds" "$names" "$most" "${nodes[@]}"
