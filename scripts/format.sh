#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Formats the C sources in place, or says which are not formatted.
#
#   scripts/format.sh           formats
#   scripts/format.sh --check   lists what is not formatted; exit 1 if any
#   scripts/format.sh --tidy    runs clang-tidy on all of them, with the flags of the dev preset
#
# CLANG_FORMAT and CLANG_TIDY name other programs. Releases of clang-format
# differ in details: the check is meant for release 14.
set -euo pipefail
cd "$(dirname "$0")/.."

clang_format=${CLANG_FORMAT:-clang-format}
clang_tidy=${CLANG_TIDY:-clang-tidy}

die() { printf 'format.sh: %s\n' "$*" >&2; exit 2; }

sources() { # names to find's stdout, each ended by NUL
    find cnode include behaviours tests -name _build -prune -o \
        -name "$1" -type f -print0 | sort -z
}

format() {
    command -v "$clang_format" >/dev/null || die "no $clang_format here"
    { sources '*.c'; sources '*.h'; } | xargs -0 "$clang_format" "$@"
}

check() {
    local list
    # One line per change; a file each is enough.
    list=$(format --dry-run 2>&1 | sed -n 's/^\([^:]*\):.*Wclang-format.*/\1/p' |
        sort -u)
    [ -z "$list" ] || { sed 's/^/not formatted: /' <<<"$list"; return 1; }
}

tidy() {
    command -v "$clang_tidy" >/dev/null || die "no $clang_tidy here"
    cmake --preset dev >/dev/null
    sources '*.c' |
        xargs -0 -n 1 -P "$(nproc)" "$clang_tidy" --quiet -p build/dev \
            --warnings-as-errors='*'
}

case ${1-} in
'') format -i ;;
--check) check ;;
--tidy) tidy ;;
-h | --help) sed -n '3,/^[^#]/{/^[^#]/q;s/^# \{0,1\}//;p}' "$0" ;;
*) die "usage: format.sh [--check | --tidy]" ;;
esac
