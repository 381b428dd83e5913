#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The executable as its users meet it: options, exit codes, what is on stdout
# and what on stderr, signals, and `cnode call` against a running node.
#
#   tests/cli/run.sh BUILD_FOLDER     of a preset that is built
#
# Runs on an epmd of its own. Prints one line per test and
# "N passed, M failed".
set -euo pipefail

build=$(cd "${1:?build folder of a preset}" && pwd)
cnode=$build/bin/cnode
work=$(mktemp -d "${TMPDIR:-/tmp}/cnode-cli.XXXXXX")
passed=0 failed=0
node_pid=

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

finish() {
    [ -z "$node_pid" ] || kill -9 "$node_pid" 2>/dev/null || true
    # Only the epmd that this run caused.
    epmd -port "$ERL_EPMD_PORT" -kill >/dev/null 2>&1 || true
    rm -rf "$work"
}

ERL_EPMD_PORT=$(free_port)
export ERL_EPMD_PORT
export ERL_EPMD_RELAXED_COMMAND_CHECK=1
trap finish EXIT
cd "$work"
mkdir home
export HOME=$work/home
unset CNODE_COOKIE

check() { # check SENTENCE COMMAND...
    local sentence=$1
    shift
    if "$@" >"$work/report" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $sentence"
    else
        failed=$((failed + 1))
        echo "FAILED  $sentence"
        sed 's/^/        /' "$work/report"
    fi
}

# run CODE ARGUMENT...: runs cnode; fails unless it exits with CODE. Leaves
# what it printed in the files out and err.
run() {
    local expected=$1 code=0
    shift
    timeout 30 "$cnode" "$@" >out 2>err || code=$?
    echo "cnode $* -> $code"
    cat out err
    [ "$code" = "$expected" ]
}

lines() { [ "$(wc -l <"$2")" = "$1" ]; } # lines COUNT FILE
says() { grep -qF -- "$2" "$1"; }         # says FILE TEXT
is() { [ "$(cat "$1")" = "$2" ]; }        # is FILE TEXT

config() { # config NAME: a configuration for a node of that name
    cat <<JSON
{
  "node": {"name": "$1", "listen": "127.0.0.1"},
  "pools": {
    "Elixir.Demo.Counters": {"behaviour": "counter"},
    "Elixir.A": {"behaviour": "kv"}
  },
  "services": {"echo": {"behaviour": "echo"}}
}
JSON
}

config c1@127.0.0.1 >c1.json
config c1 >nohost.json
echo '{"node": {"name": "c1@127.0.0.1"},}' >syntax.json
printf 'apple\n' >cookie
chmod 400 cookie
printf 'apple\n' >open
chmod 644 open

# start [OPTION]...: a node in the background, once it is ready.
start() {
    "$cnode" start --config c1.json --cookie-file cookie "$@" \
        >node.out 2>node.err &
    node_pid=$!
    for _ in $(seq 100); do
        [ ! -s node.out ] || return 0
        kill -0 "$node_pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "not ready"
    cat node.out node.err
    return 1
}

# stop SIGNAL: the exit code of the node is 0 and epmd has forgotten it.
stop() {
    local code=0
    kill "-$1" "$node_pid"
    wait "$node_pid" || code=$?
    node_pid=
    cat node.err
    [ "$code" = 0 ] && ! epmd -port "$ERL_EPMD_PORT" -names | grep -q 'name c1 '
}

# --- usage

version() {
    run 0 version && grep -qE '^cnode [0-9]+\.[0-9]+\.[0-9]+$' out &&
        run 0 --version && lines 2 out && says out stores:
}
help() {
    run 0 help && says out 'cnode call' && run 0 --help && run 0 help start &&
        run 0 start --help && says out --cookie-file && lines 0 err &&
        run 2 help nothing && lines 1 err
}
usage() {
    run 2 && lines 0 out && says err 'cnode help' &&
        run 2 strat && says err 'did you mean start?' && lines 1 err &&
        run 2 start --confg c1.json && says err 'did you mean --config?' &&
        run 2 start && says err '--config FILE is missing' && lines 1 err
}

# --- configuration and cookie

