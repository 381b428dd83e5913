#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A second node to play with, in the foreground.
#
#   scripts/test-node.sh               a BEAM node second@127.0.0.1, in iex
#   scripts/test-node.sh c             a C node of that name (examples/second.json)
#   scripts/test-node.sh beam|c NAME   another name, NAME or NAME@127.0.0.1
#
# The cookie is apple; CNODE_COOKIE names another. It registers with the epmd of
# this machine, so run-test.sh in another console finds it. End it with Ctrl-C.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

kind=beam
case ${1-} in
'') ;;
beam | c)
    kind=$1
    shift
    ;;
-h | --help)
    print_help
    exit
    ;;
*) die "usage: test-node.sh [beam|c] [NAME]" ;;
esac
[ $# -le 1 ] || die "usage: test-node.sh [beam|c] [NAME]"
name=${1-second}
[[ $name == *@* ]] || name=$name@127.0.0.1
export CNODE_COOKIE=${CNODE_COOKIE-apple}

setup_packages demo
open_logs test-node

epmd_port=${ERL_EPMD_PORT:-4369}
port_in_use "$epmd_port" || start_epmd "$epmd_port" # ends with us

beam_node() {
    say "BEAM node $name, cookie $CNODE_COOKIE"
    local options=(--name "$name" --cookie "$CNODE_COOKIE")
    if [ -t 0 ]; then
        foreground iex "${options[@]}"
    else
        foreground elixir "${options[@]}" --no-halt \
            -e 'IO.puts("ready name=#{node()}")'
    fi
}

c_node() {
    say "building build/release/bin/cnode"
    build release
    say "C node $name, cookie $CNODE_COOKIE"
    foreground "$root/build/release/bin/cnode" start \
        --config "$root/examples/second.json" --name "$name"
}

"${kind}_node"
