#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Records what two BEAM nodes with real syn say to each other: a line for each
# thing that happens and that is said (tests/beam/cnode_syn_record.erl).
#
#   tests/golden/record_syn.sh EBIN > tests/golden/syn-VERSION.txt
#
# EBIN is the folder with the compiled syn, in a folder named after its version.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
ebin=$(cd "${1:?the ebin folder of a version of syn}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

port=$((20000 + RANDOM % 10000))
export ERL_EPMD_PORT=$port
cd "$root"
erlc -o "$tmp" tests/beam/cnode_{peer,tls,syn,syn_record}.erl
erl -noshell -hidden -epmd_port "$port" -pa "$tmp" -run cnode_syn_record main "$ebin"
