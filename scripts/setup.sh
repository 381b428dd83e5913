#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing on a Debian or Ubuntu machine, or says what to
# install. The one place that knows the list of packages.
#
#   scripts/setup.sh                 everything that building and testing needs
#   scripts/setup.sh build|demo|test|full
#   scripts/setup.sh --list [GROUP]  prints the packages, installs nothing
#
# build: the executable. demo: an Elixir node beside it. test: the test
# frameworks too. full: also clang and valgrind, for run-test.sh --full.
# Nothing is downloaded when nothing is missing. Other scripts source this file
# and call setup_packages.

# One line per package: group, package, how to see that it is there.
setup_table() {
    cat <<'TABLE'
build   gcc             has_program cc
build   libc6-dev       has_header stdlib.h
build   cmake           has_program cmake
build   ninja-build     has_program ninja
build   pkg-config      has_program pkg-config
build   libuv1-dev      has_library libuv
build   libjansson-dev  has_library jansson
build   libssl-dev      has_library libssl
build   liblmdb-dev     has_library lmdb
build   libpq-dev       has_library libpq
demo    erlang-base     has_program erl
demo    elixir          has_program elixir
demo    erlang-inets    has_erlang inets
test    libcmocka-dev   has_library cmocka
test    erlang-dev      has_ei
test    erlang-eunit    has_erlang eunit
test    erlang-tools    has_erlang tools
test    rebar3          has_program rebar3
test    python3         has_program python3
test    make            has_program make
test    openssl         has_program openssl
full    clang           has_program clang
full    libclang-rt-dev has_fuzzer
full    clang-tidy      has_program clang-tidy
full    clang-format    has_program clang-format
full    valgrind        has_program valgrind
TABLE
}

has_program() { command -v "$1" >/dev/null; }
has_library() { has_program pkg-config && pkg-config --exists "$1"; }
has_header() { echo "#include <$1>" | cc -E -x c - >/dev/null 2>&1; }
has_erlang() {
    has_program erl &&
        compgen -G "$(dirname "$(readlink -f "$(command -v erl)")")/../lib/$1-*" \
            >/dev/null
}
has_fuzzer() { compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer*' >/dev/null; }
has_ei() { [ -e /usr/include/ei.h ] || [ -e /usr/lib/erlang/usr/include/ei.h ]; }

# The groups that a group stands for.
setup_groups() {
    case $1 in
    build) echo build ;;
    demo) echo build demo ;;
    test) echo build demo test ;;
    full) echo build demo test full ;;
    *)
        echo "setup.sh: no group $1; there are build, demo, test, full" >&2
        return 2
        ;;
    esac
}

# Prints the packages of a group; with "missing", those that are not there.
setup_list() {
    local groups group package probe
    groups=" $(setup_groups "$1") " || return
    while read -r group package probe; do
        [[ $groups == *" $group "* ]] || continue
        if [ "${2-}" = missing ] && $probe; then continue; fi
        echo "$package"
    done <<<"$(setup_table)"
}

# Installs what a group lacks. Silent when that is nothing.
setup_packages() {
    local missing sudo='' log
    missing=$(setup_list "$1" missing) || return
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    set -- $missing
    if ! has_program apt-get; then
        echo "These are missing (names as on Debian), please install: $*" >&2
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        if has_program sudo && sudo -n true 2>/dev/null; then
            sudo=sudo
        else
            echo "Some packages are missing. As root, run:" >&2
            echo "    apt-get update && apt-get install $*" >&2
            return 1
        fi
    fi
    log=$(mktemp "${TMPDIR:-/tmp}/cnode-setup.XXXXXX")
    echo "installing $*"
    if ! setup_install "$sudo" "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "The installation failed; all of it is in $log" >&2
        return 1
    fi
    rm -f "$log"
}

setup_install() {
    local sudo=$1
    shift
    $sudo apt-get update
    $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "$@"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    case ${1-} in
    -h | --help) sed -n '3,/^$/{/^$/q;s/^# \{0,1\}//;p}' "$0" ;;
    --list) setup_list "${2-test}" ;;
    *) setup_packages "${1-test}" ;;
    esac
fi
