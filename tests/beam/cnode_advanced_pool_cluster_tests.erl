%% SPDX-License-Identifier: Apache-2.0
%%
%% The real AdvancedPool while nodes come and go: C nodes that are killed, cut off,
%% locked, the only manager of the cluster.
-module(cnode_advanced_pool_cluster_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/2, name/1]).
-import(cnode_advanced_pool, [on/4, 'try'/4, ref/2, workers/3, supervisors/3]).

-define(ROOMS, 'Elixir.Judge.Rooms').
-define(REGISTRY, 'Elixir.Judge.Rooms.Registry').
-define(CM, 'Elixir.Noizu.AdvancedPool.ClusterManager').
-define(NM, 'Elixir.Noizu.AdvancedPool.NodeManager').
-define(PATIENCE, 20000).

cluster_test_() ->
    cnode_advanced_pool:tests([
        {"workers of a C node that was killed start elsewhere", fun killed/1},
        {"a C node that is the only host comes back under its name", fun comes_back/1},
        {"a call to a C node that dies ends at once", fun dies_in_call/1},
        {"all of two C nodes locked, one of them, none", fun locked/1},
        {"a C node that is stopped takes nothing new, and is forgotten", fun stopped/1},
        {"a C node is the only manager of the cluster", fun only_manager/1},
        {"a BEAM manager goes and another one comes", fun manager_changes/1},
        {"both sides of a split serve, and one worker is left of two", fun split/1},
        {"first calls from everywhere, two hosts, one worker per ref", fun two_hosts/1},
        {"no worker is there twice while nodes are killed and calls go on", fun storm/1}
    ]).

%% ------------------------------------------------------------------- fixtures

