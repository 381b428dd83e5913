%% SPDX-License-Identifier: Apache-2.0
%%
%% A C node as the manager of an AdvancedPool cluster: its report of all nodes,
%% its configuration, and who is the manager when one comes or goes.
-module(cnode_cluster_manager_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/2]).
-import(cnode_syn, [call/2, on/4]).

-define(POOL, 'Elixir.Users').
-define(CM, 'Elixir.Noizu.AdvancedPool.ClusterManager').
-define(CM_REGISTRY, 'Elixir.Noizu.AdvancedPool.ClusterManager.WorkerRegistry').
-define(CM_SERVER, 'Elixir.Noizu.AdvancedPool.ClusterManager.Server').
-define(NM, 'Elixir.Noizu.AdvancedPool.NodeManager').
-define(NM_SERVER, 'Elixir.Noizu.AdvancedPool.NodeManager.Server').
-define(GHOST, 'ghost@127.0.0.1').
-define(PATIENCE, 30000).

-record(ctx, {m, c}).

%% ------------------------------------------------------------------- fixtures

cluster_test_() ->
    Cases = [
        {"it has the names of the cluster's manager", fun names/1},
        {"its report has every node, and says who cannot be asked", fun report/1},
        {"a rebuilt report has the supervisors of all", fun rebuilt/1},
        {"many who wait get their report", fun many/1},
        {"a node whose manager is stuck holds up nobody", fun stuck/1},
        {"it gives the configuration of the cluster", fun configuration/1},
        {"what it does not know is uncaught, and survived", fun uncaught/1},
        {"a killed manager is there again", fun killed/1},
        {"another one waits, and takes over", fun takes_over/1}
    ],
    cnode_peer:tests(
        {setup, fun start/0, fun stop/1, fun(Ctx) ->
            [{Sentence, {timeout, 120, fun() -> Fun(Ctx) end}} || {Sentence, Fun} <- Cases]
        end},
        length(Cases)
    ).

with_syn_test_() ->
    cnode_syn:tests([
        {"a manager on a BEAM is left alone until it goes", fun beam_first/1},
        {"a split makes two managers, which are one again after it", fun split/1}
    ]).

manager_config(Join) ->
    #{
        node => #{join => Join},
        cluster => #{
            manager => true,
            heartbeat => <<"300ms">>,
            nodes => #{?GHOST => #{?POOL => #{priority => 3}, 'Elixir.Rooms' => #{}}}
        },
        pools => #{?POOL => #{behaviour => counter, cluster => #{priority => 7}}},
        services => #{probe => #{behaviour => probe}}
    }.

start() ->
    C = cnode_peer:start(#{
        pools => #{?POOL => #{behaviour => counter}}, services => #{probe => #{behaviour => probe}}
    }),
    M = cnode_peer:start(manager_config([cnode_peer:name(C)])),
    Ctx = #ctx{m = M, c = C},
    eventually(fun() -> length(call(M, {syn, members, ?NM, node_managers})) =:= 2 end, ?PATIENCE),
    Ctx.

