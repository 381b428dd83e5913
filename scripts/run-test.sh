#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs every test; all that CI runs. The last line sums up:
# N passed, M failed[, K skipped].
#
#   scripts/run-test.sh                 everything but the slow suites
#   scripts/run-test.sh --full          those too, and other OTP releases
#   scripts/run-test.sh --only SUITE    one suite; may be given again
#
#   house    the rule of layers, formatting, the shell scripts' own tests
#   dev      C tests: unit, loop, golden, fuzz for a fixed number of inputs
#   asan     the same under AddressSanitizer and UndefinedBehaviorSanitizer
#   cli      the executable as its users meet it
#   erlang   EUnit (rebar.config) against a real C node
#   bridge   ExUnit (elixir_bridge) against a real C node
#   schedulers
#            both again with 2 and 4 schedulers; of EUnit what is about
#            processes, with --full all of it
#   conformance
#            the same cases against a BEAM node and a C node (tests/beam/conf),
#            from each OTP release there is (scripts/otp.sh)
#   second   a mixed cluster with second@127.0.0.1: the one that test-node.sh
#            started if it is up, else its own
#   plugin   a behaviour built outside the tree against an installed cnode
#   guide    docs/getting-started.md, step by step
#   demo     scripts/demo.sh
# With --full also:
#   tsan     C tests under ThreadSanitizer
#   sanitized-erlang, sanitized-bridge
#            those suites with an executable under the sanitizers
#   fuzz     each fuzz target for a minute by libFuzzer
#   tidy     clang-tidy
#
# Installs what is missing first (scripts/setup.sh). Logs are in build/log/test.
# Uses an epmd of its own and leaves nothing running.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

standard=(house dev asan cli erlang bridge schedulers conformance second plugin guide demo)
slow=(tsan sanitized-erlang sanitized-bridge fuzz tidy)
suites=()
full=
at_once=$(nproc) # of what mostly waits
((at_once >= 2)) || at_once=2
((at_once <= 4)) || at_once=4
passed=0 failed=0 skipped=0
broken=() # suites with a failure

# --- counting --------------------------------------------------------------------

add() { # add PASSED FAILED SKIPPED
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    suite_passed=$((suite_passed + $1)) suite_failed=$((suite_failed + $2))
    suite_skipped=$((suite_skipped + $3))
}

skip() {
    echo "    skipped: $*"
    add 0 0 1
}

# count KIND FILE: adds what scripts/tally.py finds.
count() {
    local counts
    counts=$("$root/scripts/tally.py" "$@") || counts='0 1 0'
    # shellcheck disable=SC2086 # three numbers
    add $counts
}