check_good() {
    run 0 check --config c1.json && is out ok && lines 0 err
}
check_syntax() {
    run 2 check --config syntax.json && lines 0 out && lines 1 err &&
        grep -qE '^syntax.json:1:[0-9]+: ' err
}
check_cut_plugin() {
    head -c 5000 "$build/behaviours/counter.so" >cut.so
    printf '%s\n' '{"node": {"name": "c1@127.0.0.1"},' \
        ' "behaviours": ["cut.so"]}' >cut.json
    run 2 check --config cut.json && lines 1 err &&
        says err 'cut.json:2: behaviours[0]: ' && says err 'not complete'
}
check_mistakes() {
    sed 's/"listen"/"lisen"/; s/"kv"/"vk"/' c1.json >mistakes.json
    run 2 check --config mistakes.json --set node.port=70000 && lines 3 err &&
        says err 'mistakes.json:2: node.lisen: unknown key, did you mean' &&
        says err 'mistakes.json:5: pools.Elixir\.A.behaviour: ' &&
        says err '--set: node.port: expected 0..65535, got 70000' &&
        run 2 check --config c1.json --set 'node.join[5]=a@b' && lines 1 err &&
        run 0 check --config c1.json --set 'node.join[0]=a@b'
}
bad_epmd_port() {
    ERL_EPMD_PORT=zz run 2 check --config c1.json && lines 1 err &&
        says err 'ERL_EPMD_PORT: expected a port' &&
        ERL_EPMD_PORT=99999 run 2 call c1@127.0.0.1 echo x --cookie apple &&
        lines 1 err
}
start_mistakes() {
    run 2 start --config mistakes.json --cookie x && lines 0 out &&
        run 2 start --config missing.json && lines 1 err
}
bad_names() {
    run 2 start --config nohost.json --cookie x && lines 1 err &&
        says err 'node.name' &&
        run 2 start --config c1.json --name c1 --cookie x && lines 1 err &&
        says err '--name'
}
bad_cookies() {
    run 2 start --config c1.json && lines 1 err && says err CNODE_COOKIE &&
        run 2 start --config c1.json --cookie-file open && lines 1 err &&
        says err 'chmod 400' &&
        run 2 check --config c1.json --cookie-file open &&
        run 2 start --config c1.json --cookie-file none && lines 1 err
}

# --- a node

