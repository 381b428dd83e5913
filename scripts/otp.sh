#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the newer Erlang/OTP releases that the tests can use as peers.
#
# Each release lives in a Debian root of its own below the cache folder, made
# by debootstrap from the package source this machine already uses. Nothing
# outside that folder is touched. Needs root (debootstrap and chroot do).
#
#   scripts/otp.sh              makes what is missing, prints one line each
#   scripts/otp.sh run 27 erl … runs a command in the root of a release
#   scripts/otp.sh list         prints the releases that are there
set -euo pipefail

cache=${CNODE_OTP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cnode/otp}
declare -A suite_of=([27]=trixie [29]=sid)

die() { printf 'otp.sh: %s\n' "$*" >&2; exit 1; }

mirror() {
    apt-get indextargets --format '$(URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's,/dists/.*,,p' | grep -m1 '/debian$' ||
        die 'no Debian package source found; set CNODE_DEBIAN_MIRROR'
}

has() { [ -x "$cache/$1/usr/bin/erl" ] && [ -e "$cache/$1/.complete" ]; }

make_root() {
    local otp=$1 root=$cache/$1
    has "$otp" && { echo "OTP $otp: $root"; return; }
    command -v debootstrap >/dev/null || {
        apt-get -qq update
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y debootstrap
    }
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase "${suite_of[$otp]}" "$root" \
        "${CNODE_DEBIAN_MIRROR:-$(mirror)}" >"$cache/$otp.log" 2>&1 ||
        die "debootstrap failed, see $cache/$otp.log"
    cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
    [ ! -e /etc/hosts ] || cp /etc/hosts "$root/etc/hosts"
    chroot "$root" env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get -o Acquire::Check-Valid-Until=false update &&
        apt-get install -y --no-install-recommends erlang-nox elixir rebar3' \
        >>"$cache/$otp.log" 2>&1 || die "apt-get failed, see $cache/$otp.log"
    touch "$root/.complete"
    echo "OTP $otp: $root"
}

case ${1-make} in
make)
    mkdir -p "$cache"
    for otp in "${!suite_of[@]}"; do make_root "$otp"; done
    ;;
list)
    for otp in "${!suite_of[@]}"; do has "$otp" && echo "$otp"; done | sort
    ;;
run)
    otp=${2:?release number}
    has "$otp" || die "OTP $otp is not there: run scripts/otp.sh first"
    shift 2
    exec chroot "$cache/$otp" env HOME=/root LANG=C.UTF-8 "$@"
    ;;
*) die "usage: otp.sh [make|list|run RELEASE COMMAND...]" ;;
esac
