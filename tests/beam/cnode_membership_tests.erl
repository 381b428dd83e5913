%% SPDX-License-Identifier: Apache-2.0
%%
%% A pool in syn as an AdvancedPool cluster sees it: its entries, what they say,
%% and what another node may do to it by writing them. The other node is a BEAM
%% with real syn (CNODE_SYN_EBIN) or, always, a second C node.
-module(cnode_membership_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, eventually/2]).
-import(cnode_syn, [call/2, on/4]).

-define(POOL, 'Elixir.Users').
-define(SMALL, 'Elixir.Small').
-define(CM, 'Elixir.Noizu.AdvancedPool.ClusterManager').
-define(NM, 'Elixir.Noizu.AdvancedPool.NodeManager').
-define(PATIENCE, 20000).

-record(ctx, {c, other, pool}).

%% ------------------------------------------------------------------- fixtures

cases() ->
    [
        {"the pool stands in its five places", fun five_places/1},
        {"a worker supervisor stands in its two", fun two_places/1},
        {"counts are true, and told when they change", fun counts/1},
        {"a lock that another node writes is taken over", fun locked_from_outside/1},
        {"and so is a release", fun released_from_outside/1},
        {"a lock survives the counts that come after it", fun lock_stays/1},
        {"a lock that is written to one place only is told to all", fun half_a_lock/1},
        {"what is locked lives on, and serves who asks there", fun locked_serves/1},
        {"a worker supervisor that is added is seen", fun supervisor_added/1},
        {"and is gone with its end", fun supervisor_removed/1},
        {"a full pool says that it is locked, until it has room", fun full/1},
        {"rubbish is put right", fun rubbish/1},
        {"an entry that was taken out comes back", fun taken_out/1},
        {"a pool that was restarted is in its places again", fun restarted/1},
        {"the node manager stands in its places", fun node_manager_places/1},
        {"it gives its configuration, in an envelope and bare", fun configuration/1},
        {"it gives a report with true numbers", fun health_report/1},
        {"who subscribes gets the report", fun subscriber/1},
        {"a rebuilt report has every supervisor, for all who wait", fun rebuilt/1},
        {"what is for another node is refused", fun foreign_node/1},
        {"what it does not know is uncaught", fun uncaught/1},
        {"its supervisor lists the pools", fun supervisor_of_node/1},
        {"a node manager that was killed is there again", fun node_manager_killed/1},
        {"a BEAM may bring the node online", fun bring_online/1}
    ].

with_syn_test_() -> cnode_syn:suite(fun start_with_beam/1, fun stop_with_beam/1, cases()).

with_a_c_node_test_() ->
    cnode_peer:tests(
        {setup, fun start_with_c/0, fun stop_with_c/1, fun(Ctx) ->
            [{Sentence, {timeout, 120, fun() -> Fun(Ctx) end}} || {Sentence, Fun} <- cases()]
        end},
        length(cases())
    ).

limits_test_() ->
    cnode_peer:tests([{"who waits for a report beyond the limit is told", fun too_many_subscribers/0}]).

start_c() ->
    cnode_peer:start(#{
        services => #{probe => #{behaviour => probe}},
        pools => #{
            ?POOL => #{
                behaviour => counter,
                worker => #{target => #{low => 10, target => 20, high => 40}},
                supervisors => #{count => 2, target => #{low => 1, target => 2, high => 3}}
            },
            ?SMALL => #{behaviour => counter, worker => #{max => 2, restart => temporary}}
        }
    }).

scopes() -> [?CM, ?NM, ?POOL, ?SMALL].