ready_line() {
    cat node.out
    lines 1 node.out && grep -qE "^ready name=c1@127\.0\.0\.1 port=[0-9]+ \
creation=[0-9]+ pools=Elixir\.A,Elixir\.Demo\.Counters \
behaviours=counter,echo,kv,probe$" node.out
}
name_in_use() {
    run 1 start --config c1.json --cookie apple && lines 0 out &&
        lines 1 err && says err c1@127.0.0.1
}
port_in_use() {
    local port
    port=$(sed 's/.* port=\([0-9]*\) .*/\1/' node.out)
    run 1 start --config c1.json --name c2@127.0.0.1 --cookie apple \
        --set "node.port=$port" && lines 0 out && lines 1 err &&
        says err "$port"
}
call_worker() {
    run 0 call c1@127.0.0.1 Elixir.Demo.Counters 123 increment \
        --cookie apple && is out 1 &&
        CNODE_COOKIE=apple run 0 call c1@127.0.0.1 Elixir.Demo.Counters 123 \
            '{add, 5}' && is out '{ok,6}' && lines 0 err
}
call_service() {
    run 0 call c1@127.0.0.1 echo '{a, "b", [1, -2.5], #{k => <<1>>}}' \
        --cookie-file cookie && lines 1 out && lines 0 err
}
call_nobody() {
    run 1 call c1@127.0.0.1 Demo.Counters 123 increment --cookie apple &&
        lines 0 out && lines 1 err &&
        says err 'did you mean Elixir.Demo.Counters?' &&
        run 1 call c9@127.0.0.1 echo x --cookie apple && lines 1 err &&
        run 1 call c1@127.0.0.1 echo x --cookie pear && lines 1 err &&
        says err cookie
}
operators_ask() {
    export CNODE_COOKIE=apple
    run 0 status c1@127.0.0.1 && says out 'Elixir.Demo.Counters' && lines 0 err &&
        run 0 status c1@127.0.0.1 --json && lines 1 out &&
        python3 -c 'import json; s = json.load(open("out"))
assert s["node"] == "c1@127.0.0.1" and "echo" in s["services"], s' &&
        run 0 pools c1@127.0.0.1 && lines 3 out && grep -q '^POOL ' out &&
        run 0 pools c1@127.0.0.1 Elixir.A && grep -q '^behaviour *kv$' out &&
        run 0 workers c1@127.0.0.1 Elixir.Demo.Counters && grep -q '^123 .* loaded ' out &&
        run 0 workers c1@127.0.0.1 Elixir.Demo.Counters --limit all --json &&
        python3 -c 'import json; s = json.load(open("out"))
assert s["total"] == len(s["workers"]) == 1 and s["next"] is None, s' &&
        run 0 count c1@127.0.0.1 Elixir.Demo.Counters && grep -q '^total *1$' out &&
        run 0 lock c1@127.0.0.1 Elixir.A && is out ok &&
        run 1 lock c1@127.0.0.1 Elixir.A && lines 1 err && says err already_locked &&
        run 0 release c1@127.0.0.1 Elixir.A --json && is out '"ok"' &&
        run 0 offline c1@127.0.0.1 Elixir.A && run 0 online c1@127.0.0.1 Elixir.A &&
        run 0 set c1@127.0.0.1 Elixir.A worker.idle_timeout 5m && is out ok &&
        run 0 get c1@127.0.0.1 Elixir.A && says out 5m &&
        run 1 set c1@127.0.0.1 Elixir.A worker.max many && lines 1 err &&
        run 0 health c1@127.0.0.1 && says out Elixir.A &&
        run 0 health c1@127.0.0.1 --rebuild --json && lines 1 out &&
        run 0 deadletters c1@127.0.0.1 && grep -q '^AT ' out &&
        run 0 peers c1@127.0.0.1 && grep -q '^NODE ' out
    local code=$?
    unset CNODE_COOKIE
    return $code
}
operators_mistaken() {
    run 1 count c1@127.0.0.1 Demo.Counters --cookie apple && lines 1 err &&
        lines 0 out && says err 'Elixir.Demo.Counters' &&
        run 2 count c1@127.0.0.1 --cookie apple && lines 1 err &&
        says err 'takes 2 arguments, got 1' &&
        run 2 workers c1@127.0.0.1 p --limit 0 --cookie apple && lines 1 err &&
        run 2 status c1 --cookie apple && run 2 call c1@h x y --json &&
        says err 'does not take --json' &&
        run 1 status c1@127.0.0.1 --cookie pear && lines 1 err &&
        run 1 status c9@127.0.0.1 --cookie apple && lines 1 err
}
without_epmd() {
    local code=0 port
    port=$(free_port)
    "$cnode" start --config c1.json --name bare@127.0.0.1 --cookie-file cookie \
        --set node.epmd=false --set "node.port=$port" >bare.out 2>bare.err &
    local pid=$!
    for _ in $(seq 100); do
        [ ! -s bare.out ] || break
        sleep 0.1
    done
    cat bare.out bare.err
    ! epmd -port "$ERL_EPMD_PORT" -names | grep -q 'name bare ' &&
        run 1 call bare@127.0.0.1 echo x --cookie apple &&
        run 0 call bare@127.0.0.1 echo x --cookie apple --at "127.0.0.1:$port" &&
        run 2 call bare@127.0.0.1 echo x --cookie apple --at "$port" &&
        config bare@127.0.0.1 | sed "s/\"listen\"/\"epmd\": false, \"port\": $port, \"listen\"/" >bare.json &&
        run 0 call bare@127.0.0.1 echo x --cookie apple --config bare.json &&
        run 2 start --config c1.json --cookie apple --set node.epmd=false &&
        says err 'node.epmd: expected node.port' || code=1
    kill -TERM "$pid"
    wait "$pid" && [ "$code" = 0 ]
}
call_mistakes() {
    run 2 call c1@127.0.0.1 echo '{a, }' --cookie apple && lines 3 err &&
        run 2 call c1 echo x --cookie apple && lines 1 err &&
        run 2 call c1@127.0.0.1 echo x --timeout 5 --cookie apple &&
        run 2 call c1@127.0.0.1 echo '#{a => 1, a => 2}' --cookie apple &&
        says err 'every key of a map once'
}
make_certificates() {
    local name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -subj '/CN=the ca' -keyout ca.key -out ca.pem
    echo 'subjectAltName=IP:127.0.0.1,DNS:127.0.0.1' >ext
    for name in node stale; do
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
            -subj "/CN=$name" -keyout "$name.key" -out "$name.csr"
        openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key \
            -CAcreateserial -extfile ext -out "$name.pem" \
            -days "$([ "$name" = stale ] && echo -1 || echo 9)"
    done
    openssl pkey -in node.key -aes128 -passout pass:secret -out locked.key
}
tls_config() { # tls_config CERT KEY CA
    printf '{"node": {"name": "t1@127.0.0.1", "cookie_file": "cookie",\n%s}}\n' \
        "\"tls\": {\"cert\": \"$1\", \"key\": \"$2\", \"ca\": \"$3\"}"
}
tls_mistakes() {
    make_certificates >openssl.log 2>&1 || { cat openssl.log && return 1; }
    tls_config node.pem node.key ca.pem >tls.json
    tls_config none.pem node.key ca.pem >tls1.json
    tls_config node.pem stale.key ca.pem >tls2.json
    tls_config node.pem locked.key ca.pem >tls3.json
    tls_config node.pem node.key cookie >tls4.json
    run 0 check --config tls.json &&
        run 2 check --config tls1.json && lines 1 err &&
        says err 'tls1.json:2: node.tls.cert: cannot read ./none.pem: No such' &&
        run 2 check --config tls2.json && lines 1 err &&
        says err 'node.tls.key: the key in ./stale.key does not belong to' &&
        run 2 start --config tls3.json && lines 1 err &&
        says err 'node.tls.key: the key in ./locked.key is locked by a pass' &&
        run 2 start --config tls4.json && lines 1 err &&
        says err 'node.tls.ca: no usable certificate of a CA (PEM) in ./cookie' &&
        run 2 check --config tls.json --set 'node.tls.verify="maybe"' &&
        says err 'expected "both", "server" or "none"' &&
        run 2 check --config tls.json --set 'node.tls.versions=["1.1"]' &&
        says err 'expected "1.2" or "1.3"'
}
# A node over TLS at t1, and how it is called.
over_tls() {
    local code=0 pid
    "$cnode" start --config tls.json --cookie apple \
        --set 'services.echo.behaviour="echo"' >tls.out 2>tls.err &
    pid=$!
    for _ in $(seq 100); do
        [ ! -s tls.out ] || break
        sleep 0.1
    done
    call_over_tls || code=1
    cat tls.out tls.err
    kill -TERM "$pid"
    wait "$pid" && [ "$code" = 0 ] && says tls.err 'the peer has shown no certificate'
}
call_over_tls() {
    local ours="--tls-cert node.pem --tls-key node.key --tls-ca ca.pem"
    # shellcheck disable=SC2086 # words
    run 0 call t1@127.0.0.1 echo '{a, b}' --config tls.json && is out '{a,b}' &&
        run 0 call t1@127.0.0.1 echo x --cookie apple $ours && is out x &&
        run 1 call t1@127.0.0.1 echo x --cookie pear $ours && lines 1 err &&
        run 1 call t1@127.0.0.1 echo x --cookie apple && lines 1 err &&
        says err 'that node speaks TLS: give --config' &&
        run 1 call t1@127.0.0.1 echo x --cookie apple --tls-ca ca.pem &&
        lines 1 err && says err 'demands a certificate and we have shown none' &&
        run 1 call t1@127.0.0.1 echo x --cookie apple --tls-cert stale.pem \
            --tls-key stale.key --tls-ca ca.pem && lines 1 err &&
        says err 'our certificate has expired' &&
        run 1 call c1@127.0.0.1 echo x --config tls.json && lines 1 err &&
        says err 'no answer in TLS: is it a plain node' &&
        run 2 call t1@127.0.0.1 echo x --config tls3.json && lines 1 err &&
        says err 'node.tls.key: ' &&
        run 2 call t1@127.0.0.1 echo x --cookie apple --tls-key node.key &&
        says err '--tls-key without --tls-cert' &&
        run 2 call t1@127.0.0.1 echo x --cookie apple --tls-cert none.pem &&
        says err '--tls-cert: cannot read none.pem' && lines 1 err
}
no_secret() {
    ! grep -q apple node.err node.out
}
no_standard_files() {
    local code=0
    "$cnode" start --config c1.json --cookie-file cookie <&- >&- 2>&- &
    node_pid=$!
    for _ in $(seq 100); do
        ! epmd -port "$ERL_EPMD_PORT" -names | grep -q 'name c1 ' || break
        sleep 0.1
    done
    run 0 call c1@127.0.0.1 echo x --cookie-file cookie || return 1
    kill -TERM "$node_pid"
    wait "$node_pid" || code=$?
    node_pid=
    [ "$code" = 0 ]
}
leaves_on() {
    start && stop "$1"
}

