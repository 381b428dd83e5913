%% SPDX-License-Identifier: Apache-2.0
%%
%% Monitors, both ways: by pid, by name, of those who are gone, taken back.
-module(cnode_conf_monitor).

-include("cnode_conf.hrl").

%% ------------------------------------------------------ of the node under test

'a monitor tells the reason'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    P ! {exit, boom},
    {'DOWN', _, process, P, boom} = ?GOT({'DOWN', Monitor, _, _, _}).

'a monitor tells reasons of every shape'(C) ->
    [
        begin
            P = probe(C),
            Monitor = monitor(process, P),
            P ! {exit, Reason},
            true = Reason =:= down(Monitor)
        end
     || Reason <- [normal | exit_reasons()]
    ].

'a monitor tells a reason of 100 KB'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    Reason = {big, big(100000)},
    P ! {exit, Reason},
    true = Reason =:= down(Monitor).

'a monitor tells a reason of many megabytes'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    Reason = {big, big(5000000)},
    P ! {exit, Reason},
    true = Reason =:= down(Monitor).

'a monitor by name names the name'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    Monitor = monitor(process, {Name, Node}),
    P ! {exit, boom},
    {'DOWN', _, process, {Name, Node}, boom} = ?GOT({'DOWN', Monitor, _, _, _}).

'a monitor of a pid that ended is noproc'(C) ->
    P = probe(C),
    P ! {exit, boom},
    boom = down(monitor(process, P), noproc_too),
    noproc = down(monitor(process, P)).

'a monitor of a pid that never was is noproc'(C) ->
    noproc = down(monitor(process, never(probe(C)))).

'a monitor of an older incarnation is noproc'(C) ->
    P = probe(C),
    noproc = down(monitor(process, stale(P))),
    quiet(P).

