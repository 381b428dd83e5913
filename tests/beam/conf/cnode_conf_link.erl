%% SPDX-License-Identifier: Apache-2.0
%%
%% Links and exit signals, both ways. A case that links traps exits first.
-module(cnode_conf_link).

-include("cnode_conf.hrl").

trap() -> process_flag(trap_exit, true).

%% A probe that traps exits.
trapping(C) ->
    P = probe(C),
    false = ask(P, {trap_exit, true}),
    P.

%% -------------------------------------------------------- links made from here

'a link tells the reason'(C) ->
    trap(),
    P = probe(C),
    link(P),
    P ! {exit, boom},
    boom = exit_of(P).

'a link tells reasons of every shape'(C) ->
    trap(),
    [
        begin
            P = probe(C),
            link(P),
            P ! {exit, Reason},
            true = Reason =:= exit_of(P)
        end
     || Reason <- [normal | exit_reasons()]
    ].

'a link tells a reason of 100 KB'(C) ->
    trap(),
    P = probe(C),
    link(P),
    Reason = {big, big(100000)},
    P ! {exit, Reason},
    true = Reason =:= exit_of(P).

'a link to a pid that ended is noproc'(C) ->
    trap(),
    P = probe(C),
    Monitor = monitor(process, P),
    exit(P, kill),
    killed = down(Monitor),
    link(P),
    noproc = exit_of(P).

'a link to a pid that never was is noproc'(C) ->
    trap(),
    P = never(probe(C)),
    link(P),
    noproc = exit_of(P).

'a link to an older incarnation is noproc'(C) ->
    trap(),
    P = stale(probe(C)),
    link(P),
    noproc = exit_of(P).

'an unlinked process ends alone'(C) ->
    trap(),
    P = probe(C),
    link(P),
    true = unlink(P),
    Monitor = monitor(process, P),
    P ! {exit, boom},
    boom = down(Monitor),
    quiet(probe(C)).

'a link made twice fires once'(C) ->
    trap(),
    P = probe(C),
    link(P),
    link(P),
    P ! {exit, boom},
    boom = exit_of(P),
    quiet(probe(C)).

'a link made twice is undone by one unlink'(C) ->
    trap(),
    P = probe(C),
    link(P),
    link(P),
    unlink(P),
    Monitor = monitor(process, P),
    P ! {exit, boom},
    boom = down(Monitor),
    quiet(probe(C)).

'a link made again holds'(C) ->
    trap(),
    P = probe(C),
    [begin link(P), unlink(P) end || _ <- lists:seq(1, 10)],
    link(P),
    P ! {exit, boom},
    boom = exit_of(P).

'link and unlink without end leave nothing'(C) ->
    trap(),
    P = probe(C),
    [begin link(P), unlink(P) end || _ <- lists:seq(1, 5000)],
    Monitor = monitor(process, P),
    P ! {exit, boom},
    boom = down(Monitor),
    quiet(probe(C)).

'our end ends a linked process there'(C) ->
    [
        begin
            P = probe(C),
            Monitor = monitor(process, P),
            Q = puppet(),
            on(Q, fun() -> link(P) end),
            exit(Q, Reason),
            true = Reason =:= down(Monitor)
        end
     || Reason <- exit_reasons()
    ].

'a normal end here does not end a linked process there'(C) ->
    P = probe(C),
    {Q, M} = spawn_monitor(fun() -> link(P) end),
    normal = down(M),
    false = is_process_alive(Q),
    barrier(P).

'a linked process there that traps is told'(C) ->
    P = trapping(C),
    Q = puppet(),
    on(Q, fun() -> link(P) end),
    exit(Q, boom),
    [{'EXIT', Q, boom}] = flushed(P, 1).

'a linked process there that traps is told of a normal end'(C) ->
    P = trapping(C),
    Q = puppet(),
    on(Q, fun() -> link(P), exit(normal) end),
    [{'EXIT', Q, normal}] = flushed(P, 1).

'a linked process there is told reasons of every shape'(C) ->
    P = trapping(C),
    [
        begin
            Q = puppet(),
            on(Q, fun() -> link(P), exit(Reason) end),
            [{'EXIT', Q, Got}] = flushed(P, 1),
            true = Got =:= Reason
        end
     || Reason <- exit_reasons()
    ].

