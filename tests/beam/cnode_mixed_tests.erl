%% SPDX-License-Identifier: Apache-2.0
%%
%% Three BEAM and two C nodes, with names of global, locks and groups of pg in
%% use on the BEAMs all the time, while C nodes are killed, stopped, cut off and
%% started again, and a BEAM is restarted. Nothing hangs, no BEAM loses another
%% for it, and in the end all agree. In both modes of node.global.
%%
%% This BEAM is no part of the cluster: it talks to the others over their
%% standard input.
-module(cnode_mixed_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/2, name/1]).

%% What runs on the BEAMs.
-export([begin_use/1, hold/0, users/2, used/0, beams/1, call_probe/2, has_all/1, forget/1]).

-define(TICK, 4).
%% A member that stands still holds up those who want a name until it is given up.
-define(PATIENCE_MS, 30000).
%% One round of use, by a process that has no luck: who finds a lock taken sleeps
%% at random, for up to 8 s each time. With BEAMs only it was up to 23 s.
-define(SLOWEST_MS, 90000).

mixed_test_() ->
    Rounds = case os:getenv("CNODE_FULL_TESTS") of false -> 1; _ -> 5 end,
    [
        {Sentence, {timeout, 200 + 120 * Rounds, fun() -> endure(Mode, Rounds) end}}
     || Mode <- [minimal, full],
        {Sentence, _} <- cnode_peer:tests([{"global " ++ atom_to_list(Mode), fun() -> ok end}])
    ].

endure(Mode, Rounds) ->
    Beams = [start_beam() || _ <- [1, 2, 3]],
    Names = [Beam || {_, Beam} <- Beams],
    [true = on(B, net_kernel, connect_node, [hd(Names)]) || B <- tl(Beams)],
    C = start_c(Mode, hd(Names)),
    D = start_c(Mode, lists:last(Names)),
    all_see_all(Beams, [C, D]),
    [ok = on(B, ?MODULE, begin_use, [Names]) || B <- Beams],
    {Beams1, C1, D1} = lists:foldl(
        fun(Round, {Bs, X, Y}) -> round(Round, Mode, Bs, X, Y) end,
        {Beams, C, D},
        lists:seq(1, Rounds)
    ),
    [quiet(B) || B <- Beams1],
    agree(Beams1, [C1, D1]),
    [?assertEqual(0, cnode_peer:stop(Node)) || Node <- [C1, D1]],
    [peer:stop(Peer) || {Peer, _} <- Beams1].

start_beam() ->
    cnode_peer:start_beam(["-kernel", "net_ticktime", integer_to_list(?TICK), "-kernel", "start_pg", "true",
        "-kernel", "prevent_overlapping_partitions", "true"]).

start_c(Mode, Join) -> start_c(Mode, Join, #{}).

start_c(Mode, Join, Opts) ->
    cnode_peer:start(
        #{
            node => #{global => Mode, ticktime => <<"4s">>},
            services => #{probe => #{behaviour => probe}}
        },
        Opts#{args => ["--join", atom_to_list(Join)]}
    ).

on({Peer, _}, M, F, A) -> peer:call(Peer, M, F, A, ?PATIENCE_MS).

all_see_all(Beams, Nodes) ->
    All = [Beam || {_, Beam} <- Beams] ++ [name(Node) || Node <- Nodes],
    [eventually(fun() -> [] =:= All -- on(B, erlang, nodes, [[this, visible]]) end, ?PATIENCE_MS) || B <- Beams],
    [?assertEqual(ok, on(B, global, sync, [])) || B <- Beams].

%% ------------------------------------------------------------------ a round

