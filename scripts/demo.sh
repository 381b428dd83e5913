#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job, shown: builds the executable, starts a node written in C and an
# Elixir node that joins it, and calls workers that live in C.
#
#   scripts/demo.sh         runs examples/demo.exs and ends
#   scripts/demo.sh --iex   leaves an iex open that is joined to the C node
#
# Installs what is missing first (scripts/setup.sh). Uses an epmd of its own,
# so that nothing on this machine is seen or disturbed; nothing stays running.
# Logs are in build/log/demo.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

mode=run
case ${1-} in
'') ;;
--iex) mode=shell ;;
-h | --help)
    print_help
    exit
    ;;
*) die "usage: demo.sh [--iex]" ;;
esac

c_node=c1@127.0.0.1
beam_node=demo@127.0.0.1
bridge=$root/build/bridge
SECONDS=0

build_bridge() {
    (cd "$root/elixir_bridge" &&
        MIX_ENV=prod MIX_BUILD_PATH="$bridge" mix compile --no-deps-check)
}

start_c_node() {
    CNODE_COOKIE=$cookie spawn c_node \
        "$root/build/release/bin/cnode" start --config "$root/examples/demo.json"
    c_pid=$spawned
    wait_for 15 "$c_pid" "the start of $c_node" \
        grep -q "^ready " "$logs/c_node.log" &&
        return
    cat "$logs/c_node.log" >&2
    die "$c_node did not start; its log is in $logs/c_node.log"
}

# elixir or iex, as the second node of the cluster.
with_bridge() {
    local program=$1
    shift
    CNODE_DEMO=$mode "$program" --name "$beam_node" --cookie "$cookie" \
        -pa "$bridge/lib/cnode/ebin" "$@" "$root/examples/demo.exs"
}

stop_c_node() {
    local status=0
    kill "$c_pid" 2>/dev/null || die "$c_node had ended; see $logs/c_node.log"
    wait "$c_pid" || status=$?
    [ "$status" = 0 ] ||
        die "$c_node ended with status $status; see $logs/c_node.log"
    ! has_name c1 || die "epmd still knows $c_node"
}

setup_packages demo
open_logs demo

say "building build/release/bin/cnode"
build release
say "compiling the bridge for Elixir"
logged bridge build_bridge

cookie=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
private_epmd
say "starting $c_node, with a pool of counters from examples/demo.json"
start_c_node
if [ "$mode" = shell ]; then
    say "starting iex as $beam_node"
    with_bridge iex || true
else
    say "starting the Elixir node $beam_node"
    with_bridge elixir ||
        die "the demo failed; the log of the C node is $logs/c_node.log"
    say "stopping $c_node"
    stop_c_node
    say "done in $SECONDS s; logs are in ${logs#"$root"/}"
fi
