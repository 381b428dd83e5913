%% SPDX-License-Identifier: Apache-2.0
%%
%% Process aliases of either side, used from the other; priority messages.
-module(cnode_conf_alias).

-include("cnode_conf.hrl").

%% ------------------------------------------------------- aliases made there

'a message to an alias arrives'(C) ->
    P = probe(C),
    Alias = ask(P, alias),
    true = is_reference(Alias),
    Alias ! {hello, 1},
    [{hello, 1}] = flush(P).

'an alias names its node'(#{node := Node} = C) ->
    Node = node(ask(probe(C), alias)).

'an alias that was taken back is silent'(C) ->
    P = probe(C),
    Alias = ask(P, alias),
    true = ask(P, {unalias, Alias}),
    Alias ! lost,
    barrier(P),
    [] = flush(P).

'an alias can be taken back once'(C) ->
    P = probe(C),
    Alias = ask(P, alias),
    true = ask(P, {unalias, Alias}),
    false = ask(P, {unalias, Alias}).

'an alias of somebody else cannot be taken back'(C) ->
    {P, Q} = {probe(C), probe(C)},
    Alias = ask(P, alias),
    false = ask(Q, {unalias, Alias}),
    false = ask(Q, {unalias, make_ref()}),
    Alias ! {still, here},
    [{still, here}] = flush(P).

'each of two aliases works by itself'(C) ->
    P = probe(C),
    {A, B} = {ask(P, alias), ask(P, alias)},
    true = A =/= B,
    A ! {to, a},
    B ! {to, b},
    true = ask(P, {unalias, A}),
    A ! lost,
    B ! {to, b, again},
    [{to, a}, {to, b}, {to, b, again}] = flush(P).

'an alias ends with its process'(C) ->
    {P, Other} = {probe(C), probe(C)},
    Alias = ask(P, alias),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(Monitor),
    Alias ! lost,
    quiet(Other).

'messages by alias and by pid keep their order'(C) ->
    P = probe(C),
    Alias = ask(P, alias),
    [begin P ! {n, 2 * I}, Alias ! {n, 2 * I + 1} end || I <- lists:seq(0, 99)],
    true = [{n, I} || I <- lists:seq(0, 199)] =:= flush(P).

'large messages by alias and by pid keep their order'(C) ->
    P = probe(C),
    Alias = ask(P, alias),
    Big = big(300000),
    Sent = [{I, case I rem 3 of 0 -> Big; _ -> small end} || I <- lists:seq(1, 30)],
    [case I rem 2 of 0 -> P ! M; 1 -> Alias ! M end || {I, _} = M <- Sent],
    true = Sent =:= flush(P).

'a third node may use an alias'(#{third := Third} = C) ->
    P = probe(C),
    Alias = ask(P, alias),
    erpc:call(Third, erlang, send, [Alias, {from, third}]),
    [{from, third}] = flushed(P, 1).

'a reference that is no alias is nobody'(C) ->
    P = probe(C),
    Monitor = ask(P, {monitor, self()}),
    Monitor ! lost,
    quiet(P),
    [] = flush(P).

'an alias of an older incarnation is nobody'(C) ->
    P = probe(C),
    older(ask(P, alias)) ! lost,
    quiet(P),
    [] = flush(P).

'a traced message to an alias arrives'(C) ->
    P = probe(C),
    Alias = ask(P, alias),
    _ = seq_trace:set_token(label, 17),
    Alias ! {traced, 1},
    _ = seq_trace:set_token([]),
    [{traced, 1}] = flush(P).

'a process there uses an alias of another there'(C) ->
    {P, Q} = {probe(C), probe(C)},
    Alias = ask(Q, alias),
    ok = ask(P, {send, Alias, {hello, you}}),
    [{hello, you}] = flushed(Q, 1),
    true = ask(Q, {unalias, Alias}),
    ok = ask(P, {send, Alias, lost}),
    barrier(P),
    [] = flush(Q).

'an alias comes back as it went'(C) ->
    P = probe(C),
    Alias = ask(P, alias),
    Alias = ask(P, {echo, Alias}),
    Mine = alias(),
    Mine = ask(P, {echo, Mine}).

'a row sent to an alias acts'(C) ->
    P = probe(C),
    Alias = ask(P, alias),
    Alias ! {send, self(), {by, alias}},
    _ = ?GOT({by, alias}).

'priority messages to a priority alias arrive'(C) ->
    case otp() >= 28 of
        false ->
            {skip, "from OTP 28"};
        true ->
            P = probe(C),
            Alias = ask(P, alias),
            erlang:send(Alias, {urgent, 1}, [priority]),
            [{urgent, 1}] = flushed(P, 1)
    end.

'an exit with options arrives'(C) ->
    case otp() >= 28 of
        false ->
            {skip, "from OTP 28"};
        true ->
            P = probe(C),
            Monitor = monitor(process, P),
            apply(erlang, exit, [P, boom, []]),
            boom = down(Monitor)
    end.

'an exit signal to an alias arrives'(C) ->
    case otp() >= 28 of
        false ->
            {skip, "from OTP 28"};
        true ->
            P = probe(C),
            false = ask(P, {trap_exit, true}),
            Me = self(),
            Alias = ask(P, alias),
            exit(Alias, normal),
            exit(Alias, {why, 1}),
            apply(erlang, exit, [Alias, {why, 2}, [priority]]),
            [{'EXIT', Me, normal}, {'EXIT', Me, {why, 1}}, {'EXIT', Me, {why, 2}}] = flushed(P, 3),
            true = ask(P, {unalias, Alias}),
            exit(Alias, kill),
            barrier(P),
            [] = flush(P),
            Monitor = monitor(process, P),
            exit(ask(P, alias), kill),
            killed = down(Monitor)
    end.

'a process there sends an exit signal to an alias here'(C) ->
    case otp() >= 28 of
        false ->
            {skip, "from OTP 28"};
        true ->
            process_flag(trap_exit, true),
            P = probe(C),
            Alias = alias(),
            true = ask(P, {exit, Alias, {why, big(200000)}}),
            {'EXIT', P, {why, _}} = ?GOT({'EXIT', P, _}),
            true = unalias(Alias),
            true = ask(P, {exit, Alias, kill}),
            quiet(P),
            {Q, Monitor} = spawn_monitor(fun() -> ask(P, {exit, alias(), kill}), timer:sleep(infinity) end),
            ?GOT({'DOWN', Monitor, process, Q, killed})
    end.

'an exit signal to an alias there from there'(C) ->
    case otp() >= 28 of
        false ->
            {skip, "from OTP 28"};
        true ->
            {P, Q} = {probe(C), probe(C)},
            Monitor = monitor(process, Q),
            Alias = ask(Q, alias),
            true = ask(Q, {exit, Alias, normal}),
            true = ask(P, {exit, Alias, normal}),
            barrier(Q),
            true = ask(P, {exit, Alias, bye}),
            bye = down(Monitor)
    end.

'an exit signal to a name is a badarg'(C) ->
    P = probe(C),
    {error, badarg} = ask(P, {exit, probe, bye}),
    {error, badarg} = ask(P, {exit, {probe, node()}, bye}).

%% -------------------------------------------------------- aliases made here

'a process there sends to an alias here'(C) ->
    Alias = alias(),
    ok = ask(probe(C), {send, Alias, {hello, 1}}),
    _ = ?GOT({hello, 1}).

'a process there sends to an alias that was taken back here'(C) ->
    P = probe(C),
    Alias = alias(),
    true = unalias(Alias),
    ok = ask(P, {send, Alias, lost}),
    quiet(P).

'a process there sends to a reference here that is no alias'(C) ->
    P = probe(C),
    ok = ask(P, {send, make_ref(), lost}),
    quiet(P).

'a process there sends to an alias of one that ended here'(C) ->
    P = probe(C),
    {Q, Monitor} = spawn_monitor(fun() -> exit({alias, alias()}) end),
    {alias, Alias} = down(Monitor),
    ok = ask(P, {send, Alias, lost}),
    quiet(P),
    false = is_process_alive(Q).

'an alias for one reply takes one message'(C) ->
    P = probe(C),
    Alias = alias([reply]),
    ok = ask(P, {send, Alias, {first, 1}}),
    ok = ask(P, {send, Alias, {second, 2}}),
    barrier(P),
    _ = ?GOT({first, 1}),
    [] = messages().

'an alias bound to a monitor ends with demonitor'(C) ->
    P = probe(C),
    Alias = monitor(process, P, [{alias, demonitor}]),
    ok = ask(P, {send, Alias, {first, 1}}),
    _ = ?GOT({first, 1}),
    true = demonitor(Alias),
    ok = ask(P, {send, Alias, lost}),
    quiet(P).

'an alias bound to a monitor ends with DOWN'(C) ->
    {P, Q} = {probe(C), probe(C)},
    Alias = monitor(process, P, [{alias, demonitor}]),
    exit(P, boom),
    boom = down(Alias),
    ok = ask(Q, {send, Alias, lost}),
    quiet(Q).

'an alias to be taken back by itself outlives DOWN'(C) ->
    {P, Q} = {probe(C), probe(C)},
    Alias = monitor(process, P, [{alias, explicit_unalias}]),
    exit(P, boom),
    boom = down(Alias),
    ok = ask(Q, {send, Alias, {still, here}}),
    _ = ?GOT({still, here}),
    true = unalias(Alias).

'an alias for a reply takes the monitor along'(C) ->
    P = probe(C),
    Alias = monitor(process, P, [{alias, reply_demonitor}]),
    ok = ask(P, {send, Alias, {first, 1}}),
    _ = ?GOT({first, 1}),
    exit(P, boom),
    quiet(probe(C)).

'a process there sends a megabyte to an alias'(C) ->
    Alias = alias(),
    Big = big(1000000),
    ok = ask(probe(C), {send, Alias, {big, Big}}),
    {big, Got} = ?GOT({big, _}),
    true = Got =:= Big.

'a burst to an alias arrives whole and in order'(C) ->
    ok = ask(probe(C), {burst, alias(), 1000}),
    [receive {burst, I} -> ok after 5000 -> error({lost, I}) end || I <- lists:seq(1, 1000)].

older(Ref) ->
    <<131, 90, Words:16, Rest/binary>> = term_to_binary(Ref),
    Head = byte_size(Rest) - 4 * Words - 4,
    <<Name:Head/binary, Creation:32, Ids/binary>> = Rest,
    binary_to_term(<<131, 90, Words:16, Name/binary, (Creation - 1):32, Ids/binary>>).