'a monitor of a name that nobody has is noproc'(#{node := Node}) ->
    Name = name(),
    Monitor = monitor(process, {Name, Node}),
    {'DOWN', _, process, {Name, Node}, noproc} = ?GOT({'DOWN', Monitor, _, _, _}).

'a monitor taken back is silent'(C) ->
    {P, Other} = {probe(C), probe(C)},
    Monitor = monitor(process, P),
    true = demonitor(Monitor),
    Kept = monitor(process, P),
    exit(P, boom),
    boom = down(Kept),
    quiet(Other).

'a monitor taken back with flush is silent, fired or not'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(monitor(process, P), noproc_too),
    true = demonitor(Monitor, [flush]),
    [] = messages().

'a monitor that fired is not there to be taken back'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(Monitor),
    false = demonitor(Monitor, [info]).

'of two monitors each fires, once'(C) ->
    P = probe(C),
    {A, B} = {monitor(process, P), monitor(process, P)},
    exit(P, boom),
    boom = down(A),
    boom = down(B),
    quiet(probe(C)).

'of two monitors one can be taken back'(C) ->
    P = probe(C),
    {A, B} = {monitor(process, P), monitor(process, P)},
    true = demonitor(A),
    exit(P, boom),
    boom = down(B),
    quiet(probe(C)).

'a thousand monitors fire'(C) ->
    P = probe(C),
    Monitors = [monitor(process, P) || _ <- lists:seq(1, 1000)],
    exit(P, boom),
    [boom = down(Monitor) || Monitor <- Monitors].

'many watchers learn of one end'(C) ->
    P = probe(C),
    Me = self(),
    Watchers = [
        spawn_link(fun() ->
            Monitor = monitor(process, P),
            Me ! {self(), watches},
            Me ! {self(), down(Monitor)}
        end)
     || _ <- lists:seq(1, 100)
    ],
    [_ = ?GOT({W, watches}) || W <- Watchers],
    barrier(P),
    exit(P, boom),
    [_ = ?GOT({W, boom}) || W <- Watchers].

'a monitor by name holds to the process, not to the name'(#{node := Node} = C) ->
    Name = name(),
    {P, Q} = {probe(C, Name), probe(C)},
    Monitor = monitor(process, {Name, Node}),
    true = ask(P, {unregister, Name}),
    true = ask(Q, {register, Name}),
    exit(Q, not_this_one),
    barrier(P),
    [] = messages(),
    exit(P, this_one),
    {'DOWN', _, process, {Name, Node}, this_one} = ?GOT({'DOWN', Monitor, _, _, _}).

'a name taken again does not revive a monitor'(#{node := Node} = C) ->
    Name = name(),
    noproc = down(monitor(process, {Name, Node})),
    P = probe(C, Name),
    exit(P, boom),
    quiet(probe(C)).

'monitors by name and by pid of one process both fire'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    {A, B} = {monitor(process, {Name, Node}), monitor(process, P)},
    exit(P, boom),
    boom = down(A),
    boom = down(B).

'a monitor by name can be taken back'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    true = demonitor(monitor(process, {Name, Node})),
    exit(P, boom),
    quiet(probe(C)).

'a monitor may have a tag of its own'(C) ->
    P = probe(C),
    Monitor = monitor(process, P, [{tag, {tag, 1}}]),
    exit(P, boom),
    _ = ?GOT({{tag, 1}, Monitor, process, P, boom}).

'the end of a killed process is killed'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    exit(P, kill),
    killed = down(Monitor).

'what was sent before the end arrives before it'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    ok = ask(P, {report_to, self()}),
    [P ! {n, I} || I <- lists:seq(1, 100)],
    P ! {exit, boom},
    [{n, I} = receive {report, P, R} -> R; {'DOWN', _, _, _, _} -> down end || I <- lists:seq(1, 100)],
    boom = down(Monitor).

'monitor and demonitor without end leave nothing'(C) ->
    P = probe(C),
    [true = demonitor(monitor(process, P), [flush]) || _ <- lists:seq(1, 20000)],
    quiet(P).

'the watcher may end first'(C) ->
    P = probe(C),
    [
        begin
            {Pid, M} = spawn_monitor(fun() -> monitor(process, P) end),
            normal = down(M),
            false = is_process_alive(Pid)
        end
     || _ <- lists:seq(1, 50)
    ],
    exit(P, boom),
    quiet(probe(C)).

'a service that ended is back, with a new pid'(#{node := Node, probe := Service} = C) ->
    Own = #{probe := OwnService} = start_target(C),
    Before = ask(OwnService, self),
    Monitor = monitor(process, Before),
    gen_server:cast(OwnService, {exit, boom}),
    boom = down(Monitor),
    eventually(fun() -> is_pid(catch ask(OwnService, self)) end),
    true = Before =/= ask(OwnService, self),
    true = Node =/= maps:get(node, Own),
    true = is_pid(ask(Service, self)).

%% ----------------------------------------------- by processes of the other side

'a process there learns how one here ended'(C) ->
    P = probe(C),
    Q = puppet(),
    Monitor = ask(P, {monitor, Q}),
    true = is_reference(Monitor),
    exit(Q, boom),
    [{'DOWN', Monitor, process, Q, boom}] = flushed(P, 1).

'a process there learns reasons of every shape'(C) ->
    P = probe(C),
    [
        begin
            Q = puppet(),
            Monitor = ask(P, {monitor, Q}),
            exit(Q, Reason),
            [{'DOWN', Monitor, process, Q, Got}] = flushed(P, 1),
            true = Got =:= Reason
        end
     || Reason <- exit_reasons()
    ].

'a process there learns a reason of 100 KB'(C) ->
    P = probe(C),
    Q = puppet(),
    Reason = {big, big(100000)},
    Monitor = ask(P, {monitor, Q}),
    exit(Q, Reason),
    [{'DOWN', Monitor, process, Q, Got}] = flushed(P, 1),
    true = Got =:= Reason.

'a process there learns a normal end'(C) ->
    P = probe(C),
    Q = puppet(),
    Monitor = ask(P, {monitor, Q}),
    {ended, normal} = on(Q, fun() -> exit(normal) end),
    [{'DOWN', Monitor, process, Q, normal}] = flushed(P, 1).

'a process there learns of a kill'(C) ->
    P = probe(C),
    Q = puppet(),
    Monitor = ask(P, {monitor, Q}),
    exit(Q, kill),
    [{'DOWN', Monitor, process, Q, killed}] = flushed(P, 1).

'a process there monitors a name here'(C) ->
    P = probe(C),
    Q = puppet(),
    Name = name(),
    register(Name, Q),
    Monitor = ask(P, {monitor, {Name, node()}}),
    exit(Q, boom),
    Here = node(),
    [{'DOWN', Monitor, process, {Name, Here}, boom}] = flushed(P, 1).

'a process there monitors a name that nobody here has'(C) ->
    P = probe(C),
    Name = name(),
    Here = node(),
    Monitor = ask(P, {monitor, {Name, Here}}),
    [{'DOWN', Monitor, process, {Name, Here}, noproc}] = flushed(P, 1).

'a process there monitors one that ended here'(C) ->
    P = probe(C),
    {Q, M} = spawn_monitor(fun() -> ok end),
    _ = down(M),
    Monitor = ask(P, {monitor, Q}),
    [{'DOWN', Monitor, process, Q, noproc}] = flushed(P, 1).

'a process there monitors an older incarnation of us'(C) ->
    P = probe(C),
    Q = stale(self()),
    Monitor = ask(P, {monitor, Q}),
    [{'DOWN', Monitor, process, Q, noproc}] = flushed(P, 1).

'a process there takes a monitor back'(C) ->
    P = probe(C),
    Q = puppet(),
    Monitor = ask(P, {monitor, Q}),
    true = ask(P, {demonitor, Monitor}),
    eventually(fun() -> {monitored_by, []} =:= process_info(Q, monitored_by) end),
    exit(Q, boom),
    quiet(P),
    [] = flush(P).

'a process there takes a monitor back that has fired'(C) ->
    P = probe(C),
    Monitor = ask(P, {monitor, {name(), node()}}),
    true = is_reference(Monitor),
    ok = ask(P, {send, self(), ping}),
    ping = ?GOT(ping),
    true = ask(P, {demonitor, Monitor}),
    barrier(P).

'a process there takes a monitor back twice'(C) ->
    P = probe(C),
    Monitor = ask(P, {monitor, puppet()}),
    true = ask(P, {demonitor, Monitor}),
    true = ask(P, {demonitor, Monitor}).

'a watcher there is seen here, and gone when it ends'(C) ->
    P = probe(C),
    Q = puppet(),
    _ = ask(P, {monitor, Q}),
    eventually(fun() -> {monitored_by, [P]} =:= process_info(Q, monitored_by) end),
    exit(P, boom),
    eventually(fun() -> {monitored_by, []} =:= process_info(Q, monitored_by) end).

'a process there monitors one of its own node'(C) ->
    {P, Q} = {probe(C), probe(C)},
    Monitor = ask(P, {monitor, Q}),
    exit(Q, boom),
    [{'DOWN', Monitor, process, Q, boom}] = flushed(P, 1).

'a process there monitors a name of its own node'(#{node := Node} = C) ->
    Name = name(),
    {P, Q} = {probe(C), probe(C, Name)},
    A = ask(P, {monitor, Name}),
    B = ask(P, {monitor, {Name, Node}}),
    exit(Q, boom),
    Downs = flushed(P, 2),
    true = lists:sort(Downs) =:=
        lists:sort([{'DOWN', M, process, {Name, Node}, boom} || M <- [A, B]]).

'a process there monitors a name that nobody there has'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C),
    Monitor = ask(P, {monitor, Name}),
    [{'DOWN', Monitor, process, {Name, Node}, noproc}] = flushed(P, 1).

'a process there monitors one that ended there'(C) ->
    {P, Q} = {probe(C), probe(C)},
    exit(Q, boom),
    boom = down(monitor(process, Q), noproc_too),
    Monitor = ask(P, {monitor, Q}),
    [{'DOWN', Monitor, process, Q, noproc}] = flushed(P, 1).

'a process there monitors one of a third node'(#{third := Third} = C) ->
    P = probe(C),
    {ok, Q} = erpc:call(Third, cnode_conf_probe, start, []),
    Monitor = ask(P, {monitor, Q}),
    eventually(fun() -> {monitored_by, [P]} =:= rpc:pinfo(Q, monitored_by) end),
    exit(Q, boom),
    [{'DOWN', Monitor, process, Q, boom}] = flushed(P, 1).

'a monitor to a node that nobody can reach is noconnection'(C) ->
    P = probe(C),
    Dest = {some_name, 'nobody@127.0.0.1'},
    Monitor = ask(P, {monitor, Dest}),
    [{'DOWN', Monitor, process, Dest, noconnection}] = flushed(P, 1).

'two monitors of one process there are two references'(C) ->
    P = probe(C),
    Q = puppet(),
    {A, B} = {ask(P, {monitor, Q}), ask(P, {monitor, Q})},
    true = A =/= B,
    exit(Q, boom),
    Downs = flushed(P, 2),
    true = lists:sort([A, B]) =:= lists:sort([M || {'DOWN', M, process, _, boom} <- Downs]).

'a monitor of nonsense is a badarg'(C) ->
    P = probe(C),
    {error, badarg} = ask(P, {monitor, 17}),
    {error, badarg} = ask(P, {monitor, "name"}).

%% The process may have ended before the monitor came.
down(Monitor, noproc_too) ->
    case down(Monitor) of
        noproc -> boom;
        Reason -> Reason
    end.