%% Each step leaves a cluster in which all see all again.
round(Round, Mode, [A, B, Last] = Beams, C, D) ->
    Join = element(2, A),
    %% A kill, and a new life under the same name.
    _ = cnode_peer:kill(C),
    C1 = start_c(Mode, Join, #{name => name(C)}),
    all_see_all(Beams, [C1, D]),
    none_lost(killed, Beams),
    %% One that stands still until the others give it up, and one that does not
    %% stand still for so long.
    Still = case Round rem 2 of 1 -> 1500; 0 -> (?TICK + 3) * 1000 end,
    cnode_peer:signal(D, "STOP"),
    timer:sleep(Still),
    cnode_peer:signal(D, "CONT"),
    all_see_all(Beams, [C1, D]),
    none_lost(stopped, Beams),
    %% A BEAM lets one go; they find each other again.
    true = on(B, erlang, disconnect_node, [name(C1)]),
    %% And one lets a BEAM go, and takes it back.
    true = on(A, ?MODULE, call_probe, [name(D), {disconnect, element(2, B)}]),
    %% (The others may make it let this one go once more, meanwhile.)
    eventually(fun() -> catch on(B, ?MODULE, call_probe, [name(D), {connect, element(2, B)}]) end, ?PATIENCE_MS),
    all_see_all(Beams, [C1, D]),
    none_lost(let_go, Beams),
    %% A BEAM that is killed and comes back as another: that is known to all.
    [on(X, ?MODULE, forget, [[element(2, Last)]]) || X <- [A, B]],
    kill_beam(Last),
    New = start_beam(),
    true = on(New, net_kernel, connect_node, [Join]),
    Names = [element(2, X) || X <- [A, B, New]],
    ok = on(New, ?MODULE, begin_use, [Names]),
    [on(X, ?MODULE, beams, [Names]) || X <- [A, B]],
    all_see_all([A, B, New], [C1, D]),
    none_lost(beam_killed, [A, B, New]),
    {[A, B, New], C1, D}.

kill_beam({Peer, _} = Beam) ->
    Os = list_to_integer(on(Beam, os, getpid, [])),
    unlink(Peer),
    cnode_peer:signal(#{os_pid => Os}, "KILL").

none_lost(After, Beams) ->
    [
        begin
            {Lost, Slowest, _} = on(Beam, ?MODULE, used, []),
            ?assertEqual({After, Name, []}, {After, Name, Lost}),
            ?assert(Slowest < ?SLOWEST_MS)
        end
     || {_, Name} = Beam <- Beams
    ].

%% It has gone on all the time, and nothing failed.
quiet({_, Name} = Beam) ->
    {Lost, _, Before} = on(Beam, ?MODULE, used, []),
    ?assertEqual({Name, []}, {Name, Lost}),
    eventually(fun() -> element(3, on(Beam, ?MODULE, used, [])) > Before end, ?SLOWEST_MS).

%% ------------------------------------------------------------------ the end

agree([A | _] = Beams, Nodes) ->
    %% Names that were held all the time.
    [
        begin
            Name = {held, Owner},
            eventually(
                fun() ->
                    Pids =
                        [on(B, global, whereis_name, [Name]) || B <- Beams] ++
                            [on(A, ?MODULE, call_probe, [name(N), {global, whereis, Name}]) || N <- Nodes],
                    [Owner] =:= lists:usort([catch node(Pid) || Pid <- Pids])
                end,
                ?PATIENCE_MS
            )
        end
     || {_, Owner} <- Beams
    ],
    %% A name of a BEAM, one of a C process.
    yes = on(A, global, register_name, [of_beam, on(A, erlang, whereis, [init])]),
    Init = on(A, erlang, whereis, [init]),
    [
        begin
            Name = {of_c, name(Node)},
            yes = on(A, ?MODULE, call_probe, [name(Node), {global, register, Name}]),
            Pid = on(A, ?MODULE, call_probe, [name(Node), self]),
            [eventually(fun() -> Pid =:= on(B, global, whereis_name, [Name]) end, 5000) || B <- Beams],
            [Pid = on(A, ?MODULE, call_probe, [name(N), {global, whereis, Name}]) || N <- Nodes],
            eventually(fun() -> Init =:= on(A, ?MODULE, call_probe, [name(Node), {global, whereis, of_beam}]) end, 5000)
        end
     || Node <- Nodes
    ],
    %% A group with a member on each node.
    [ok = on(B, pg, join, [all, on(B, erlang, whereis, [init])]) || B <- Beams],
    [ok = on(A, ?MODULE, call_probe, [name(N), {pg, join, pg, all}]) || N <- Nodes],
    Seen = fun
        ({beam, B}) -> on(B, pg, get_members, [all]);
        ({c, N}) -> on(A, ?MODULE, call_probe, [name(N), {pg, members, pg, all}])
    end,
    eventually(
        fun() ->
            Views = [lists:sort(Seen({beam, B})) || B <- Beams] ++ [lists:sort(Seen({c, N})) || N <- Nodes],
            length(lists:usort(Views)) =:= 1 andalso length(hd(Views)) =:= length(Beams) + length(Nodes)
        end,
        5000
    ).

%% ------------------------------------------------------- what runs on the BEAMs

call_probe(Node, Term) -> gen_server:call({probe, Node}, Term, ?PATIENCE_MS).

has_all(Nodes) -> [] =:= Nodes -- nodes([this, visible]).

%% A process that uses names, locks and groups, and one that watches it and the
%% BEAMs.
begin_use(Beams) ->
    Caller = self(),
    Watcher = spawn(fun() ->
        register(cnode_watcher, self()),
        ok = net_kernel:monitor_nodes(true),
        _ = spawn_monitor(?MODULE, users, [self(), 1]),
        Caller ! {self(), ready},
        watch(#{beams => Beams, lost => [], slowest => 0, count => 0})
    end),
    receive {Watcher, ready} -> ok end,
    _ = spawn(?MODULE, hold, []),
    ok.

watch(#{beams := Beams, lost := Lost, slowest := Slowest, count := Count} = State) ->
    receive
        {nodedown, Node} -> watch(State#{lost := [Node || lists:member(Node, Beams)] ++ Lost});
        {nodeup, _} -> watch(State);
        {beams, New} -> watch(State#{beams := New});
        {forget, Nodes} -> watch(State#{beams := Beams -- Nodes});
        {took, Ms} -> watch(State#{slowest := max(Ms, Slowest), count := Count + 1});
        {'DOWN', _, process, _, Reason} -> watch(State#{lost := [{in_use, Reason} | Lost]});
        {used, From} -> From ! {self(), {Lost, Slowest, Count}}, watch(State)
    end.

used() ->
    cnode_watcher ! {used, self()},
    Watcher = whereis(cnode_watcher),
    receive {Watcher, Used} -> Used after 5000 -> error(no_watcher) end.

beams(Beams) -> cnode_watcher ! {beams, Beams}.

forget(Beams) -> cnode_watcher ! {forget, Beams}.

%% A name of before a restart may be there still.
hold() ->
    case global:register_name({held, node()}, self()) of
        yes -> receive after infinity -> ok end;
        no -> receive after 100 -> hold() end
    end.

users(Watcher, N) ->
    Before = erlang:monotonic_time(millisecond),
    Name = {node(), N},
    yes = global:register_name(Name, self()),
    true = self() =:= global:whereis_name(Name),
    _ = global:unregister_name(Name),
    done = global:trans({shared, self()}, fun() -> done end, [node() | nodes()], 20),
    ok = pg:join({use, N rem 7}, self()),
    true = lists:member(self(), pg:get_members({use, N rem 7})),
    ok = pg:leave({use, N rem 7}, self()),
    Watcher ! {took, erlang:monotonic_time(millisecond) - Before},
    timer:sleep(20),
    users(Watcher, N + 1).