start_with_beam(Dir) ->
    C = start_c(),
    Beam = cnode_syn:start_beam(Dir, scopes()),
    cnode_syn:connect(Beam, C),
    ready(#ctx{c = C, other = Beam, pool = pool(C)}).

stop_with_beam(#ctx{c = C, other = Beam}) ->
    cnode_syn:stop_beam(Beam),
    ?assertEqual(0, cnode_peer:stop(C)).

start_with_c() ->
    C = start_c(),
    Other = cnode_peer:start(#{
        node => #{join => [cnode_peer:name(C)]},
        syn => #{scopes => scopes()},
        services => #{probe => #{behaviour => probe}}
    }),
    ready(#ctx{c = C, other = Other, pool = pool(C)}).

stop_with_c(#ctx{c = C, other = Other}) ->
    ?assertEqual(0, cnode_peer:stop(Other)),
    ?assertEqual(0, cnode_peer:stop(C)).

ready(Ctx) ->
    eventually(fun() -> length(members(Ctx, ?CM, {service, ?POOL})) =:= 1 end, ?PATIENCE),
    Ctx.

pool(C) -> cnode_pool:new(#{name => ?POOL, nodes => [cnode_peer:name(C)]}).

%% ------------------------------------------------- what the other node does

members(#ctx{other = Other}, Scope, Group) -> in_syn(Other, members, [Scope, Group]).
lookup(#ctx{other = Other}, Scope, Name) -> in_syn(Other, lookup, [Scope, Name]).

in_syn(#{name := _} = C, Function, Args) -> call(C, list_to_tuple([syn, Function | in_order(Function, Args)]));
in_syn(Beam, Function, Args) -> on(Beam, syn, Function, Args).

%% The probe has the pid last.
in_order(Function, [Scope, Key, Pid, Meta]) when Function =:= join; Function =:= register -> [Scope, Key, Meta, Pid];
in_order(_, Args) -> Args.

%% As AdvancedPool writes a status.
write(Ctx, Pool, Pid, Status) ->
    [ok = write_one(Ctx, Place, Pid, Status) || Place <- places(Ctx, Pool)],
    ok.

write_one(#ctx{other = Other}, {Function, Scope, Key}, Pid, Status) ->
    in_syn(Other, Function, [Scope, Key, Pid, Status]).

places(#ctx{c = C}, Pool) ->
    Node = cnode_peer:name(C),
    [
        {join, Pool, nodes},
        {register, Pool, {node, Node}},
        {join, ?NM, {Node, services}},
        {register, ?NM, {Node, Pool}},
        {join, ?CM, {service, Pool}}
    ].

read(#ctx{c = C} = Ctx, {join, Scope, Group}) ->
    [Found] = [Entry || {Pid, _} = Entry <- members(Ctx, Scope, Group), node(Pid) =:= cnode_peer:name(C), is_of(Entry, Scope, Group)],
    Found;
read(Ctx, {register, Scope, Name}) ->
    lookup(Ctx, Scope, Name).

%% {Node, services} has all pools.
is_of({_, Status}, ?NM, {_, services}) -> element(3, Status) =:= ?POOL;
is_of(_, _, _) -> true.

small_places(Ctx) -> places(Ctx, ?SMALL) -- [{join, ?NM, {cnode_peer:name(Ctx#ctx.c), services}}].

%% The same everywhere, and so; gives it.
agreed(Ctx, Fun) -> agreed(Ctx, places(Ctx, ?POOL), Fun).

agreed(Ctx, Places, Fun) ->
    eventually(
        fun() ->
            case lists:usort([catch read(Ctx, Place) || Place <- Places]) of
                [{Pid, Status}] -> Fun(Pid, Status) orelse {Pid, Status};
                Different -> Different
            end
        end,
        ?PATIENCE
    ),
    read(Ctx, hd(Places)).

says(Status) -> fun(_, Found) -> element(2, Found) =:= Status end.
has(Count) -> fun(_, Found) -> element(6, Found) =:= Count end.

supervisors(#ctx{c = C} = Ctx, Pool) -> members(Ctx, Pool, {cnode_peer:name(C), worker_sups}).

supervisor(Ctx, Pool) -> element(1, hd(lists:sort(supervisors(Ctx, Pool)))).

start_child(Sup, Pool, Id) ->
    Ref = {ref, list_to_atom(atom_to_list(Pool) ++ ".Worker"), Id},
    Spec =
        {{'Elixir.Noizu.AdvancedPool.Worker.Server', start_link, [Ref, [[]], nil]}, permanent, 5000, worker, [
            'Elixir.Noizu.AdvancedPool.Worker.Server'
        ]},
    gen_server:call(Sup, {start_child, Spec}, ?PATIENCE).

increment(#ctx{pool = Pool}, Id) -> cnode_pool:call(Pool, Id, increment).

%% ---------------------------------------------------------------------- tests

five_places(#ctx{c = C} = Ctx) ->
    Node = cnode_peer:name(C),
    {Pid, Status} = agreed(Ctx, fun(_, _) -> true end),
    {pool_status, online, ?POOL, Health, Node, Count, {target_window, 20, 10, 40}, At} = Status,
    ?assert(Health =:= initializing orelse is_float(Health)),
    ?assert(is_integer(Count)),
    ?assert(abs(At - os:system_time(second)) < 60),
    ?assertEqual(Pid, rpc:call(Node, erlang, whereis, [?POOL])).

two_places(#ctx{c = C} = Ctx) ->
    Node = cnode_peer:name(C),
    Found = lists:sort(supervisors(Ctx, ?POOL)),
    ?assertEqual(2, length(Found)),
    ?assertEqual(Found, lists:sort(members(Ctx, ?NM, {Node, ?POOL, worker_sups}))),
    [{worker_sup_status, online, ?POOL, _, Node, _, {target_window, 2, 1, 3}, _} = Status || {_, Status} <- Found].

counts(Ctx) ->
    [increment(Ctx, Id) || Id <- lists:seq(1, 12)],
    agreed(Ctx, has(12)),
    eventually(fun() -> 12 =:= lists:sum([element(6, Status) || {_, Status} <- supervisors(Ctx, ?POOL)]) end, ?PATIENCE),
    [ok = gen_server:call(Sup, {terminate_child, Pid}) || {Sup, _} <- supervisors(Ctx, ?POOL), {_, Pid, _, _} <- supervisor:which_children(Sup)],
    agreed(Ctx, has(0)).

lock(Ctx) -> lock(Ctx, ?POOL, places(Ctx, ?POOL)).

lock(Ctx, Pool, Places) ->
    {Pid, Status} = agreed(Ctx, Places, says(online)),
    write(Ctx, Pool, Pid, setelement(2, Status, {locked, online})),
    agreed(Ctx, Places, says({locked, online})).

release(Ctx) -> release(Ctx, ?POOL, places(Ctx, ?POOL)).

release(Ctx, Pool, Places) ->
    {Pid, Status} = agreed(Ctx, Places, says({locked, online})),
    write(Ctx, Pool, Pid, setelement(2, Status, online)),
    agreed(Ctx, Places, says(online)).

locked_from_outside(Ctx) ->
    lock(Ctx),
    eventually(fun() -> lists:usort([element(2, S) || {_, S} <- supervisors(Ctx, ?POOL)]) =:= [{locked, online}] end, ?PATIENCE).

released_from_outside(Ctx) ->
    release(Ctx),
    eventually(fun() -> lists:usort([element(2, S) || {_, S} <- supervisors(Ctx, ?POOL)]) =:= [online] end, ?PATIENCE).

lock_stays(Ctx) ->
    {_, Before} = lock(Ctx),
    Count = element(6, Before),
    [{ok, _} = start_child(supervisor(Ctx, ?POOL), ?POOL, {lock_stays, Id}) || Id <- lists:seq(1, 5)],
    {_, After} = agreed(Ctx, has(Count + 5)),
    ?assertEqual({locked, online}, element(2, After)),
    release(Ctx).

half_a_lock(Ctx) ->
    {Pid, Status} = agreed(Ctx, says(online)),
    ok = write_one(Ctx, lists:last(places(Ctx, ?POOL)), Pid, setelement(2, Status, {locked, online})),
    agreed(Ctx, says({locked, online})),
    release(Ctx).

locked_serves(Ctx) ->
    1 = increment(Ctx, lives_on),
    lock(Ctx),
    ?assertEqual(2, increment(Ctx, lives_on)),
    {ok, Pid} = start_child(supervisor(Ctx, ?POOL), ?POOL, all_the_same),
    ?assert(is_pid(Pid)),
    release(Ctx).

supervisor_added(#ctx{c = C} = Ctx) ->
    Spec = #{
        id => x,
        type => supervisor,
        start => {'Elixir.Noizu.AdvancedPool.WorkerSupervisor', start_link, [?POOL, nil, nil]}
    },
    {ok, Pid} = gen_server:call({?POOL, cnode_peer:name(C)}, {start_child, Spec}),
    eventually(fun() -> lists:keymember(Pid, 1, supervisors(Ctx, ?POOL)) end, ?PATIENCE),
    ?assertEqual(3, length(supervisors(Ctx, ?POOL))).

supervisor_removed(#ctx{c = C} = Ctx) ->
    ok = supervisor:terminate_child({?POOL, cnode_peer:name(C)}, {worker_supervisor, 3}),
    ok = supervisor:delete_child({?POOL, cnode_peer:name(C)}, {worker_supervisor, 3}),
    eventually(fun() -> length(supervisors(Ctx, ?POOL)) =:= 2 end, ?PATIENCE),
    ?assertEqual(2, length(members(Ctx, ?NM, {cnode_peer:name(C), ?POOL, worker_sups}))).

full(Ctx) ->
    Places = small_places(Ctx),
    agreed(Ctx, Places, says(online)),
    [{ok, First}, {ok, _}] = [start_child(supervisor(Ctx, ?SMALL), ?SMALL, Id) || Id <- [1, 2]],
    agreed(Ctx, Places, says({locked, online})),
    ?assertEqual({error, max_children}, start_child(supervisor(Ctx, ?SMALL), ?SMALL, 3)),
    exit(First, kill),
    agreed(Ctx, Places, says(online)),
    {ok, _} = start_child(supervisor(Ctx, ?SMALL), ?SMALL, 3).

rubbish(Ctx) ->
    {Pid, Status} = agreed(Ctx, says(online)),
    [
        begin
            ok = write_one(Ctx, Place, Pid, Rubbish),
            agreed(Ctx, says(online))
        end
     || Place <- places(Ctx, ?POOL),
        Rubbish <- [
            rubbish,
            {pool_status},
            setelement(1, Status, worker_sup_status),
            setelement(2, Status, {locked, {locked, [online]}}),
            setelement(6, Status, -1),
            setelement(7, Status, {target_window, 1, 2, 3})
        ]
    ],
    [{Sup, SupStatus} | _] = supervisors(Ctx, ?POOL),
    ok = in_syn(Ctx#ctx.other, join, [?POOL, {node(Sup), worker_sups}, Sup, {any, thing}]),
    eventually(
        fun() ->
            {Sup, Now} = lists:keyfind(Sup, 1, supervisors(Ctx, ?POOL)),
            tuple_size(Now) =:= 8 andalso setelement(8, Now, 0) =:= setelement(8, SupStatus, 0) orelse Now
        end,
        ?PATIENCE
    ).

taken_out(#ctx{c = C, other = Other} = Ctx) ->
    {Pid, _} = agreed(Ctx, says(online)),
    ok = in_syn(Other, leave, [?CM, {service, ?POOL}, Pid]),
    agreed(Ctx, says(online)),
    ok = take_name(Other, {node, cnode_peer:name(C)}),
    agreed(Ctx, says(online)).

take_name(Other, Name) -> in_syn(Other, unregister, [?POOL, Name]).

restarted(Ctx) ->
    {Pid, _} = agreed(Ctx, says(online)),
    exit(Pid, kill),
    agreed(Ctx, fun(Found, Status) -> Found =/= Pid andalso element(2, Status) =:= online end),
    eventually(fun() -> length(supervisors(Ctx, ?POOL)) =:= 2 end, ?PATIENCE).

%% --------------------------------------------------------------- node manager

-define(NM_SERVER, 'Elixir.Noizu.AdvancedPool.NodeManager.Server').
-define(NM_SUPERVISOR, 'Elixir.Noizu.AdvancedPool.NodeManager.Supervisor').

server(#ctx{c = C}) -> {?NM_SERVER, cnode_peer:name(C)}.

ask(#ctx{c = C} = Ctx, Call, Options) -> ask(Ctx, cnode_peer:name(C), Call, Options).

ask(Ctx, Id, Call, Options) ->
    Envelope =
        {msg_envelope, {self(), os:system_time(millisecond)}, call, {ref, ?NM_SERVER, Id},
            {settings, nil, true, nil, nil, nil, 60000}, {s, Call, nil, Options}},
    gen_server:call(server(Ctx), Envelope).

node_manager_places(#ctx{c = C} = Ctx) ->
    Node = cnode_peer:name(C),
    Pid = rpc:call(Node, erlang, whereis, [?NM_SERVER]),
    eventually(fun() -> {Pid, _} = lookup(Ctx, ?NM, {node_manager, Node}), true end, ?PATIENCE),
    {Pid, Status} = lookup(Ctx, ?NM, {node_manager, Node}),
    {node_status, Node, online, ready, Health, Started, _} = Status,
    ?assert(is_float(Health) andalso is_integer(Started)),
    [{Pid, Status}] = members(Ctx, ?NM, node_managers),
    ?assertMatch({Pid, Status}, call(C, {syn, lookup, 'Elixir.Noizu.AdvancedPool.NodeManager.WorkerRegistry', {worker, {ref, ?NM_SERVER, Node}}})),
    Sup = rpc:call(Node, erlang, whereis, [?NM_SUPERVISOR]),
    ?assertEqual({Sup, [{node, Node}]}, lookup(Ctx, ?NM, {supervisor, Node})),
    ?assertEqual([{Sup, [{node, Node}]}], members(Ctx, ?NM, supervisors)).

configuration(#ctx{c = C} = Ctx) ->
    Node = cnode_peer:name(C),
    Config = ask(Ctx, configuration, nil),
    ?assertEqual(Config, gen_server:call(server(Ctx), configuration)),
    ?assertEqual(Config, gen_server:call(server(Ctx), {s, configuration, nil, nil})),
    ?assertEqual([?SMALL, ?POOL], lists:sort(maps:keys(Config))),
    ?assertEqual(
        {node_service, online, 10, {target_window, 1, 1, 5}, {target_window, 20, 10, 40}, ?POOL,
            {target_window, 4.0, 0.75, 8.0}, Node},
        maps:get(?POOL, Config)
    ).

health_report(Ctx) ->
    [increment(Ctx, {health_report, Id}) || Id <- lists:seq(1, 3)],
    {_, {pool_status, _, _, _, _, Count, _, _}} = agreed(Ctx, fun(_, _) -> true end),
    {ok, Struct} = ask(Ctx, {health_report, nil}, nil),
    #{
        '__struct__' := 'Elixir.Noizu.AdvancedPool.NodeManager.HealthReport',
        worker := nil,
        subscribers := [],
        status := ready,
        started_at := #{'__struct__' := 'Elixir.DateTime', year := Year, microsecond := {_, 6}},
        finished_at := #{time_zone := <<"Etc/UTC">>, calendar := 'Elixir.Calendar.ISO'},
        report := Report,
        book_keeping := nil,
        vsn := 1.0
    } = Struct,
    9 = map_size(Struct),
    ?assertEqual(element(1, element(1, calendar:universal_time())), Year),
    #{?POOL := Pool, ?SMALL := _} = Report,
    #{health := Health, errors_per_second_per_worker := _, warnings_per_second_per_worker := _} = Pool,
    #{workers := #{total := Total, health := Load, target := 20, low := 10, high := 40}} = Pool,
    #{worker_supervisors := #{total := 2, target := 1, low := 1, high := 5} = Sups} = Pool,
    ?assertNot(maps:is_key(extended, Sups)),
    ?assert(is_float(Health)),
    ?assert(Total >= Count),
    ?assert(abs(Load - (Total - 20) / 30) < 0.001).

subscriber(#ctx{c = C} = Ctx) ->
    Node = cnode_peer:name(C),
    {ok, _} = ask(Ctx, {health_report, self()}, []),
    receive
        {node_health_report, {Node, #{status := ready, report := #{?POOL := _}, subscribers := [Self]}}} when Self =:= self() -> ok
    after ?PATIENCE -> error(no_report)
    end.

rebuilt(#ctx{c = C} = Ctx) ->
    Node = cnode_peer:name(C),
    Test = self(),
    Waiters = [
        spawn_link(fun() ->
            {ok, #{report := #{?POOL := _}}} = ask(Ctx, {health_report, self()}, Options),
            receive
                {node_health_report, {Node, Report}} -> Test ! {self(), Report}
            after ?PATIENCE -> error(no_report)
            end
        end)
     || Options <- [[{rebuild, true}], #{rebuild => true}, [{rebuild, true}, {other, 1}]], _ <- lists:seq(1, 10)
    ],
    Sups = lists:sort([Sup || {Sup, _} <- supervisors(Ctx, ?POOL)]),
    [
        receive
            {Waiter, #{report := #{?POOL := #{worker_supervisors := #{extended := Extended}}}}} ->
                ?assertEqual(Sups, lists:sort(maps:keys(Extended))),
                [#{latency := _, children := #{active := N, specs := N, supervisors := 0, workers := N}} = E || E <- maps:values(Extended)]
        end
     || Waiter <- Waiters
    ].

foreign_node(Ctx) ->
    ?assertEqual({error, {foreign_node, other@host}}, ask(Ctx, other@host, configuration, nil)),
    ?assertEqual({error, {foreign_node, 17}}, ask(Ctx, 17, {health_report, nil}, nil)).

uncaught(#ctx{c = C} = Ctx) ->
    Ref = {ref, ?NM_SERVER, cnode_peer:name(C)},
    ?assertEqual({uncaught, {s, {never, heard}, nil, nil}, Ref}, ask(Ctx, {never, heard}, nil)),
    ?assertEqual({uncaught, <<"bare">>, Ref}, gen_server:call(server(Ctx), <<"bare">>)),
    gen_server:cast(server(Ctx), {update_health_report, #{}}),
    server(Ctx) ! {msg_envelope, 1, 2, 3, 4, 5},
    {ok, _} = ask(Ctx, {health_report, not_a_pid}, {improper, options}).

supervisor_of_node(#ctx{c = C}) ->
    Sup = {?NM_SUPERVISOR, cnode_peer:name(C)},
    Children = supervisor:which_children(Sup),
    [{?POOL, Pid, supervisor, [?POOL]}] = [Child || {?POOL, _, _, _} = Child <- Children],
    ?assert(is_pid(Pid)),
    ?assertEqual(4, length(Children)),
    ?assertEqual([{active, 4}, {specs, 4}, {supervisors, 3}, {workers, 1}], lists:sort(supervisor:count_children(Sup))),
    ?assertMatch({error, {unsupported, _}}, gen_server:call(Sup, {start_child, #{id => x, start => {m, f, []}}})).

node_manager_killed(#ctx{c = C} = Ctx) ->
    Node = cnode_peer:name(C),
    {Pid, Status} = lookup(Ctx, ?NM, {node_manager, Node}),
    exit(Pid, kill),
    eventually(
        fun() ->
            case lookup(Ctx, ?NM, {node_manager, Node}) of
                {Other, Status} when Other =/= Pid -> [Other] =:= [P || {P, _} <- members(Ctx, ?NM, node_managers)];
                Found -> Found
            end
        end,
        ?PATIENCE
    ),
    {ok, _} = ask(Ctx, {health_report, nil}, nil).

bring_online(#ctx{c = C} = Ctx) ->
    Node = cnode_peer:name(C),
    ?assertEqual(ok, rpc:call(Node, ?NM, bring_online__inner, [Node, nil])),
    ?assertEqual(ok, erpc:call(Node, ?NM, bring_online, [Node, nil])),
    ?assertEqual({error, {foreign_node, x@y}}, erpc:call(Node, ?NM, bring_online, [x@y, nil])),
    agreed(Ctx, says(online)).

%% report_subscribers
too_many_subscribers() ->
    C = cnode_peer:start(#{limits => #{report_subscribers => 1}, pools => #{?POOL => #{behaviour => counter}}}),
    Node = cnode_peer:name(C),
    Answers = fun() ->
        Requests = [
            gen_server:send_request({?NM_SERVER, Node}, {health_report, self(), [{rebuild, true}]})
         || _ <- lists:seq(1, 50)
        ],
        [gen_server:wait_response(Request, ?PATIENCE) || Request <- Requests]
    end,
    eventually(fun() -> lists:member({reply, {error, overloaded}}, Answers()) end, ?PATIENCE),
    {ok, #{subscribers_refused := Refused}} = gen_server:call({cnode_admin, Node}, counters),
    ?assert(Refused > 0),
    0 = cnode_peer:stop(C).
