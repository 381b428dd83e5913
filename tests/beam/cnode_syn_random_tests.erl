%% SPDX-License-Identifier: Apache-2.0
%%
%% Two C nodes and BEAM nodes with real syn in one scope, in which all sorts of
%% things happen at random: names and groups come, change and go, on either side
%% and for processes of the other, processes are killed, links are lost and come
%% back, scope processes are killed. Then it is quiet, and what every
%% node has of a C node and what a C node has of every other is what that one has
%% itself; nobody knows a process that is dead, and no name has two.
%%
%% What BEAM nodes have of each other is syn's affair.
%%
%% CNODE_STRESS_MS: how long; CNODE_STRESS_SEED: the same steps again.
-module(cnode_syn_random_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/2]).
-import(cnode_syn, [call/2, on/4]).

-define(S, scope).
-define(PATIENCE, 30000).
-define(NAMES, 40).
-define(GROUPS, 8).
-define(EACH, 12). % processes of a node

-record(world, {cs, beams, processes, apart = [], beam_kills = 8}).

random_test_() ->
    case cnode_syn:versions() of
        [] -> cnode_syn:tests([{"at random", fun(_) -> ok end}]);
        Dirs -> cnode_peer:tests([{"at random, all agree in the end", {timeout, 600, fun() -> run(Dirs) end}}], 1)
    end.

