#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a behaviour outside the tree against an installed cnode, with
# pkg-config and with CMake, and has the installed executable load it.
#
#   tests/plugin/run.sh BUILD_FOLDER     of a preset that is built
#
# Prints one line per test and "N passed, M failed".
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?build folder of a preset}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/cnode-plugin.XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
passed=0 failed=0

check() { # check SENTENCE COMMAND...
    local sentence=$1
    shift
    if (cd "$work" && "$@") >"$work/output" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $sentence"
    else
        failed=$((failed + 1))
        echo "FAILED  $sentence"
        sed 's/^/        /' "$work/output"
    fi
}

install_cnode() {
    cmake --install "$build" --prefix "$prefix" &&
        mv "$prefix" "$prefix-moved" && # what is installed may be moved
        prefix=$prefix-moved
}

with_pkg_config() {
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name cnode.pc)")
    export PKG_CONFIG_PATH
    mkdir by-hand &&
        cp "$here"/*.c "$here/Makefile" by-hand &&
        make -C by-hand
}

with_cmake() {
    cmake -G Ninja -S "$here" -B by-cmake -DCMAKE_PREFIX_PATH="$prefix" &&
        cmake --build by-cmake &&
        [ -e by-cmake/thermostat.so ] &&
        [ -e by-cmake/witness.so ]
}

# configuration FILE PLUGIN BEHAVIOUR
configuration() {
    cat >"$1" <<JSON
{
  "node": {"name": "plugin@127.0.0.1"},
  "behaviours": ["$2"],
  "pools": {"Elixir.Rooms": {"behaviour": "$3"}}
}
JSON
}

loads() { # loads FOLDER
    configuration "$1.json" "$1/thermostat.so" thermostat &&
        "$prefix/bin/cnode" check --config "$1.json" &&
        configuration "$1.json" "$1/witness.so" witness &&
        "$prefix/bin/cnode" check --config "$1.json"
}

# refuses TEXT CONFIGURATION: exit 2 and the text in the output.
refuses() {
    local status=0
    "$prefix/bin/cnode" check --config "$2" >refused 2>&1 || status=$?
    cat refused
    [ "$status" = 2 ] && grep -q "$1" refused
}

refuses_missing() {
    configuration missing.json nowhere.so thermostat
    refuses 'missing.json:3' missing.json
}

refuses_other_abi() {
    mkdir other-abi
    sed 's,^#include <cnode/cnode.h>,&\n#undef CNODE_ABI\n#define CNODE_ABI 999u,' \
        "$here/thermostat.c" >other-abi/thermostat.c
    # shellcheck disable=SC2046
    cc -shared -fPIC -o other-abi/thermostat.so other-abi/thermostat.c \
        $(PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name cnode.pc)") \
            pkg-config --cflags --libs cnode)
    configuration other-abi.json other-abi/thermostat.so thermostat
    refuses 999 other-abi.json
}

install_cnode >"$work/install" || {
    cat "$work/install"
    echo "0 passed, 1 failed"
    exit 1
}
check "a behaviour builds with pkg-config" with_pkg_config
check "a behaviour builds with find_package" with_cmake
check "the node loads the one built with pkg-config" loads by-hand
check "the node loads the one built with find_package" loads by-cmake
check "a plugin that is not there is refused with its line" refuses_missing
check "a plugin of another ABI is refused" refuses_other_abi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