%% C nodes that host the rooms, BEAM nodes that do not; the first is the manager.
cluster(Build, Cs, Beams) ->
    Nodes = [name(C) || C <- Cs],
    Roles = lists:sublist([manager | lists:duplicate(Beams, member)], Beams),
    Started = lists:foldl(
        fun(Role, Others) ->
            Others ++ [cnode_advanced_pool:start_beam(Build, #{?ROOMS => Nodes}, Role, Cs ++ Others)]
        end,
        [],
        Roles
    ),
    [cnode_advanced_pool:bring_online(X) || X <- Cs ++ Started],
    [cnode_advanced_pool:wait_for_pool(X, ?ROOMS, Node) || X <- Started, Node <- Nodes],
    Started.

start_c(Build) -> start_c(Build, #{}).
start_c(Build, Opts) -> cnode_advanced_pool:start_c(Build, #{?ROOMS => #{}}, Opts).

stop(Cs, Beams) ->
    [cnode_advanced_pool:stop_beam(X) || X <- Beams],
    [cnode_advanced_pool:stop_c(C) || C <- Cs].

context(Beam) -> cnode_advanced_pool:context(Beam).

call(Beam, Id, Call) -> on(Beam, ?ROOMS, 's_call!', [Id, Call, context(Beam)]).

where(Beam, Ids) -> [{Id, call(Beam, Id, where)} || Id <- Ids].

lookup(Beam, Id) -> on(Beam, syn, lookup, [?REGISTRY, {worker, ref(?ROOMS, Id)}]).

%% Nobody is placed there any more.
forgotten(Beam, Node) ->
    eventually(
        fun() ->
            Seen = {cnode_advanced_pool:status(Beam, ?ROOMS, Node), workers(Beam, ?ROOMS, Node), supervisors(Beam, ?ROOMS, Node)},
            Seen =:= {undefined, 0, []} orelse Seen
        end,
        ?PATIENCE
    ).

%% --------------------------------------------------------------- come and go

killed(Build) ->
    [C1, C2] = Cs = [start_c(Build), start_c(Build)],
    [A, B] = Beams = cluster(Build, Cs, 2),
    Ids = lists:seq(1, 100),
    Before = where(A, Ids),
    ?assertEqual(lists:sort([name(C1), name(C2)]), lists:usort([Node || {_, Node} <- Before])),
    _ = cnode_advanced_pool:kill_c(C1),
    [forgotten(X, name(C1)) || X <- Beams],
    After = where(B, Ids),
    ?assertEqual([name(C2)], lists:usort([Node || {_, Node} <- After])),
    eventually(fun() -> [workers(X, ?ROOMS, name(C2)) || X <- Beams] =:= [100, 100] end, ?PATIENCE),
    stop([C2], Beams).

comes_back(Build) ->
    C = start_c(Build),
    [A] = Beams = cluster(Build, [C], 1),
    ?assertEqual(1, call(A, back, visit)),
    ?assertEqual(2, call(A, back, visit)),
    _ = cnode_advanced_pool:kill_c(C),
    forgotten(A, name(C)),
    ?assertEqual({error, unavailable}, call(A, back, visit)),
    case cnode_advanced_pool:is_beam_target() of
        true ->
            stop([], Beams);
        false ->
            Again = start_c(Build, #{name => name(C), node => #{join => [element(2, A)]}}),
            cnode_advanced_pool:wait_for_pool(A, ?ROOMS, name(C)),
            ?assertEqual(1, call(A, back, visit)),
            stop([Again], Beams)
    end.

dies_in_call(Build) ->
    C = start_c(Build),
    [A] = Beams = cluster(Build, [C], 1),
    Node = name(C),
    ?assertEqual(1, call(A, dying, visit)),
    Self = self(),
    Caller = spawn_link(fun() ->
        Self ! {self(), 'try'(A, ?ROOMS, 's_call!', [dying, never, context(A)])}
    end),
    %% it is on its way when the next one has been answered
    eventually(fun() -> call(A, dying, get) =:= 1 end, ?PATIENCE),
    timer:sleep(200),
    _ = cnode_advanced_pool:kill_c(C),
    Answer = receive {Caller, How} -> How after ?PATIENCE -> hangs end,
    ?assertMatch({exit, {{nodedown, Node}, {'Elixir.GenServer', call, _}}}, Answer),
    stop([], Beams).

locked(Build) ->
    [C1, C2] = Cs = [start_c(Build), start_c(Build)],
    [A, B] = Beams = cluster(Build, Cs, 2),
    X = context(A),
    lock(A, lock_pool, C1, Beams, {locked, online}),
    ?assertEqual([name(C2)], lists:usort([Node || {_, Node} <- where(B, lists:seq(1, 20))])),
    lock(B, lock_pool, C2, Beams, {locked, online}),
    ?assertEqual({error, unavailable}, call(A, 21, visit)),
    ?assertEqual({error, unavailable}, call(B, 21, visit)),
    ?assertEqual(1, call(A, 20, visit)),
    lock(B, release_pool, C1, Beams, online),
    ?assertEqual([name(C1)], lists:usort([Node || {_, Node} <- where(B, lists:seq(21, 40))])),
    lock(A, release_pool, C2, Beams, online),
    ?assertEqual(
        lists:sort([name(C1), name(C2)]),
        lists:usort([Node || {_, Node} <- where(A, lists:seq(41, 140))])
    ),
    {ok, Status} = on(A, ?CM, service_status, [?ROOMS, X]),
    ?assertEqual(lists:sort([name(C1), name(C2)]), lists:sort(maps:keys(Status))),
    stop(Cs, Beams).

lock(Beam, What, C, Beams, Status) ->
    _ = on(Beam, ?CM, What, [?ROOMS, name(C), context(Beam)]),
    eventually(
        fun() ->
            Seen = [element(2, element(2, cnode_advanced_pool:status(X, ?ROOMS, name(C)))) || X <- Beams],
            lists:usort(Seen) =:= [Status] orelse Seen
        end,
        ?PATIENCE
    ).

stopped(Build) ->
    [C1, C2] = Cs = [start_c(Build), start_c(Build)],
    [A] = Beams = cluster(Build, Cs, 1),
    _ = where(A, lists:seq(1, 50)),
    cnode_advanced_pool:stop_c(C1),
    forgotten(A, name(C1)),
    ?assertEqual([name(C2)], lists:usort([Node || {_, Node} <- where(A, lists:seq(1, 50))])),
    stop([C2], Beams).

%% ---------------------------------------------------------------- the manager

only_manager(Build) ->
    case cnode_advanced_pool:is_beam_target() of
        true -> ok;
        false -> only_manager_c(Build)
    end.

%% The BEAM nodes have the task supervisor of callers and nothing else.
only_manager_c(Build) ->
    C = start_c(Build, #{cluster => #{manager => true, heartbeat => <<"1s">>}}),
    Node = name(C),
    A = cnode_advanced_pool:start_beam(Build, #{?ROOMS => [Node]}, member, [C]),
    B = cnode_advanced_pool:start_beam(Build, #{?ROOMS => [Node]}, member, [C, A]),
    Beams = [A, B],
    X = context(A),
    [eventually(fun() -> is_tuple(on(Beam, syn, lookup, [?CM, manager])) end, ?PATIENCE) || Beam <- Beams],
    [cnode_advanced_pool:bring_online(Beam) || Beam <- Beams],
    [cnode_advanced_pool:wait_for_pool(Beam, ?ROOMS, Node) || Beam <- Beams],
    {Manager, {cluster_status, Node, _, _, _, _, _}} = on(B, syn, lookup, [?CM, manager]),
    ?assertEqual(Node, node(Manager)),
    ?assertMatch(#{?ROOMS := #{cluster := _, nodes := #{Node := _}}}, on(B, ?CM, configuration, [X])),
    ?assertEqual(1, call(A, managed, visit)),
    ?assertEqual(2, call(B, managed, visit)),
    {ok, #{'__struct__' := 'Elixir.Noizu.AdvancedPool.ClusterManager.HealthReport', status := ready, report := Report}} =
        on(A, ?CM, health_report, [X, [{rebuild, true}]]),
    ?assertMatch(#{Node := #{status := ready, report := #{?ROOMS := #{workers := #{total := 1}}}}}, Report),
    ?assertMatch(#{status := ready}, maps:get(element(2, A), Report)),
    ?assertNotEqual(nomatch, string:find(on(B, 'Elixir.Judge.Node', report, []), atom_to_list(Node))),
    %% the heart beat made reports of its own
    eventually(
        fun() ->
            case on(B, ?CM, health_report, [X]) of
                {ok, #{status := ready}} -> true;
                Other -> Other
            end
        end,
        ?PATIENCE
    ),
    stop([C], Beams).

manager_changes(Build) ->
    C = start_c(Build),
    [A, B] = cluster(Build, [C], 2),
    ?assertEqual(1, call(B, changing, visit)),
    cnode_advanced_pool:kill_beam(A),
    eventually(fun() -> on(B, syn, lookup, [?CM, manager]) =:= undefined end, ?PATIENCE),
    ?assertEqual(2, call(B, changing, visit)),
    ?assertEqual(1, call(B, changed, visit)),
    D = cnode_advanced_pool:start_beam(Build, #{?ROOMS => [name(C)]}, manager, [C, B]),
    cnode_advanced_pool:bring_online(D),
    cnode_advanced_pool:wait_for_pool(D, ?ROOMS, name(C)),
    ?assertEqual(3, call(D, changing, visit)),
    {ok, #{report := Report}} = on(B, ?CM, health_report, [context(B), [{rebuild, true}]]),
    ?assertMatch(#{status := ready}, maps:get(name(C), Report)),
    stop([C], [B, D]).

%% ----------------------------------------------------------------------- split

%% A with C1 here, B with C2 there. C nodes that look for no others are connected
%% when they are told to be.
split(Build) ->
    case cnode_advanced_pool:is_beam_target() of
        true ->
            ok;
        false ->
            Opts = #{node => #{mesh => false}, services => #{probe => #{behaviour => probe}}},
            [C1, C2] = Cs = [start_c(Build, Opts), start_c(Build, Opts)],
            [A, B] = Beams = cluster(Build, Cs, 2),
            split(A, B, C1, C2),
            stop(Cs, Beams)
    end.

split(A, B, C1, C2) ->
    Shared = lists:seq(1, 20),
    [1 = call(A, Id, visit) || Id <- Shared],
    cnode_syn:split(A, B),
    cnode_syn:split(A, C2),
    cnode_syn:split(B, C1),
    forgotten(A, name(C2)),
    forgotten(B, name(C1)),
    Ids = lists:seq(101, 140),
    [?assertEqual(1, call(A, Id, visit)) || Id <- Ids],
    [?assertEqual(1, call(B, Id, visit)) || Id <- Ids],
    [cnode_syn:heal(X, Y) || {X, Y} <- [{A, B}, {A, C2}, {B, C1}]],
    true = cnode_syn:call(C1, {connect, name(C2)}),
    [cnode_advanced_pool:wait_for_pool(X, ?ROOMS, name(C)) || X <- [A, B], C <- [C1, C2]],
    eventually(fun() -> same_workers(A, B, Ids ++ Shared) end, ?PATIENCE),
    %% the later one won, as syn has it, and answers both
    [?assertEqual({Id, 2}, {Id, call(A, Id, visit)}) || Id <- Ids],
    [?assertEqual({Id, 3}, {Id, call(B, Id, visit)}) || Id <- Ids],
    eventually(fun() -> workers(A, ?ROOMS, name(C1)) + workers(A, ?ROOMS, name(C2)) =:= length(Ids ++ Shared) end, ?PATIENCE),
    ?assertEqual(length(Ids ++ Shared), children(A, [C1, C2])).

same_workers(A, B, Ids) ->
    Seen = [{Id, lookup(A, Id), lookup(B, Id)} || Id <- Ids],
    Different = [S || {_, InA, InB} = S <- Seen, InA =/= InB orelse (InA =:= undefined andalso element(1, S) > 100)],
    Different =:= [] orelse {differ, lists:sublist(Different, 3), length(Different)}.

%% What the worker supervisors of all count.
children(Beam, Cs) ->
    lists:sum([
        maps:get(workers, on(Beam, 'Elixir.Supervisor', count_children, [Pid]))
     || C <- Cs, {Pid, _} <- supervisors(Beam, ?ROOMS, name(C))
    ]).

%% AdvancedPool deals a ref to whichever host its node picks: two callers want to
%% have it on both.
two_hosts(Build) ->
    Cs = [start_c(Build), start_c(Build)],
    [A, B] = Beams = cluster(Build, Cs, 2),
    case cnode_advanced_pool:is_beam_target() of
        true -> ok;
        false -> two_hosts(Cs, A, B)
    end,
    stop(Cs, Beams).

two_hosts(Cs, A, B) ->
    Ids = [{both, N} || N <- lists:seq(1, 1000)],
    Self = self(),
    Callers = [spawn_link(fun() -> Self ! {self(), on(X, 'Elixir.Judge.Node', rush, [?ROOMS, Ids, 10, context(X)])} end) || X <- [A, B]],
    Answers = lists:append([receive {Pid, Some} -> Some end || Pid <- Callers]),
    ?assertEqual([], lists:sublist([Answer || {_, How} = Answer <- Answers, not is_count(How)], 5)),
    PerId = maps:groups_from_list(fun({Id, _}) -> Id end, fun({_, {ok, Count}}) -> Count end, Answers),
    ?assertEqual([], lists:sublist([Id || {Id, Counts} <- maps:to_list(PerId), lists:sort(Counts) =/= lists:seq(1, 20)], 5)),
    eventually(fun() -> Seen = [known(X, Cs) || X <- [A, B]], Seen =:= [1000, 1000] orelse Seen end, ?PATIENCE),
    ?assertEqual(1000, children(A, Cs)),
    ?assertEqual([], [Id || Id <- Ids, lookup(A, Id) =/= lookup(B, Id)]),
    [?assert(workers(A, ?ROOMS, name(C)) > 100) || C <- Cs].

known(Beam, Cs) -> lists:sum([workers(Beam, ?ROOMS, name(C)) || C <- Cs]).

is_count({ok, Count}) -> is_integer(Count);
is_count(_) -> false.

%% ----------------------------------------------------------------------- storm

%% Two BEAMs call all the time; one of three C nodes is killed and started again.
storm(Build) ->
    Cs = [start_c(Build) || _ <- lists:seq(1, 3)],
    [A, B] = Beams = cluster(Build, Cs, 2),
    case cnode_advanced_pool:is_beam_target() of
        true -> stop(Cs, Beams);
        false -> storm(Build, Cs, A, B)
    end.

storm(Build, Cs, A, B) ->
    Ids = lists:seq(1, 200),
    Self = self(),
    Callers = [spawn_link(fun() -> Self ! {self(), keep_calling(Beam, Ids, 5)} end) || Beam <- [A, B]],
    Left = lists:foldl(
        fun(_, [Victim | Rest]) ->
            timer:sleep(500),
            _ = cnode_advanced_pool:kill_c(Victim),
            forgotten(A, name(Victim)),
            Again = start_c(Build, #{name => name(Victim), node => #{join => [element(2, A), element(2, B)]}}),
            [cnode_advanced_pool:wait_for_pool(X, ?ROOMS, name(Victim)) || X <- [A, B]],
            Rest ++ [Again]
        end,
        Cs,
        [1, 2, 3]
    ),
    Answers = lists:append([receive {Pid, Some} -> Some after 100000 -> [hangs] end || Pid <- Callers]),
    ?assertEqual([], lists:sublist([Answer || Answer <- Answers, not is_honest(Answer)], 5)),
    _ = where(A, Ids),
    eventually(fun() -> lists:sum([workers(B, ?ROOMS, name(C)) || C <- Left]) =:= length(Ids) end, ?PATIENCE),
    ?assertEqual(length(Ids), children(A, Left)),
    stop(Left, [A, B]).

keep_calling(Beam, Ids, Times) ->
    lists:append([on(Beam, 'Elixir.Judge.Node', rush, [?ROOMS, Ids, 1, context(Beam)]) || _ <- lists:seq(1, Times)]).

%% An answer of the worker, or the truth about a node that went.
is_honest({_, {ok, Count}}) when is_integer(Count) -> true;
is_honest({_, {ok, {error, unavailable}}}) -> true;
is_honest({_, {ok, {exit, {{nodedown, _}, _}}}}) -> true;
is_honest({_, {exit, {{nodedown, _}, _}}}) -> true;
is_honest({_, {exit, {noproc, _}}}) -> true;
is_honest(_) -> false.
