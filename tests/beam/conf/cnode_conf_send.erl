%% SPDX-License-Identifier: Apache-2.0
%%
%% Messages: to pids and names, from both sides, to those who are gone.
-module(cnode_conf_send).

-include("cnode_conf.hrl").

%% ------------------------------------------------------ to the node under test

'a message to a pid arrives'(C) ->
    P = probe(C),
    P ! {hello, 1},
    [{hello, 1}] = flush(P).

'a message to a name arrives'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    {Name, Node} ! {hello, Name},
    [{hello, Name}] = flush(P).

'messages by name and by pid keep their order'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    [begin P ! {n, 2 * I}, {Name, Node} ! {n, 2 * I + 1} end || I <- lists:seq(0, 99)],
    true = [{n, I} || I <- lists:seq(0, 199)] =:= flush(P).

'a message to a name that nobody has is dropped'(#{node := Node} = C) ->
    P = probe(C),
    {name(), Node} ! hello,
    quiet(P).

'a message to a pid that ended is dropped'(C) ->
    {P, Other} = {probe(C), probe(C)},
    exit(P, kill),
    Monitor = monitor(process, P),
    _ = down(Monitor),
    P ! hello,
    quiet(Other).

'a message to a pid of an older incarnation is dropped'(C) ->
    P = probe(C),
    stale(P) ! hello,
    quiet(P),
    [] = flush(P).

'a message to a pid that never was is dropped'(C) ->
    P = probe(C),
    never(P) ! hello,
    quiet(P),
    [] = flush(P).

'a message goes to the one who has the name now'(#{node := Node} = C) ->
    Name = name(),
    {P, Q} = {probe(C, Name), probe(C)},
    {Name, Node} ! {to, first},
    true = ask(P, {unregister, Name}),
    {Name, Node} ! {to, nobody},
    barrier(P),
    true = ask(Q, {register, Name}),
    {Name, Node} ! {to, second},
    [{to, first}] = flush(P),
    [{to, second}] = flush(Q).

'a name is free when its process has ended'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(Monitor),
    Other = probe(C),
    undefined = ask(Other, {whereis, Name}),
    true = ask(Other, {register, Name}),
    Other = ask({Name, Node}, self).

'a name cannot be taken twice'(C) ->
    Name = name(),
    P = probe(C, Name),
    {error, badarg} = ask(probe(C), {register, Name}),
    P = ask(P, {whereis, Name}).

'a process cannot have two names'(C) ->
    P = probe(C, name()),
    {error, badarg} = ask(P, {register, name()}).

'undefined is no name'(C) ->
    {error, badarg} = ask(probe(C), {register, undefined}).

'who is not registered cannot be unregistered'(C) ->
    {error, badarg} = ask(probe(C), {unregister, name()}).

'a second process cannot be spawned under the same name'(#{probe := Service} = C) ->
    Name = name(),
    _ = probe(C, Name),
    {error, badarg} = ask(Service, {spawn, Name}).

'noconnect and nosuspend are fine'(C) ->
    P = probe(C),
    ok = erlang:send(P, {a, 1}, [noconnect]),
    ok = erlang:send(P, {a, 2}, [nosuspend]),
    true = erlang:send_nosuspend(P, {a, 3}),
    [{a, 1}, {a, 2}, {a, 3}] = flush(P).

'a megabyte to a pid and to a name'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    Big = big(1000000),
    P ! {big, Big},
    {Name, Node} ! {again, Big},
    true = [{big, Big}, {again, Big}] =:= flush(P).

'a term that is a row acts and is not kept'(C) ->
    P = probe(C),
    P ! {send, self(), {acted, 1}},
    gen_server:cast(P, {send, self(), {acted, 2}}),
    _ = ?GOT({acted, 1}),
    _ = ?GOT({acted, 2}),
    P ! {no, row, "of the table"},
    [{no, row, "of the table"}] = flush(P).

'a process can end itself by a plain message'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    P ! {exit, {told, to}},
    {told, to} = down(Monitor).

'a pid learned from a third node works'(#{third := Third} = C) ->
    P = probe(C),
    P = erpc:call(Third, gen_server, call, [P, self]),
    erpc:call(Third, erlang, send, [P, {from, third}]),
    [{from, third}] = flushed(P, 1).

'timers send later'(C) ->
    P = probe(C),
    Reference = self(),
    erlang:send_after(1, self(), tick),
    ok = ask(P, {send_after, 20, Reference, {later, P}}),
    _ = ?GOT({later, P}).

'a group leader can be set from outside'(C) ->
    P = probe(C),
    true = group_leader(self(), P),
    quiet(P).

'the group leader of a pid that is gone is no concern'(C) ->
    P = probe(C),
    true = group_leader(self(), stale(P)),
    true = group_leader(self(), never(P)),
    quiet(P).

'what nobody understands is kept and harms nobody'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    Junk = [junk, {}, [a | b], {io_request, self(), make_ref(), x}, {nodeup, Node}, {discover, self()}],
    [P ! J || J <- Junk],
    true = Junk =:= flush(P).

%% ---------------------------------------------------- from the node under test

'a process there sends to a pid here'(C) ->
    P = probe(C),
    ok = ask(P, {send, self(), {from, P}}),
    _ = ?GOT({from, P}).

'a process there sends to a name here'(C) ->
    Name = name(),
    register(Name, self()),
    ok = ask(probe(C), {send, {Name, node()}, {to, Name}}),
    _ = ?GOT({to, Name}).

'a process there sends to a name nobody has'(C) ->
    P = probe(C),
    ok = ask(P, {send, {name(), node()}, lost}),
    quiet(P).

'a process there sends to a name of its own node'(C) ->
    Name = name(),
    Q = probe(C, Name),
    P = probe(C),
    ok = ask(P, {send, Name, {to, Name}}),
    ok = ask(P, {send, name(), lost}),
    [{to, Name}] = flush(Q).

'a process there sends by name and its own node'(#{node := Node} = C) ->
    Name = name(),
    Q = probe(C, Name),
    ok = ask(probe(C), {send, {Name, Node}, {to, Name}}),
    [{to, Name}] = flush(Q).

'a process there sends to itself'(C) ->
    P = probe(C),
    ok = ask(P, {send, P, {me, myself}}),
    [{me, myself}] = flushed(P, 1).

'a process there sends to a pid that ended here'(C) ->
    P = probe(C),
    {Pid, Monitor} = spawn_monitor(fun() -> ok end),
    _ = down(Monitor),
    ok = ask(P, {send, Pid, lost}),
    quiet(P).

'a process there sends to an older incarnation of us'(C) ->
    P = probe(C),
    ok = ask(P, {send, stale(self()), lost}),
    ok = ask(P, {send, never(self()), lost}),
    quiet(P).

'a process there sends to a third node'(#{third := Third} = C) ->
    P = probe(C),
    Collector = erpc:call(Third, cnode_conf_probe, start, []),
    {ok, Q} = Collector,
    ok = ask(P, {send, Q, {over, there}}),
    [{over, there}] = flushed(Q, 1),
    exit(Q, kill).

'a process there sends to a node that nobody can reach'(C) ->
    P = probe(C),
    ok = ask(P, {send, {name, 'nobody@127.0.0.1'}, lost}),
    quiet(P).

'a process there sends a megabyte'(C) ->
    P = probe(C),
    Big = big(1000000),
    ok = ask(P, {send, self(), {big, Big}}),
    {big, Got} = ?GOT({big, _}),
    true = Got =:= Big.

'a burst arrives whole and in order'(C) ->
    P = probe(C),
    ok = ask(P, {burst, self(), 10000}),
    [receive {burst, I} -> ok after 5000 -> error({lost, I}) end || I <- lists:seq(1, 10000)],
    quiet(P).

'a burst to a name arrives whole and in order'(C) ->
    Name = name(),
    register(Name, self()),
    ok = ask(probe(C), {burst, {Name, node()}, 1000}),
    [receive {burst, I} -> ok after 5000 -> error({lost, I}) end || I <- lists:seq(1, 1000)].

'a cast from there is a gen cast'(C) ->
    ok = ask(probe(C), {cast, self(), {hello, there}}),
    _ = ?GOT({'$gen_cast', {hello, there}}).

'who asks is told what arrives'(C) ->
    P = probe(C),
    ok = ask(P, {report_to, self()}),
    P ! {some, thing},
    _ = ?GOT({report, P, {some, thing}}),
    [{some, thing}] = flush(P).

%% ------------------------------------------------------------------- in numbers

'a thousand processes come and go'(C) ->
    Probes = [probe(C) || _ <- lists:seq(1, 1000)],
    Monitors = [monitor(process, P) || P <- Probes],
    [P ! {exit, {number, I}} || {P, I} <- lists:zip(Probes, lists:seq(1, 1000))],
    [{number, I} = down(M) || {M, I} <- lists:zip(Monitors, lists:seq(1, 1000))],
    1000 = length(lists:usort(Probes)).

'pids do not come back'(C) ->
    Pids = [
        begin
            P = gen_server:call(maps:get(probe, C), {spawn, undefined}),
            M = monitor(process, P),
            exit(P, kill),
            killed = down(M),
            P
        end
     || _ <- lists:seq(1, 500)
    ],
    500 = length(lists:usort(Pids)),
    quiet(probe(C)).

'names come and go'(#{node := Node} = C) ->
    P = probe(C),
    Name = name(),
    [
        begin
            true = ask(P, {register, Name}),
            {Name, Node} ! {n, I},
            true = ask(P, {unregister, Name})
        end
     || I <- lists:seq(1, 200)
    ],
    true = [{n, I} || I <- lists:seq(1, 200)] =:= flush(P).

'a hundred thousand names from outside are no harm'(C) ->
    %% Atoms that only pass through are not kept by the node.
    P = probe(C),
    Unique = atom_to_list(name()),
    [
        begin
            Atoms = [list_to_atom(Unique ++ integer_to_list(I * 1000 + J)) || J <- lists:seq(1, 1000)],
            true = Atoms =:= ask(P, {echo, Atoms})
        end
     || I <- lists:seq(1, 110)
    ],
    true = ask(P, {register, name()}).

'ten thousand messages wait and are handled'(C) ->
    P = probe(C),
    ok = sys:suspend(P),
    [P ! {n, I} || I <- lists:seq(1, 10000)],
    ok = sys:resume(P),
    true = [{n, I} || I <- lists:seq(1, 10000)] =:= flush(P).

'a thousand deferred replies'(C) ->
    P = probe(C),
    Requests = [gen_server:send_request(P, {defer, I rem 50, I}) || I <- lists:seq(1, 1000)],
    [{reply, I} = gen_server:receive_response(R, 5000) || {I, R} <- lists:zip(lists:seq(1, 1000), Requests)].

%% ----------------------------------------------------------------- seq_trace

%% Messages with a token are those without it, for one who does not trace.
'a traced message arrives'(C) ->
    P = probe(C),
    with_token(fun() ->
        P ! {traced, 1},
        [{traced, 1}] = flush(P)
    end).

'a traced message to a name arrives'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    with_token(fun() -> {Name, Node} ! {traced, 1} end),
    [{traced, 1}] = flush(P).

'a traced message with a label of any term arrives'(C) ->
    P = probe(C),
    _ = seq_trace:set_token(label, {a, "label", 1 bsl 70}),
    P ! {traced, 1},
    _ = seq_trace:set_token([]),
    [{traced, 1}] = flush(P).

'a traced exit arrives'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    with_token(fun() -> exit(P, traced) end),
    traced = down(Monitor).

'a traced megabyte arrives'(C) ->
    P = probe(C),
    Big = big(1000000),
    with_token(fun() -> true = Big =:= ask(P, {echo, Big}) end).

with_token(Fun) ->
    _ = seq_trace:set_token(label, 17),
    _ = seq_trace:set_token(send, true),
    try
        Fun()
    after
        seq_trace:set_token([])
    end.