'a linked process there is told a reason of 100 KB'(C) ->
    P = trapping(C),
    Q = puppet(),
    Reason = {big, big(100000)},
    on(Q, fun() -> link(P), exit(Reason) end),
    [{'EXIT', Q, Got}] = flushed(P, 1),
    true = Got =:= Reason.

'kill through a link is a reason like any other'(C) ->
    P = trapping(C),
    Q = puppet(),
    {ended, kill} = on(Q, fun() -> link(P), exit(kill) end),
    [{'EXIT', Q, kill}] = flushed(P, 1),
    barrier(P).

'kill through a link ends one who does not trap'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    Q = puppet(),
    {ended, kill} = on(Q, fun() -> link(P), exit(kill) end),
    kill = down(Monitor).

'a killed process tells its links killed'(C) ->
    trap(),
    P = probe(C),
    link(P),
    exit(P, kill),
    killed = exit_of(P).

'a hundred links fire'(C) ->
    trap(),
    Probes = [probe(C) || _ <- lists:seq(1, 100)],
    [link(P) || P <- Probes],
    [P ! {exit, boom} || P <- Probes],
    [boom = exit_of(P) || P <- Probes].

'one end goes through a hundred links'(C) ->
    P = probe(C),
    Puppets = [puppet() || _ <- lists:seq(1, 100)],
    [on(Q, fun() -> link(P) end) || Q <- Puppets],
    Monitors = [monitor(process, Q) || Q <- Puppets],
    barrier(P),
    P ! {exit, boom},
    [boom = down(M) || M <- Monitors].

%% ------------------------------------------------------- links made from there

'a process there links to one here'(C) ->
    P = trapping(C),
    Q = puppet(),
    true = ask(P, {link, Q}),
    exit(Q, boom),
    [{'EXIT', Q, boom}] = flushed(P, 1).

'its end reaches who it linked to'(C) ->
    trap(),
    P = probe(C),
    true = ask(P, {link, self()}),
    P ! {exit, boom},
    boom = exit_of(P).

'its end ends who it linked to'(C) ->
    P = probe(C),
    Q = puppet(),
    Monitor = monitor(process, Q),
    true = ask(P, {link, Q}),
    P ! {exit, boom},
    boom = down(Monitor).

'its normal end does not'(C) ->
    P = probe(C),
    Q = puppet(),
    true = ask(P, {link, Q}),
    Monitor = monitor(process, P),
    P ! {exit, normal},
    normal = down(Monitor),
    eventually(fun() -> {links, []} =:= process_info(Q, links) end),
    here = on(Q, fun() -> here end).

'it unlinks'(C) ->
    P = probe(C),
    Q = puppet(),
    true = ask(P, {link, Q}),
    eventually(fun() -> {links, [P]} =:= process_info(Q, links) end),
    true = ask(P, {unlink, Q}),
    eventually(fun() -> {links, []} =:= process_info(Q, links) end),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(Monitor),
    here = on(Q, fun() -> here end).

'it unlinks what is not linked'(C) ->
    P = probe(C),
    true = ask(P, {unlink, self()}),
    true = ask(P, {unlink, never(P)}).

'it links, unlinks and links again'(C) ->
    trap(),
    P = probe(C),
    [begin true = ask(P, {link, self()}), true = ask(P, {unlink, self()}) end || _ <- lists:seq(1, 20)],
    true = ask(P, {link, self()}),
    P ! {exit, boom},
    boom = exit_of(P),
    quiet(probe(C)).

'it links to one that ended here'(C) ->
    P = trapping(C),
    {Q, M} = spawn_monitor(fun() -> ok end),
    normal = down(M),
    true = ask(P, {link, Q}),
    [{'EXIT', Q, noproc}] = flushed(P, 1).

'it links to one that ended here and does not trap'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    {Q, M} = spawn_monitor(fun() -> ok end),
    normal = down(M),
    P ! {link, Q},
    noproc = down(Monitor).

'it links to an older incarnation of us'(C) ->
    P = trapping(C),
    Q = stale(self()),
    true = ask(P, {link, Q}),
    [{'EXIT', Q, noproc}] = flushed(P, 1).

'it links to a node that nobody can reach'(C) ->
    P = trapping(C),
    Q = elsewhere(),
    true = ask(P, {link, Q}),
    [{'EXIT', Q, noconnection}] = flushed(P, 1).