# one SENTENCE COMMAND...: a command that is one test.
one() {
    local sentence=$1 log
    shift
    log=$logs/${sentence//[^a-z0-9]/-}.log
    if "$@" >"$log" 2>&1; then
        add 1 0 0
    else
        warn "    failed: $sentence"
        tail -n 60 "$log"
        add 0 1 0
    fi
}

# many NAME COMMAND...: a command whose output ends with a summary.
many() {
    local name=$1 status=0
    shift
    "$@" >"$logs/$name.log" 2>&1 || status=$?
    judge "$name" "$status"
}

# begin NAME COMMAND...: the same in the background, a few of them at once: most
# of the time each waits, for nodes to start and for time to pass. `results`
# waits for all of them.
begun=() # the pid and the name of each
begin() {
    while [ "$(under_way)" -ge "$at_once" ]; do sleep 0.2; done
    spawn "$@"
    begun+=("$spawned $1")
}

under_way() {
    local one number=0
    for one in "${begun[@]}"; do
        ! kill -0 "${one% *}" 2>/dev/null || number=$((number + 1))
    done
    echo "$number"
}

results() {
    local one status
    for one in "${begun[@]}"; do
        status=0
        wait "${one% *}" || status=$?
        judge "${one#* }" "$status"
    done
    begun=()
}

# judge NAME STATUS: counts what the log says.
judge() {
    local log=$logs/$1.log status=$2 counted=$((passed + failed + skipped))
    local before=$suite_failed
    count lines "$log"
    [ "$((passed + failed + skipped))" != "$counted" ] || status="$status, no tests"
    if [ "$status" != 0 ] || [ "$suite_failed" != "$before" ]; then
        tail -n 100 "$log"
        warn "    status $status of $1"
        [ "$suite_failed" != "$before" ] || add 0 1 0
    fi
}

# --- suites: C -------------------------------------------------------------------

suite_house() {
    one "the layer check finds what it should" \
        "$root/scripts/check_layers.py" --self-test
    one "the rule of layers holds" "$root/scripts/check_layers.py"
    one "the check of limits finds what it should" \
        "$root/scripts/check_limits.py" --self-test
    one "every limit is counted and tested" "$root/scripts/check_limits.py"
    if has_program clang-format; then
        one "sources are formatted" "$root/scripts/format.sh" --check
    else
        skip "formatting, there is no clang-format"
    fi
}

c_tests() { # c_tests PRESET
    local junit=$logs/$1.xml
    build "$1" || return
    (cd "$root" && ctest --preset "$1" -j "$(nproc)" --output-junit "$junit" \
        --test-output-size-passed 9999999 --test-output-size-failed 9999999) \
        >"$logs/$1.log" 2>&1 || true
    if [ ! -e "$junit" ] || ! grep -q '<testcase' "$junit"; then
        tail -n 30 "$logs/$1.log"
        return 1
    fi
    count ctest "$junit"
}

suite_dev() { c_tests dev; }
suite_asan() { c_tests asan; }
suite_tsan() { c_tests tsan; }

suite_fuzz() {
    local target name
    build fuzz || return
    for target in "$root"/build/fuzz/tests/fuzz_*; do
        [ -x "$target" ] || continue
        name=${target##*/fuzz_}
        mkdir -p "$root/build/fuzz/corpus/$name"
        one "fuzz $name for a minute" "$target" \
            -max_total_time="${CNODE_FUZZ_SECONDS:-60}" \
            -artifact_prefix="$logs/" -rss_limit_mb=2048 \
            "$root/build/fuzz/corpus/$name" "$root/tests/fuzz/corpus/$name"
    done
}

suite_tidy() { one "clang-tidy has nothing to say" "$root/scripts/format.sh" --tidy; }

# --- suites: with a BEAM ------------------------------------------------------------

in_bridge() { # in_bridge BUILD_FOLDER MIX_ENV ARGUMENTS...
    local folder=$root/build/$1 mix_env=$2
    shift 2
    (cd "$root/elixir_bridge" &&
        MIX_ENV=$mix_env MIX_BUILD_PATH=$folder mix "$@")
}

# Those who start and stop an epmd of their own.
without_epmd() { (unset ERL_EPMD_PORT && "$@"); }

erlang_tests() { # erlang_tests HOW PRESET [SUFFIX [REBAR3_OPTION...]]
    build "$2" cnode || return
    CNODE_BIN=$root/build/$2/bin/cnode REBAR_OFFLINE=1 \
        REBAR_BASE_DIR=$root/build/rebar \
        "$1" "erlang-$2${3-}" sh -c "cd '$root' && rebar3 eunit ${*:4}"
}

bridge_tests() { # bridge_tests HOW PRESET [SUFFIX]
    build "$2" cnode || return
    CNODE_BIN=$root/build/$2/bin/cnode \
        MIX_ENV=test MIX_BUILD_PATH=$root/build/bridge-test \
        "$1" "bridge-$2${3-}" \
        env -u ERL_EPMD_PORT sh -c "cd '$root/elixir_bridge' && mix test"
}

suite_erlang() { erlang_tests many dev; }
suite_bridge() { bridge_tests many dev; }
suite_schedulers() {
    local number modules=cnode_process_tests,cnode_probe_tests
    modules+=,cnode_services_tests,cnode_cluster_tests,cnode_limits_tests
    for number in 2 4; do
        export CNODE_TEST_SCHEDULERS=$number
        if [ -n "$full" ]; then
            erlang_tests begin dev "-on-$number"
        else
            erlang_tests begin dev "-on-$number" "--module=$modules"
        fi
        bridge_tests begin dev "-on-$number"
        results # each kind has one build folder
    done
    unset CNODE_TEST_SCHEDULERS
}
suite_sanitized-erlang() { erlang_tests many asan; }
suite_sanitized-bridge() { bridge_tests many asan; }

# conform OPTION...: all conformance cases in one configuration.
conform() {
    local name="conformance $*"
    CNODE_BIN=$root/build/dev/bin/cnode \
        begin "${name// /-}" "$root/tests/beam/conf/conformance" "$@"
}

# conform_from OTP OPTION...: the BEAM side in another release.
conform_from() {
    local otp=$1
    shift
    if "$root/scripts/otp.sh" list | grep -qx "$otp"; then
        conform "$@"
    else
        skip "conformance with OTP $otp, run scripts/otp.sh first"
    fi
}

suite_conformance() {
    build dev cnode || return
    begin_conformance
    results
}

begin_conformance() {
    conform --target beam
    conform
    conform --hidden --schedulers 2
    conform --over tls --schedulers 4
    conform --global full --only global: --only cluster: --only net: --only pair:
    conform_from 27 --otp 27 --schedulers 2
    conform_from 29 --otp 29
    conform_from 29 --third 29
    [ -n "$full" ] || return 0
    local otp
    for otp in 27 29; do
        conform_from "$otp" --otp "$otp" --target beam
        conform_from "$otp" --otp "$otp" --over tls --schedulers auto
        conform_from "$otp" --otp "$otp" --hidden --schedulers 4
    done
    conform_from 27 --third 27 --schedulers 4
}

# As SimplePool has it: somebody may have a second node up in another console,
# at the epmd of the machine. Otherwise ours, once of each kind.
suite_second() {
    build dev cnode && build release || return
    logged bridge-compile in_bridge bridge prod compile || return
    if second_is_up; then
        echo "    second@127.0.0.1 is up and used"
        machine_epmd second_tests theirs
        return
    fi
    local kind
    for kind in beam c; do
        spawn "second-$kind" "$root/scripts/test-node.sh" "$kind"
        wait_for 120 "$spawned" "the start of second@127.0.0.1 ($kind)" \
            grep -q '^ready ' "$logs/second-$kind.log" || return
        second_tests "$kind"
        stop_child "$spawned"
    done
}

# machine_epmd COMMAND...: with the epmd that the caller of this script has.
machine_epmd() {
    local ours=$ERL_EPMD_PORT status=0
    export ERL_EPMD_PORT=$machine_epmd_port
    "$@" || status=$?
    export ERL_EPMD_PORT=$ours
    return "$status"
}

second_is_up() { machine_epmd has_name second; }

second_tests() {
    CNODE_BIN=$root/build/dev/bin/cnode many "second-tests-$1" \
        elixir --name first@127.0.0.1 --cookie apple \
        -pa "$root/build/bridge/lib/cnode/ebin" "$root/tests/beam/second_node.exs"
}

# --- suites: from outside -------------------------------------------------------------

suite_cli() {
    build dev cnode || return
    many cli without_epmd "$root/tests/cli/run.sh" "$root/build/dev"
}

suite_plugin() {
    build dev cnode || return
    many plugin "$root/tests/plugin/run.sh" "$root/build/dev"
}

suite_guide() {
    build dev cnode || return
    one "the guide does what it says" \
        "$root/tests/guide/run.py" "$root/build/dev/bin/cnode"
}

suite_demo() { one "the demo runs to its end" "$root/scripts/demo.sh"; }

# --- what suites leave behind --------------------------------------------------------

# A bare chroot has no /proc, without which sanitizers do not work and tests
# cannot look at processes. Ours for the time of the run.
need_proc() {
    [ ! -e /proc/self/stat ] || return 0
    say "mounting /proc for the time of this run"
    mount -t proc proc /proc || die "no /proc: please mount it first"
    trap 'stop_children; umount -l /proc' EXIT
}

# Whatever is started from here on can be told by its environment.
mark_processes() { export CNODE_TEST_RUN=$$-$RANDOM; }

# Those processes, but for the ones that end with this script.
marked() {
    local file pid
    for file in /proc/[0-9]*/environ; do
        pid=${file#/proc/} pid=${pid%/environ}
        [[ " ${children[*]} " != *" $pid "* ]] || continue
        if grep -qzx "CNODE_TEST_RUN=$CNODE_TEST_RUN" "$file" 2>/dev/null; then
            echo "$pid"
        fi
    done
}

# To leave something running is a failure of the suite.
stop_leftovers() {
    local pids pid i
    for ((i = 0; i < 20; i++)); do # some are just ending
        pids=$(marked)
        [ -n "$pids" ] || return 0
        sleep 0.1
    done
    add 0 1 0
    for pid in $pids; do
        warn "    left running: $(command_of "$pid")"
    done
    for pid in $pids; do
        kill -KILL "$pid" 2>/dev/null || true
    done
}

command_of() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | cut -c -120; }

# --- running ---------------------------------------------------------------------

run_suite() {
    local started=$SECONDS
    suite_passed=0 suite_failed=0 suite_skipped=0
    say "$1"
    if ! "suite_$1" || [ $((suite_passed + suite_failed + suite_skipped)) = 0 ]; then
        warn "    the suite $1 did not run to its end"
        add 0 1 0
    fi
    stop_leftovers
    [ "$suite_failed" = 0 ] || broken+=("$1")
    echo "    $suite_passed passed, $suite_failed failed," \
        "$suite_skipped skipped in $((SECONDS - started)) s"
}

known_suite() { [[ " ${standard[*]} ${slow[*]} " == *" $1 "* ]]; }

while [ $# -gt 0 ]; do
    case $1 in
    --full) full=1 ;;
    --only)
        known_suite "${2-}" || die "no suite \"${2-}\"; see --help"
        suites+=("$2")
        shift
        ;;
    -h | --help)
        print_help
        exit
        ;;
    *) die "usage: run-test.sh [--full] [--only SUITE]..." ;;
    esac
    shift
done
if [ ${#suites[@]} = 0 ]; then
    suites=("${standard[@]}")
    [ -z "$full" ] || suites+=("${slow[@]}")
fi
[ -z "$full" ] || export CNODE_FULL_TESTS=1 # the BEAM suites look at it

if [ -n "$full" ]; then setup_packages full; else setup_packages test; fi
open_logs test
need_proc
mark_processes
machine_epmd_port=${ERL_EPMD_PORT:-4369}
private_epmd
for suite in "${suites[@]}"; do run_suite "$suite"; done

[ ${#broken[@]} = 0 ] || warn "failures in: ${broken[*]}; logs are in build/log/test"
summary="$passed passed, $failed failed"
[ "$skipped" = 0 ] || summary+=", $skipped skipped"
stop_children
echo "$summary"
[ "$failed" = 0 ]