run(Dirs) ->
    Ms = number("CNODE_STRESS_MS", 8000),
    Seed = number("CNODE_STRESS_SEED", erlang:unique_integer([positive]) + erlang:system_time(millisecond)),
    io:format(user, "  at random: CNODE_STRESS_SEED=~b CNODE_STRESS_MS=~b~n", [Seed, Ms]),
    _ = rand:seed(exsss, Seed),
    Cs = [cnode_syn:start_c([?S]) || _ <- [1, 2]],
    Beams = [cnode_syn:start_beam(Dir, [?S]) || Dir <- lists:sublist(Dirs ++ Dirs ++ Dirs, 3)],
    together(Beams, Cs),
    Processes = maps:from_list([{name_of(Node), [process(Node) || _ <- lists:seq(1, ?EACH)]} || Node <- Cs ++ Beams]),
    World = steps(#world{cs = Cs, beams = Beams, processes = Processes}, now_ms() + Ms, 0),
    [cnode_syn:heal(Beam, Other) || {Beam, Other} <- World#world.apart],
    together(Beams, Cs),
    [quiet(Kind, World) || Kind <- [registry, pg]],
    [cnode_syn:stop_beam(Beam) || Beam <- Beams],
    [cnode_syn:stop_c(C) || C <- Cs].

number(Variable, Default) ->
    case os:getenv(Variable) of
        false -> Default;
        Text -> list_to_integer(Text)
    end.

now_ms() -> erlang:monotonic_time(millisecond).

name_of(#{name := Name}) -> Name;
name_of({_, Name}) -> Name.

process(#{name := _} = C) -> cnode_syn:probe(C);
process(Beam) -> cnode_syn:agent(Beam).

together(Beams, Cs) ->
    [cnode_syn:connect(A, B) || A <- Beams, B <- Beams ++ Cs, A =/= B],
    [C, D] = Cs,
    eventually(fun() -> call(C, {connect, name_of(D)}) end, ?PATIENCE).

%% ----------------------------------------------------------------- what happens

steps(World, End, N) ->
    case now_ms() > End of
        true ->
            io:format(user, "  ~b steps~n", [N]),
            World;
        false ->
            steps(step(rand:uniform(100), World), End, N + 1)
    end.

step(X, World) when X =< 50 -> use(World);
step(X, World) when X =< 60 -> look(World);
step(X, World) when X =< 70 -> kill(World);
step(X, World) when X =< 80 -> many(World);
step(X, World) when X =< 88 -> lose(World);
step(X, World) when X =< 98 -> heal(World);
step(_, World) -> kill_scope(World).

one_of(List) -> lists:nth(rand:uniform(length(List)), List).

nodes_of(#world{cs = Cs, beams = Beams}) -> Cs ++ Beams.

%% One node does something for a process of its own, or of another one.
use(World) ->
    Node = one_of(nodes_of(World)),
    Owner =
        case rand:uniform(4) of
            1 -> one_of(nodes_of(World));
            _ -> Node
        end,
    Pid = one_of(maps:get(name_of(Owner), World#world.processes)),
    do(Node, one_of([register, register, unregister, join, join, leave]), Pid),
    World.

many(World) ->
    Node = one_of(nodes_of(World)),
    [do(Node, register, Pid) || Pid <- maps:get(name_of(Node), World#world.processes)],
    World.

%% On all schedulers of a C node, while the table changes.
look(#world{cs = Cs, processes = Processes} = World) ->
    Probes = maps:get(name_of(one_of(Cs)), Processes),
    [cnode_syn:cast(P, {syn, lookup, ?S, name()}) || P <- Probes, _ <- lists:seq(1, 50)],
    World.

do(#{name := _} = C, What, Pid) -> cnode_syn:cast(C, c_term(What, Pid));
do(Beam, What, Pid) ->
    %% Not one after the other: a call to a node that is lost takes its time.
    {Function, Args} = beam_call(What, Pid),
    on(Beam, erlang, spawn, [cnode_syn, safe, [Function, Args]]).

c_term(register, Pid) -> {syn, register, ?S, name(), meta(), Pid};
c_term(unregister, _) -> {syn, unregister, ?S, name()};
c_term(join, Pid) -> {syn, join, ?S, group(), meta(), Pid};
c_term(leave, Pid) -> {syn, leave, ?S, group(), Pid}.

beam_call(register, Pid) -> {register, [?S, name(), Pid, meta()]};
beam_call(unregister, _) -> {unregister, [?S, name()]};
beam_call(join, Pid) -> {join, [?S, group(), Pid, meta()]};
beam_call(leave, Pid) -> {leave, [?S, group(), Pid]}.

name() -> {name, rand:uniform(?NAMES)}.
group() -> {group, rand:uniform(?GROUPS)}.
meta() -> rand:uniform(1000).

%% A process ends, and another takes its place.
kill(#world{processes = Processes} = World) ->
    Node = one_of(nodes_of(World)),
    [Pid | Others] = shuffled(maps:get(name_of(Node), Processes)),
    end_it(Node, Pid),
    World#world{processes = Processes#{name_of(Node) := [process(Node) | Others]}}.

shuffled(List) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].

end_it(#{name := _}, Pid) -> cnode_syn:cast(Pid, {exit, killed_by_test});
end_it(_, Pid) -> Pid ! {exit, killed_by_test}.

lose(#world{beams = Beams, apart = Apart} = World) ->
    Pair = {Beam, Other} = {one_of(Beams), one_of(nodes_of(World))},
    Reverse = {Other, Beam},
    case Beam =:= Other orelse length(Apart) > 2 orelse lists:member(Pair, Apart) orelse lists:member(Reverse, Apart) of
        true -> World;
        false ->
            cnode_syn:split(Beam, Other),
            World#world{apart = [Pair | Apart]}
    end.

heal(#world{apart = []} = World) -> World;
heal(#world{apart = Apart} = World) ->
    {Beam, Other} = Pair = one_of(Apart),
    cnode_syn:heal(Beam, Other),
    World#world{apart = lists:delete(Pair, Apart)}.

%% On a BEAM only a few times: its supervisor gives up at ten in ten seconds.
kill_scope(#world{beam_kills = Left} = World) ->
    Node = one_of(nodes_of(World)),
    Name = one_of([syn_registry_scope, syn_pg_scope]),
    case Node of
        #{name := _} -> kill_scope(call(Node, {whereis, Name}), World);
        _ when Left > 0 -> kill_scope(on(Node, erlang, whereis, [Name]), World#world{beam_kills = Left - 1});
        _ -> World
    end.

kill_scope(Pid, World) when is_pid(Pid) ->
    exit(Pid, kill),
    World;
kill_scope(_, World) -> World.

%% ------------------------------------------------------------------ in the end

%% What C nodes tell and know is true, as soon as nothing is on its way.
quiet(Kind, #world{cs = Cs, beams = Beams} = World) ->
    Last = make_ref(),
    Wrong = fun() ->
        Tables = [{name_of(Node), cnode_syn:table(Node, Kind, ?S)} || Node <- nodes_of(World)],
        Found = [
            {Viewer, of_node, Owner, {has, of_node(Owner, View) -- Truth}, {lacks, Truth -- of_node(Owner, View)}}
         || {Viewer, View} <- Tables,
            {Owner, Table} <- Tables,
            Viewer =/= Owner,
            is_c(Viewer, Cs) orelse is_c(Owner, Cs),
            Truth <- [of_node(Owner, Table)],
            of_node(Owner, View) =/= Truth
        ],
        put(Last, Found),
        Found
    end,
    try
        eventually(fun() -> [] =:= Wrong() end, ?PATIENCE)
    catch
        error:_ -> error({Kind, erase(Last)})
    end,
    [?assertEqual([], dead(Node, Kind)) || Node <- Cs],
    [?assertEqual([], twice(Node)) || Node <- Cs ++ Beams, Kind =:= registry].

is_c(Name, Cs) -> lists:any(fun(C) -> name_of(C) =:= Name end, Cs).

of_node(Name, Table) -> [Entry || {_, Pid, _} = Entry <- Table, node(Pid) =:= Name].

dead(Node, Kind) -> [Entry || {_, Pid, _} = Entry <- cnode_syn:table(Node, Kind, ?S), is_dead(Pid)].

is_dead(Pid) ->
    Monitor = monitor(process, Pid),
    receive
        {'DOWN', Monitor, process, Pid, _} -> true
    after 20 ->
        demonitor(Monitor, [flush]),
        false
    end.

twice(Node) ->
    Names = [Name || {Name, _, _} <- cnode_syn:table(Node, registry, ?S)],
    Names -- lists:usort(Names).