check "the version is printed" version
check "help is printed on stdout" help
check "wrong usage is one line on stderr and exit code 2" usage
check "check finds nothing in a good configuration" check_good
check "check reports a syntax error with line and column" check_syntax
check "a behaviour that was cut short is a mistake" check_cut_plugin
check "check reports every mistake with its line" check_mistakes
check "a wrong ERL_EPMD_PORT is a mistake" bad_epmd_port
check "start refuses what check refuses" start_mistakes
check "start refuses a name without host" bad_names
check "start refuses a missing or readable cookie file" bad_cookies
if start --set log.level=debug; then
    check "start prints one line when it is ready" ready_line
    check "a name in use is one line and exit code 1" name_in_use
    check "a port in use is one line and exit code 1" port_in_use
    check "call starts a worker and prints its reply" call_worker
    check "call reaches a service" call_service
    check "call says why there is no reply" call_nobody
    check "operators ask the node, and get tables or JSON" operators_ask
    check "what operators get wrong is one line" operators_mistaken
    check "a node does without epmd, and call finds it by its port" without_epmd
    check "call marks mistakes in terms" call_mistakes
    check "files of TLS that cannot be used are named" tls_mistakes
    check "call reaches a node over TLS, or says why not" over_tls
    check "the cookie is in no line of the log" no_secret
    check "SIGTERM ends the node and epmd forgets it" stop TERM
else
    failed=$((failed + 1))
    echo "FAILED  start prints one line when it is ready"
fi
check "a node without standard files works and ends cleanly" no_standard_files
check "SIGINT ends the node" leaves_on INT
check "SIGHUP ends the node" leaves_on HUP
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
