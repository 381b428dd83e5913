# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts share: messages, a private epmd, and processes that end
# with the script. To be sourced, after `set -euo pipefail`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"

export LC_ALL=C.UTF-8 # Elixir warns about anything but UTF-8
export HOME=${HOME:-/tmp}

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' red='' plain=''
fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
warn() { printf '%s%s%s\n' "$red" "$*" "$plain" >&2; }
die() {
    warn "${0##*/}: $*"
    exit 1
}

# The comment at the head of a script is its help.
print_help() { sed -n '3,/^[^#]/{/^[^#]/q;s/^# \{0,1\}//;p}' "$0"; }

# --- logs ---------------------------------------------------------------------

# open_logs NAME: logs go to build/log/NAME, emptied first.
open_logs() {
    logs=$root/build/log/$1
    rm -rf "$logs"
    mkdir -p "$logs"
}

# logged NAME COMMAND...: runs it quietly. A failure shows the end of the log.
logged() {
    local log=$logs/$1.log
    shift
    "$@" >"$log" 2>&1 && return
    tail -n 30 "$log" >&2
    warn "failed: $*"
    warn "all of it is in $log"
    return 1
}

# build PRESET [TARGET]...: configures and builds one preset, showing how far
# it is.
build() {
    local preset=$1 log=$logs/build-$1.log
    shift
    (cd "$root" && cmake --preset "$preset") >"$log" 2>&1 &&
        (cd "$root" && cmake --build --preset "$preset" \
            ${1+--target "$@"}) 2>&1 | tee -a "$log" | show_progress &&
        return
    grep -m 20 -E ': (fatal )?error:|: warning:|undefined reference|CMake Error' "$log" >&2 ||
        tail -n 30 "$log" >&2
    warn "building the preset $preset failed; all of it is in $log"
    return 1
}

# Ninja's lines as one line that counts up; quarters when nobody watches.
show_progress() {
    local line n of quarter=0
    while IFS= read -r line; do
        [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
        n=${BASH_REMATCH[1]} of=${BASH_REMATCH[2]}
        if [ -t 1 ]; then
            printf '\r    %s%d of %d%s ' "$dim" "$n" "$of" "$plain"
        elif ((of >= 20 && n * 4 / of > quarter)); then
            quarter=$((n * 4 / of))
            printf '    %d of %d\n' "$n" "$of"
        fi
    done
    [ ! -t 1 ] || printf '\r\e[K'
}

# --- processes that end with the script ------------------------------------------

children=()

# spawn NAME COMMAND...: in the background, output to its log. Sets `spawned`.
# In a session of its own: a Ctrl-C in the foreground is not for it.
spawn() {
    local log=$logs/$1.log
    shift
    setsid "$@" >"$log" 2>&1 </dev/null &
    spawned=$!
    children+=("$spawned")
}

# foreground COMMAND...: at a terminal it deals with Ctrl-C itself; elsewhere a
# signal to the script ends it.
foreground() {
    if [ -t 0 ]; then
        trap : INT
        "$@"
    else
        "$@" </dev/null &
        children+=("$!")
        wait "$!"
    fi
}

# ended SECONDS PID: waits until it is gone.
ended() {
    local i
    for ((i = 0; i < $1 * 20; i++)); do
        kill -0 "$2" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

stop_child() {
    kill "$1" 2>/dev/null || return 0
    ended 6 "$1" || kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

# The last one first: epmd outlives the nodes.
stop_children() {
    local i
    for ((i = ${#children[@]} - 1; i >= 0; i--)); do
        stop_child "${children[i]}"
    done
    children=()
}
trap stop_children EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# wait_for SECONDS PID WHAT COMMAND...: until the command succeeds; gives up
# when the process ended.
wait_for() {
    local seconds=$1 pid=$2 what=$3 i
    shift 3
    for ((i = 0; i < seconds * 20; i++)); do
        "$@" >/dev/null 2>&1 && return
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    warn "$what did not happen within $seconds s"
    return 1
}

# --- epmd ------------------------------------------------------------------------

port_in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start_epmd PORT: one that ends with the script.
start_epmd() {
    spawn epmd epmd -port "$1" -address 127.0.0.1 -relaxed_command_check
    wait_for 5 "$spawned" "the start of epmd on port $1" port_in_use "$1" ||
        die "could not start epmd; its log is in $logs/epmd.log"
}

# An epmd of our own, so that no node of the machine is seen or disturbed.
private_epmd() {
    local port=$((20000 + RANDOM % 10000))
    while port_in_use "$port"; do port=$((20000 + RANDOM % 10000)); done
    start_epmd "$port"
    export ERL_EPMD_PORT=$port
}

# names_at_epmd: the names registered, one per line.
names_at_epmd() { epmd -names 2>/dev/null | sed -n 's/^name \([^ ]*\) at.*/\1/p'; }
has_name() { names_at_epmd | grep -qx "$1"; }