'it links to one of its own node'(C) ->
    {P, Q} = {trapping(C), probe(C)},
    true = ask(P, {link, Q}),
    exit(Q, boom),
    [{'EXIT', Q, boom}] = flushed(P, 1).

'it unlinks from one of its own node'(C) ->
    {P, Q} = {trapping(C), probe(C)},
    true = ask(P, {link, Q}),
    true = ask(P, {unlink, Q}),
    Monitor = monitor(process, Q),
    exit(Q, boom),
    boom = down(Monitor),
    [] = flush(P).

'it links to one of a third node'(#{third := Third} = C) ->
    P = trapping(C),
    {ok, Q} = erpc:call(Third, cnode_conf_probe, start, []),
    true = ask(P, {link, Q}),
    eventually(fun() -> {links, [P]} =:= rpc:pinfo(Q, links) end),
    exit(Q, boom),
    [{'EXIT', Q, boom}] = flushed(P, 1).

'it links to itself'(C) ->
    P = probe(C),
    true = ask(P, {link, P}),
    Monitor = monitor(process, P),
    P ! {exit, boom},
    boom = down(Monitor).

'a link to nonsense is a badarg'(C) ->
    P = probe(C),
    {error, badarg} = ask(P, {link, some_name}),
    {error, badarg} = ask(P, {unlink, 17}).

%% --------------------------------------------------------- both sides at once

'links from both sides are one link'(C) ->
    trap(),
    P = probe(C),
    true = ask(P, {link, self()}),
    link(P),
    P ! {exit, boom},
    boom = exit_of(P),
    quiet(probe(C)).

'an unlink from either side undoes a link from both'(C) ->
    P = probe(C),
    Q = puppet(),
    on(Q, fun() -> link(P) end),
    true = ask(P, {link, Q}),
    on(Q, fun() -> unlink(P) end),
    barrier(P),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(Monitor),
    here = on(Q, fun() -> here end).

'unlinks that cross leave no link'(C) ->
    P = trapping(C),
    Q = puppet(),
    [
        begin
            on(Q, fun() -> link(P) end),
            barrier(P),
            P ! {unlink, Q},
            on(Q, fun() -> unlink(P) end),
            barrier(P)
        end
     || _ <- lists:seq(1, 200)
    ],
    eventually(fun() -> {links, []} =:= process_info(Q, links) end),
    exit(Q, boom),
    M = monitor(process, Q),
    _ = down(M),
    barrier(P),
    [] = flush(P).

%% Whatever wins, both sides agree in the end.
'link and unlink that cross end alike on both sides'(C) ->
    trap(),
    [
        begin
            P = trapping(C),
            Q = puppet(),
            on(Q, fun() -> link(P), unlink(P), link(P) end),
            P ! {link, Q},
            on(Q, fun() -> unlink(P) end),
            P ! {link, Q},
            barrier(P),
            eventually(fun() -> {links, [P]} =:= process_info(Q, links) end),
            exit(Q, boom),
            [{'EXIT', Q, boom}] = flushed(P, 1)
        end
     || _ <- lists:seq(1, 50)
    ].

'a link remade while the unlink is under way holds'(C) ->
    trap(),
    [
        begin
            P = probe(C),
            link(P),
            unlink(P),
            P ! {link, self()},
            barrier(P),
            P ! {exit, I},
            I = exit_of(P)
        end
     || I <- lists:seq(1, 50)
    ].

%% -------------------------------------------------------------------- exit/2

'exit/2 ends one who does not trap'(C) ->
    [
        begin
            P = probe(C),
            Monitor = monitor(process, P),
            exit(P, Reason),
            true = Reason =:= down(Monitor)
        end
     || Reason <- exit_reasons()
    ].

'exit/2 with a reason of 100 KB'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    Reason = {big, big(100000)},
    exit(P, Reason),
    true = Reason =:= down(Monitor).

'exit/2 is a message to one who traps'(C) ->
    P = trapping(C),
    Reasons = exit_reasons(),
    [exit(P, Reason) || Reason <- Reasons],
    Me = self(),
    true = [{'EXIT', Me, Reason} || Reason <- Reasons] =:= flush(P).

'exit/2 with 100 KB is a message to one who traps'(C) ->
    P = trapping(C),
    Reason = {big, big(100000)},
    exit(P, Reason),
    true = [{'EXIT', self(), Reason}] =:= flush(P).

'exit/2 with normal is ignored'(C) ->
    P = probe(C),
    exit(P, normal),
    barrier(P),
    [] = flush(P).

'exit/2 with normal is a message to one who traps'(C) ->
    P = trapping(C),
    exit(P, normal),
    Me = self(),
    [{'EXIT', Me, normal}] = flush(P).

'kill ends one who traps, as killed'(C) ->
    P = trapping(C),
    Monitor = monitor(process, P),
    exit(P, kill),
    killed = down(Monitor).

'killed is a reason like any other'(C) ->
    P = trapping(C),
    exit(P, killed),
    Me = self(),
    [{'EXIT', Me, killed}] = flush(P).

'exit/2 to a pid that is gone is dropped'(C) ->
    P = probe(C),
    exit(never(P), boom),
    exit(stale(P), kill),
    quiet(P).

'trap_exit tells its old value'(C) ->
    P = probe(C),
    false = ask(P, {trap_exit, true}),
    true = ask(P, {trap_exit, true}),
    true = ask(P, {trap_exit, false}),
    false = ask(P, {trap_exit, false}).

'one who stops trapping ends'(C) ->
    P = trapping(C),
    exit(P, boom),
    true = ask(P, {trap_exit, false}),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(Monitor).

'a process there sends exit/2 to one who traps'(C) ->
    trap(),
    P = probe(C),
    [
        begin
            true = ask(P, {exit, self(), Reason}),
            true = Reason =:= exit_of(P)
        end
     || Reason <- [normal, kill_me, killed | exit_reasons()]
    ].

'a process there sends exit/2 with 100 KB'(C) ->
    trap(),
    P = probe(C),
    Reason = {big, big(100000)},
    true = ask(P, {exit, self(), Reason}),
    true = Reason =:= exit_of(P).

'a process there ends one here'(C) ->
    P = probe(C),
    Q = puppet(),
    Monitor = monitor(process, Q),
    true = ask(P, {exit, Q, boom}),
    boom = down(Monitor).

'a process there does not end one here with normal'(C) ->
    P = probe(C),
    Q = puppet(),
    true = ask(P, {exit, Q, normal}),
    here = on(Q, fun() -> here end).

'a process there kills one here'(C) ->
    P = probe(C),
    Q = puppet(),
    on(Q, fun() -> process_flag(trap_exit, true) end),
    Monitor = monitor(process, Q),
    true = ask(P, {exit, Q, kill}),
    killed = down(Monitor).

'a process there sends exit/2 to a pid that is gone'(C) ->
    P = probe(C),
    true = ask(P, {exit, stale(self()), boom}),
    true = ask(P, {exit, never(self()), boom}),
    quiet(P).

'a process there sends exit/2 to another there'(C) ->
    {P, Q} = {probe(C), trapping(C)},
    true = ask(P, {exit, Q, boom}),
    [{'EXIT', P, boom}] = flushed(Q, 1),
    Monitor = monitor(process, Q),
    true = ask(P, {exit, Q, kill}),
    killed = down(Monitor).

'a process there kills itself'(C) ->
    P = trapping(C),
    Monitor = monitor(process, P),
    P ! {exit, P, kill},
    killed = down(Monitor).

%% To oneself it is not ignored.
'a process that sends itself exit/2 with normal ends'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    barrier(P),
    P ! {exit, P, normal},
    normal = down(Monitor).

'exit/2 to nonsense is a badarg'(C) ->
    {error, badarg} = ask(probe(C), {exit, nobody, boom}).

'an exit comes after what was sent before it'(C) ->
    trap(),
    P = probe(C),
    link(P),
    ok = ask(P, {burst, self(), 100}),
    P ! {exit, boom},
    [receive {burst, I} -> ok; {'EXIT', _, _} -> error({too_early, I}) end || I <- lists:seq(1, 100)],
    boom = exit_of(P).

%% A pid of a node that is not there.
elsewhere() ->
    <<131, 88, Rest/binary>> = term_to_binary(self()),
    <<_:12/binary, _/binary>> = Rest,
    Tail = binary:part(Rest, byte_size(Rest) - 12, 12),
    Node = <<"nobody@127.0.0.1">>,
    binary_to_term(<<131, 88, 119, (byte_size(Node)), Node/binary, Tail/binary>>).