stop(#ctx{m = M, c = C}) ->
    ?assertEqual(0, cnode_peer:stop(M)),
    ?assertEqual(0, cnode_peer:stop(C)).

%% -------------------------------------------------------------------- helpers

server(Node) -> {?CM_SERVER, cnode_peer:name(Node)}.

ask(Node, Call, Options) ->
    gen_server:call(
        server(Node),
        {msg_envelope, {self(), 1}, call, {ref, ?CM_SERVER, manager}, {settings, nil, true, nil, nil, nil, 60000},
            {s, Call, nil, Options}}
    ).

fresh(Node, Options) ->
    {ok, _} = ask(Node, {health_report, self()}, Options),
    receive
        {health_report, Report} -> Report
    after ?PATIENCE -> error(no_report)
    end.

holder(Node) -> call(Node, {syn, lookup, ?CM, manager}).

pid_of(Node) -> rpc:call(cnode_peer:name(Node), erlang, whereis, [?CM_SERVER]).

is_holder(Node, Seen) ->
    eventually(
        fun() ->
            Pid = pid_of(Node),
            case holder(Seen) of
                {Pid, _} -> true;
                Other -> {Pid, Other}
            end
        end,
        ?PATIENCE
    ).

%% ---------------------------------------------------------------------- tests

names(#ctx{m = M, c = C}) ->
    is_holder(M, C),
    Pid = pid_of(M),
    Node = cnode_peer:name(M),
    {Pid, {cluster_status, Node, online, ready, 0.0, _, _}} = holder(C),
    ?assertMatch({Pid, _}, call(M, {syn, lookup, ?CM_REGISTRY, {worker, {ref, ?CM_SERVER, manager}}})),
    ?assertMatch({_, [{node, Node}]}, call(C, {syn, lookup, ?CM, supervisor})).

report(#ctx{m = M, c = C}) ->
    #{
        '__struct__' := 'Elixir.Noizu.AdvancedPool.ClusterManager.HealthReport',
        status := ready,
        started_at := #{'__struct__' := 'Elixir.DateTime'},
        finished_at := #{},
        report := Report
    } = fresh(M, nil),
    Names = [cnode_peer:name(M), cnode_peer:name(C)],
    ?assertEqual(lists:sort([?GHOST | Names]), lists:sort(maps:keys(Report))),
    ?assertEqual({error, unavailable}, maps:get(?GHOST, Report)),
    [
        #{'__struct__' := 'Elixir.Noizu.AdvancedPool.NodeManager.HealthReport', report := #{?POOL := #{health := _}}} =
            maps:get(Name, Report)
     || Name <- Names
    ],
    %% the last one is there for who asks
    {ok, #{report := #{?GHOST := _}}} = ask(M, {health_report, nil}, nil).

rebuilt(#ctx{m = M, c = C}) ->
    #{report := Report} = fresh(M, [{rebuild, true}]),
    [
        begin
            #{report := #{?POOL := #{worker_supervisors := #{extended := Extended}}}} =
                maps:get(cnode_peer:name(Node), Report),
            ?assertEqual(1, map_size(Extended))
        end
     || Node <- [M, C]
    ].

many(#ctx{m = M}) ->
    Test = self(),
    Waiters = [
        spawn_link(fun() ->
            #{report := #{?GHOST := _}} = fresh(M, Options),
            Test ! {self(), done}
        end)
     || Options <- [nil, [{rebuild, true}]], _ <- lists:seq(1, 50)
    ],
    [
        receive
            {Waiter, done} -> ok
        end
     || Waiter <- Waiters
    ].

%% Its node manager's place is taken by a process that does not answer.
stuck(#ctx{m = M}) ->
    D = cnode_peer:start(#{node => #{join => [cnode_peer:name(M)]}, services => #{probe => #{behaviour => probe}}}),
    Stuck = call(D, {spawn, undefined}),
    ok = call(Stuck, {syn, join, ?NM, node_managers, meta}),
    eventually(fun() -> length(call(M, {syn, members, ?NM, node_managers})) =:= 3 end, ?PATIENCE),
    ok = sys:suspend(Stuck),
    #{report := Report} = fresh(M, []),
    ?assertEqual({error, unavailable}, maps:get(cnode_peer:name(D), Report)),
    ?assertEqual(4, map_size(Report)),
    %% and one that goes while it is asked
    {ok, _} = ask(M, {health_report, self()}, nil),
    exit(Stuck, kill),
    receive
        {health_report, #{report := #{}}} -> ok
    after ?PATIENCE -> error(no_report)
    end,
    0 = cnode_peer:stop(D).

configuration(#ctx{m = M}) ->
    Node = cnode_peer:name(M),
    Config = ask(M, configuration, nil),
    ?assertEqual(Config, gen_server:call(server(M), configuration)),
    ?assertEqual(['Elixir.Rooms', ?POOL], lists:sort(maps:keys(Config))),
    #{
        ?POOL := #{
            cluster := {cluster_service, online, 7, {target_window, _, 1, _}, {target_window, _, _, _}, {target_window, 4.0, 0.75, 8.0}, ?POOL},
            nodes := Nodes
        },
        'Elixir.Rooms' := #{nodes := #{?GHOST := {node_service, online, 10, _, _, 'Elixir.Rooms', _, ?GHOST}}}
    } = Config,
    ?assertEqual(lists:sort([?GHOST, Node]), lists:sort(maps:keys(Nodes))),
    {node_service, online, 3, {target_window, 1, 1, 5}, {target_window, 50000, 10000, 100000}, ?POOL, {target_window, 4.0, 0.75, 8.0},
        ?GHOST} = maps:get(?GHOST, Nodes).

uncaught(#ctx{m = M} = Ctx) ->
    ?assertEqual({uncaught, hello, {ref, ?CM_SERVER, manager}}, gen_server:call(server(M), hello)),
    ?assertMatch({error, {unsupported, _}}, gen_server:call({'Elixir.Noizu.AdvancedPool.ClusterManager.Task', cnode_peer:name(M)}, {start_task, [], temporary, nil})),
    [
        server(M) ! Rubbish
     || Rubbish <- [
            rubbish,
            {node_health_report, {cnode_peer:name(Ctx#ctx.c), fake}},
            {node_health_report, rubbish},
            {[alias | make_ref()], {ok, fake}},
            {'DOWN', make_ref(), process, self(), why},
            {msg_envelope, 1, cast, manager, {settings, nil, nil, nil, nil, nil, nil}, {s, heart_beat, nil, nil}}
        ]
    ],
    gen_server:cast(server(M), {s, {update_health_report, fake}, nil, nil}),
    #{report := Report} = fresh(M, nil),
    ?assertNot(lists:member(fake, maps:values(Report))).

killed(#ctx{m = M, c = C}) ->
    Pid = pid_of(M),
    {ok, _} = ask(M, {health_report, self()}, nil),
    exit(Pid, kill),
    eventually(fun() -> pid_of(M) =/= Pid end, ?PATIENCE),
    is_holder(M, C),
    #{report := _} = fresh(M, [{rebuild, true}]).

%% When they meet one of the three keeps the name; when it goes another has it.
takes_over(#ctx{m = M, c = C}) ->
    is_holder(M, C),
    [Second, Third] = [cnode_peer:start(manager_config([cnode_peer:name(C)])) || _ <- [2, 3]],
    eventually(fun() -> length(call(Second, {syn, members, ?NM, node_managers})) =:= 4 end, ?PATIENCE),
    one_of([M, Second, Third], C),
    0 = cnode_peer:stop(Third),
    one_of([M, Second], C),
    0 = cnode_peer:stop(Second),
    is_holder(M, C).

one_of(Nodes, Seen) ->
    eventually(
        fun() ->
            case lists:usort([holder(Node) || Node <- [Seen | Nodes]]) of
                [{Pid, _}] -> lists:member(Pid, [pid_of(Node) || Node <- Nodes]);
                Different -> Different
            end
        end,
        ?PATIENCE
    ).

%% ------------------------------------------------------------- with real syn

beam_first(Dir) ->
    Beam = {_, BeamNode} = cnode_syn:start_beam(Dir, [?CM, ?CM_REGISTRY, ?NM]),
    Theirs = cnode_syn:agent(Beam),
    ok = on(Beam, syn, register, [?CM, manager, Theirs, theirs]),
    M = cnode_peer:start(manager_config([BeamNode])),
    cnode_syn:connect(Beam, M),
    eventually(fun() -> {Theirs, theirs} =:= holder(M) end, ?PATIENCE),
    timer:sleep(1500),
    ?assertEqual({Theirs, theirs}, on(Beam, syn, lookup, [?CM, manager])),
    ?assert(is_process_alive_on(Beam, Theirs)),
    true = on(Beam, erlang, exit, [Theirs, kill]),
    eventually(
        fun() ->
            case on(Beam, syn, lookup, [?CM, manager]) of
                {Pid, {cluster_status, _, _, _, _, _, _}} -> Pid =:= pid_of(M);
                Other -> Other
            end
        end,
        ?PATIENCE
    ),
    cnode_syn:stop_beam(Beam),
    0 = cnode_peer:stop(M).

is_process_alive_on(Beam, Pid) -> on(Beam, erlang, is_process_alive, [Pid]).

split(Dir) ->
    Beam = {_, BeamNode} = cnode_syn:start_beam(Dir, [?CM, ?CM_REGISTRY, ?NM]),
    M = cnode_peer:start(manager_config([])),
    is_holder(M, M),
    Theirs = cnode_syn:agent(Beam),
    ok = on(Beam, syn, register, [?CM, manager, Theirs, theirs]),
    cnode_syn:connect(Beam, M),
    %% one of them has it, and both say so
    eventually(
        fun() ->
            case {holder(M), on(Beam, syn, lookup, [?CM, manager])} of
                {{Pid, _}, {Pid, _}} -> Pid =:= Theirs orelse Pid =:= pid_of(M);
                Other -> Other
            end
        end,
        ?PATIENCE
    ),
    _ = BeamNode,
    %% the C node's manager answers in any case
    #{report := _} = fresh(M, nil),
    cnode_syn:stop_beam(Beam),
    is_holder(M, M),
    0 = cnode_peer:stop(M).
