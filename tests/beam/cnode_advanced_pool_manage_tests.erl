%% SPDX-License-Identifier: Apache-2.0
%%
%% The real AdvancedPool on two BEAM nodes asks and operates the pools of a C node:
%% status, lock, worker supervisors, reports.
-module(cnode_advanced_pool_manage_tests).

-include_lib("eunit/include/eunit.hrl").
-include("cnode_advanced_pool.hrl").

-import(cnode_peer, [eventually/2]).
-import(cnode_advanced_pool, [on/4, ref/2, status/3, workers/3, supervisors/3]).
-import(cnode_advanced_pool_suite, [call/3, process/2, children/1, field/2, has_status/3]).

visible_test_() -> cnode_advanced_pool_suite:suite(#{}, all()).

hidden_test_() -> cnode_advanced_pool_suite:suite(#{hidden => true}, all()).

all() ->
    [
        {"the status of the pool tells window and count", fun pool_status/1},
        {"the count is told without being asked for", fun count_is_pushed/1},
        {"worker supervisors tell their counts", fun supervisor_status/1},
        {"supervisors count their children", fun count_children/1},
        {"a worker supervisor is added from a BEAM", fun add_supervisor/1},
        {"a worker supervisor is ended from a BEAM", fun end_supervisor/1},
        {"a locked pool keeps what it has and gets nothing new", fun lock/1},
        {"a lock from the other node, released by the first", fun lock_elsewhere/1},
        {"a second lock is refused, a second release does no harm", fun lock_twice/1},
        {"the whole node cannot be locked by AdvancedPool, and says so", fun lock_node/1},
        {"a pool at its hard limit protects itself", fun hard_limit/1},
        {"the node manager tells its configuration", fun configuration/1},
        {"the node's health report", fun node_report/1},
        {"the node's health report, rebuilt", fun node_report_rebuilt/1},
        {"a subscriber gets the report that follows", fun subscriber/1},
        {"many ask for a rebuilt report at once", fun many_reports/1},
        {"the cluster's health report", fun cluster_report/1},
        {"the cluster's health report, rebuilt", fun cluster_report_rebuilt/1},
        {"the table of the cluster's report", fun table/1},
        {"health is told in the status", fun health_in_status/1},
        {"the node's own services are those of a member", fun entries/1},
        {"a BEAM brings the node online", fun bring_online/1},
        {"another status than a lock is put right", fun set_status/1},
        {"locks and releases from all sides end the same for all", fun lock_race/1},
        {"a lock in the midst of first calls", fun lock_in_a_rush/1},
        {"what an operator does here is seen there", fun operator/1},
        {"managers and supervisors that are killed come back", fun killed_services/1},
        {"failures show in the published health", fun failures/1},
        {"a question about another node is no hang", fun foreign/1},
        {"the table of the cluster's report, with details", fun verbose_table/1}
    ].

%% --------------------------------------------------------------------- status

pool_status(#ctx{a = A, b = B, x = X, node = Node}) ->
    {ok, #{Node := {Pid, Status}}} = on(A, ?CM, service_status, [?ROOMS, X]),
    ?assertMatch({pool_status, online, ?ROOMS, _, Node, _, _, _}, Status),
    ?assertEqual(Node, node(Pid)),
    cnode_advanced_pool:is_beam_target() orelse
        ?assertEqual({target_window, 100, 50, 200}, field(target, Status)),
    %% all copies
    {ok, {Pid, _}} = on(B, ?NM, service_status, [?ROOMS, Node, X]),
    ?assert(on(B, ?NM, 'service_available?', [?ROOMS, Node, X])),
    ?assertMatch([{Pid, _}], on(B, syn, members, [?ROOMS, nodes])),
    ?assertMatch([{Pid, _} | _], [M || {P, _} = M <- on(B, syn, members, [?NM, {Node, services}]), P =:= Pid]),
    ?assertMatch({Pid, _}, on(B, syn, lookup, [?NM, {Node, ?ROOMS}])).

count_is_pushed(#ctx{a = A, b = B, node = Node} = Ctx) ->
    [1 = call(Ctx, {counted, N}, visit) || N <- lists:seq(1, 20)],
    Count = workers(A, ?ROOMS, Node),
    eventually(
        fun() ->
            Seen = [field(count, element(2, status(Beam, ?ROOMS, Node))) || Beam <- [A, B]],
            Seen =:= [Count, Count] orelse {Seen, Count}
        end,
        ?PATIENCE
    ),
    {_, Status} = on(B, syn, lookup, [?ROOMS, {node, Node}]),
    ?assertEqual(Count, field(count, Status)).

supervisor_status(#ctx{a = A, node = Node} = Ctx) ->
    ?assertEqual(1, call(Ctx, under_supervision, visit)),
    ?assertMatch([{_, {worker_sup_status, online, ?ROOMS, _, Node, _, {target_window, _, _, _}, _}} | _], supervisors(A, ?ROOMS, Node)),
    Count = workers(A, ?ROOMS, Node),
    eventually(
        fun() ->
            Seen = lists:sum([field(count, Status) || {_, Status} <- supervisors(A, ?ROOMS, Node)]),
            Seen =:= Count orelse {Seen, Count}
        end,
        ?PATIENCE
    ).

count_children(#ctx{a = A, node = Node} = Ctx) ->
    ?assertEqual(1, call(Ctx, counted_child, visit)),
    ?assertEqual(workers(A, ?ROOMS, Node), children(Ctx)).

add_supervisor(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    Before = [Pid || {Pid, _} <- supervisors(A, ?ROOMS, Node)],
    Spec = on(A, 'Elixir.Noizu.AdvancedPool.WorkerSupervisor', spec, [another, ?ROOMS, X, nil]),
    {ok, Sup} = on(A, ?ROOMS, add_worker_supervisor, [Node, Spec]),
    ?assertEqual(Node, node(Sup)),
    ?assertNot(lists:member(Sup, Before)),
    eventually(
        fun() ->
            Now = [[Pid || {Pid, _} <- supervisors(Beam, ?ROOMS, Node)] || Beam <- [A, B]],
            [lists:sort([Sup | Before])] =:= lists:usort([lists:sort(Pids) || Pids <- Now]) orelse {Now, Sup, Before}
        end,
        ?PATIENCE
    ),
    Worker = on(A, 'Elixir.Noizu.AdvancedPool.Worker.Server', spec, [ref(?ROOMS, added), [], X]),
    {ok, Pid} = on(A, 'Elixir.Noizu.AdvancedPool.WorkerSupervisor', add_worker, [Sup, Worker]),
    ?assertEqual(Pid, process(Ctx, added)),
    ?assertEqual({ok, Pid}, on(B, 'Elixir.Noizu.AdvancedPool.WorkerSupervisor', add_worker, [hd(Before), Worker])),
    ?assertMatch(#{workers := 1}, on(A, 'Elixir.Supervisor', count_children, [Sup])).

end_supervisor(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    Before = lists:sort([Pid || {Pid, _} <- supervisors(A, ?ROOMS, Node)]),
    Spec = on(A, 'Elixir.Noizu.AdvancedPool.WorkerSupervisor', spec, [passing, ?ROOMS, X, nil]),
    {ok, Sup} = on(A, ?ROOMS, add_worker_supervisor, [Node, Spec]),
    Again = on(A, ?ROOMS, add_worker_supervisor, [Node, Spec]),
    ?assertEqual({error, {already_started, Sup}}, Again),
    ?assertEqual(ok, on(B, 'Elixir.Supervisor', terminate_child, [{?ROOMS, Node}, passing])),
    eventually(
        fun() ->
            Now = lists:sort([Pid || {Pid, _} <- supervisors(A, ?ROOMS, Node)]),
            Now =:= Before orelse {Now, Before}
        end,
        ?PATIENCE
    ),
    ?assertEqual(1, call(Ctx, after_the_end, visit)).

%% ----------------------------------------------------------------------- lock

lock(#ctx{a = A, x = X, node = Node} = Ctx) ->
    ?assertEqual(1, call(Ctx, before_lock, visit)),
    _ = on(A, ?CM, lock_pool, [?ROOMS, Node, X]),
    has_status(Ctx, ?ROOMS, {locked, online}),
    ?assertEqual(2, call(Ctx, before_lock, visit)),
    ?assertEqual({error, unavailable}, call(Ctx, during_lock, visit)),
    ?assertEqual({ok, {error, unavailable}}, on(A, ?ROOMS, 's_cast!', [during_lock, visit, X])),
    {ok, {_, Status}} = on(A, ?NM, service_status, [?ROOMS, Node, X]),
    ?assertEqual({locked, online}, field(status, Status)),
    _ = on(A, ?CM, release_pool, [?ROOMS, Node, X]),
    has_status(Ctx, ?ROOMS, online),
    ?assertEqual(1, call(Ctx, during_lock, visit)).

lock_elsewhere(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    _ = on(B, ?CM, lock_pool, [?ROOMS, Node, X]),
    has_status(Ctx, ?ROOMS, {locked, online}),
    ?assertEqual({error, unavailable}, call(Ctx, locked_elsewhere, visit)),
    _ = on(A, ?CM, release_pool, [?ROOMS, Node, X]),
    has_status(Ctx, ?ROOMS, online),
    ?assertEqual(1, call(Ctx, locked_elsewhere, visit)).

lock_twice(#ctx{a = A, x = X, node = Node} = Ctx) ->
    _ = on(A, ?CM, lock_pool, [?ROOMS, Node, X]),
    has_status(Ctx, ?ROOMS, {locked, online}),
    ?assertEqual({error, already_locked}, on(A, ?CM, lock_pool, [?ROOMS, Node, X])),
    %% counts and health go on to be told, and do not undo the lock
    timer:sleep(1500),
    has_status(Ctx, ?ROOMS, {locked, online}),
    _ = on(A, ?CM, release_pool, [?ROOMS, Node, X]),
    has_status(Ctx, ?ROOMS, online),
    _ = on(A, ?CM, release_pool, [?ROOMS, Node, X]),
    has_status(Ctx, ?ROOMS, online),
    ?assertEqual(1, call(Ctx, locked_twice, visit)).

lock_node(#ctx{a = A, x = X, node = Node} = Ctx) ->
    ?assertEqual(nyi, on(A, ?CM, lock_node, [Node, X])),
    has_status(Ctx, ?ROOMS, online).

hard_limit(#ctx{a = A, x = X, node = Node} = Ctx) ->
    case cnode_advanced_pool:is_beam_target() of
        true ->
            ok;
        false ->
            [?assertEqual(1, on(A, ?SMALL, 's_call!', [N, visit, X])) || N <- lists:seq(1, 5)],
            Answer = on(A, ?SMALL, 's_call!', [6, visit, X]),
            ?assert(lists:member(Answer, [{error, unavailable}, {error, max_children}]), Answer),
            has_status(Ctx, ?SMALL, {locked, online}),
            ?assertEqual({error, unavailable}, on(A, ?SMALL, 's_call!', [6, visit, X])),
            ?assertEqual(2, on(A, ?SMALL, 's_call!', [5, visit, X])),
            ?assertEqual(5, workers(A, ?SMALL, Node)),
            %% One less: there is room again.
            {_, _, Pid} = on(A, ?SMALL, fetch, [5, process, X]),
            [{Sup, _} | _] = supervisors(A, ?SMALL, Node),
            ?assertEqual(ok, on(A, 'Elixir.DynamicSupervisor', terminate_child, [Sup, Pid])),
            has_status(Ctx, ?SMALL, online),
            ?assertEqual(1, on(A, ?SMALL, 's_call!', [6, visit, X]))
    end.

%% --------------------------------------------------------------------- reports

configuration(#ctx{a = A, b = B, x = X, node = Node}) ->
    Own = on(A, ?NM, configuration, [Node, X]),
    ?assertMatch(#{?ROOMS := {node_service, online, _, {target_window, _, _, _}, {target_window, 100, 50, 200}, ?ROOMS, _, Node}}, Own),
    ?assertEqual([?FRAIL, ?MIXED, ?ROOMS, ?SMALL, ?STICKY], lists:sort(maps:keys(Own))),
    ?assertMatch(#{?ROOMS := #{cluster := {cluster_service, _, _, _, _, _, ?ROOMS}, nodes := #{Node := _}}}, on(B, ?CM, configuration, [X])).

node_report(#ctx{a = A, x = X, node = Node}) ->
    {ok, Previous} = on(A, ?NM, health_report, [Node, X]),
    ?assert(Previous =:= initializing orelse Previous =:= nil orelse is_report(Previous), Previous),
    eventually(
        fun() ->
            {ok, Report} = on(A, ?NM, health_report, [Node, X]),
            is_report(Report) orelse Report
        end,
        ?PATIENCE
    ).

is_report(#{'__struct__' := 'Elixir.Noizu.AdvancedPool.NodeManager.HealthReport', status := ready, report := #{?ROOMS := Rooms}}) ->
    is_pool_report(Rooms);
is_report(_) ->
    false.

is_pool_report(#{
    health := Health,
    workers := #{total := _, health := _, target := 100, low := 50, high := 200},
    worker_supervisors := #{total := _, health := _, target := _, low := _, high := _},
    errors_per_second_per_worker := _,
    warnings_per_second_per_worker := _
}) ->
    is_float(Health);
is_pool_report(_) ->
    false.

node_report_rebuilt(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    ?assertEqual(1, call(Ctx, reported, visit)),
    Workers = workers(A, ?ROOMS, Node),
    [
        begin
            {ok, Report} = on(Beam, ?NM, health_report, [Node, X, [{rebuild, true}]]),
            ?assert(is_report(Report), Report),
            #{report := #{?ROOMS := #{workers := #{total := Total}, worker_supervisors := #{total := Sups, extended := Extended}}}} = Report,
            ?assertEqual(Workers, Total),
            ?assertEqual(lists:sort([Pid || {Pid, _} <- supervisors(A, ?ROOMS, Node)]), lists:sort(maps:keys(Extended))),
            ?assertEqual(maps:size(Extended), Sups),
            ?assertEqual(Workers, lists:sum([Active || #{latency := _, children := #{active := Active}} <- maps:values(Extended)]))
        end
     || Beam <- [A, B]
    ].

subscriber(#ctx{a = A, node = Node}) ->
    {{ok, _}, Messages} = on(A, 'Elixir.Judge.Node', follow, [Node, nil]),
    ?assertMatch([{node_health_report, {Node, #{status := ready}}}], Messages),
    {{ok, Report}, Sent} = on(A, 'Elixir.Judge.Node', follow, [Node, [{rebuild, true}]]),
    ?assert(is_report(Report)),
    ?assertMatch([{node_health_report, {Node, Report}}], Sent).

%% AdvancedPool forgets who asks while a report is made, and they hang.
many_reports(#ctx{a = A, b = B, x = X, node = Node}) ->
    case cnode_advanced_pool:is_beam_target() of
        true ->
            ok;
        false ->
            Self = self(),
            Pids = [
                spawn_link(fun() -> Self ! {self(), on(Beam, ?NM, health_report, [Node, X, [{rebuild, true}]])} end)
             || Beam <- [A, B], _ <- lists:seq(1, 20)
            ],
            [?assertMatch({ok, #{status := ready}}, receive {Pid, R} -> R after ?PATIENCE -> hangs end) || Pid <- Pids]
    end.

cluster_report(#ctx{a = A, b = B, x = X, node = Node}) ->
    eventually(
        fun() ->
            {ok, _} = on(B, ?CM, health_report, [X]),
            {ok, Report} = on(A, ?CM, health_report, [X]),
            case Report of
                #{status := ready, report := #{Node := #{status := ready}}} -> true;
                Other -> Other
            end
        end,
        ?PATIENCE
    ).

cluster_report_rebuilt(#ctx{a = A, b = B, x = X, node = Node}) ->
    {ok, #{status := ready, report := Report}} = on(A, ?CM, health_report, [X, [{rebuild, true}]]),
    ?assert(is_report(maps:get(Node, Report))),
    Nodes = lists:sort([Node, element(2, A), element(2, B)]),
    %% Whoever else is connected without AdvancedPool is an error in it.
    ?assertEqual(Nodes, Nodes -- (Nodes -- maps:keys(Report))),
    #{report := #{?ROOMS := #{workers := #{total := Total}}}} = maps:get(Node, Report),
    ?assertEqual(workers(A, ?ROOMS, Node), Total).

table(#ctx{a = A, node = Node}) ->
    Table = on(A, 'Elixir.Judge.Node', report, []),
    [_, Rooms | _] = string:split(Table, "** Elixir.Judge.Rooms **:"),
    [_, _, _Head, Row | _] = string:split(Rooms, "\n", all),
    ?assertMatch({{match, _}, _}, {re:run(Row, ["^", atom_to_list(Node), "\\s+\\d+\\s+100\\s+-?\\d"]), Row}).

health_in_status(#ctx{a = A, b = B, x = X, node = Node}) ->
    {ok, _} = on(A, ?NM, health_report, [Node, X, [{rebuild, true}]]),
    eventually(
        fun() ->
            Seen = [field(health, element(2, status(Beam, ?MIXED, Node))) || Beam <- [A, B]],
            lists:all(fun is_float/1, Seen) orelse Seen
        end,
        ?PATIENCE
    ).

%% --------------------------------------------------------------------- entries

entries(#ctx{b = B, node = Node}) ->
    ?assertMatch({_, {node_status, Node, _, _, _, _, _}}, on(B, syn, lookup, [?NM, {node_manager, Node}])),
    ?assertMatch({_, [{node, Node}]}, on(B, syn, lookup, [?NM, {supervisor, Node}])),
    ?assertEqual(3, length(on(B, syn, members, [?NM, node_managers]))),
    ?assertEqual(3, length(on(B, syn, members, [?NM, supervisors]))).

%% ------------------------------------------------------------- other operators

bring_online(#ctx{b = B, node = Node} = Ctx) ->
    ?assertMatch({ok, _}, on(B, 'Elixir.Judge.Node', bring_online, [Node])),
    has_status(Ctx, ?ROOMS, online),
    ?assertEqual(1, call(Ctx, brought_online, visit)).

%% AdvancedPool has no function that does this. What is not a lock is not for
%% others to say, and is put right.
set_status(#ctx{a = A, node = Node} = Ctx) ->
    ?assertEqual(1, call(Ctx, before_nonsense, visit)),
    [
        begin
            publish(Ctx, Status),
            has_status(Ctx, ?ROOMS, online),
            ?assertEqual(ok, eventually(fun() -> is_integer(call(Ctx, {status, Status}, visit)) end, ?PATIENCE))
        end
     || Status <- [offline, nonsense, {locked, offline, 1}, 7]
    ],
    ?assertEqual(2, call(Ctx, before_nonsense, visit)),
    eventually(fun() -> field(count, element(2, status(A, ?ROOMS, Node))) =:= workers(A, ?ROOMS, Node) end, ?PATIENCE).

publish(#ctx{b = B, node = Node}, Status) ->
    {Pid, Old} = status(B, ?ROOMS, Node),
    on(B, ?NM, set_service_status, [Pid, ?ROOMS, Node, setelement(2, Old, Status)]).

lock_race(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    Self = self(),
    Pids = [
        spawn_link(fun() ->
            [on(Beam, ?CM, What, [?ROOMS, Node, X]) || _ <- lists:seq(1, 25), What <- [lock_pool, release_pool]],
            Self ! {done, self()}
        end)
     || Beam <- [A, B, A, B]
    ],
    [receive {done, Pid} -> ok end || Pid <- Pids],
    Agreed = fun() ->
        {ok, #{status := Own}} = admin(Ctx, {pool, ?ROOMS}),
        Seen = [field(status, element(2, status(Beam, ?ROOMS, Node))) || Beam <- [A, B]],
        lists:usort([Own | Seen]) =:= [Own] orelse {Own, Seen}
    end,
    eventually(Agreed, ?PATIENCE),
    _ = on(A, ?CM, release_pool, [?ROOMS, Node, X]),
    has_status(Ctx, ?ROOMS, online),
    eventually(Agreed, ?PATIENCE),
    {ok, #{locks := Locks}} = admin(Ctx, {pool, ?ROOMS}),
    ?assertEqual([], Locks),
    ?assertEqual(1, call(Ctx, after_the_race, visit)).

admin(#ctx{a = A, node = Node}, Request) -> on(A, gen_server, call, [?ADMIN(Node), Request]).

lock_in_a_rush(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    Self = self(),
    Ids = [{locked_rush, N} || N <- lists:seq(1, 500)],
    Rush = spawn_link(fun() -> Self ! {self(), on(A, 'Elixir.Judge.Node', rush, [?ROOMS, Ids, 4, X])} end),
    _ = on(B, ?CM, lock_pool, [?ROOMS, Node, X]),
    Answers = receive {Rush, Some} -> Some after ?PATIENCE -> error(hangs) end,
    ?assertEqual([], [Other || {_, Other} <- Answers, Other =/= {ok, {error, unavailable}}, not is_integer(element(2, Other))]),
    _ = on(B, ?CM, release_pool, [?ROOMS, Node, X]),
    has_status(Ctx, ?ROOMS, online),
    PerId = maps:groups_from_list(fun({Id, _}) -> Id end, fun({_, {ok, Is}}) -> Is end, Answers),
    %% who was served was served by one worker
    [
        begin
            Visits = lists:sort([Is || Is <- All, is_integer(Is)]),
            ?assertEqual({Id, lists:seq(1, length(Visits))}, {Id, Visits}),
            ?assertEqual(length(Visits) + 1, call(Ctx, Id, visit))
        end
     || {Id, All} <- maps:to_list(PerId)
    ].

%% By cnode_admin, as the command line does.
operator(#ctx{} = Ctx) ->
    ?assertEqual(ok, admin(Ctx, {lock, ?ROOMS})),
    has_status(Ctx, ?ROOMS, {locked, online}),
    ?assertEqual({error, unavailable}, call(Ctx, operated, visit)),
    ?assertEqual({error, already_locked}, admin(Ctx, {lock, ?ROOMS})),
    ?assertEqual(ok, admin(Ctx, {release, ?ROOMS})),
    has_status(Ctx, ?ROOMS, online),
    ?assertEqual(ok, admin(Ctx, lock)),
    [has_status(Ctx, Pool, {locked, online}) || Pool <- [?ROOMS, ?MIXED, ?FRAIL]],
    ?assertEqual(ok, admin(Ctx, release)),
    [has_status(Ctx, Pool, online) || Pool <- [?ROOMS, ?MIXED, ?FRAIL]],
    ?assertEqual(ok, admin(Ctx, {offline, ?FRAIL})),
    has_status(Ctx, ?FRAIL, offline),
    ?assertEqual(ok, admin(Ctx, {online, ?FRAIL})),
    has_status(Ctx, ?FRAIL, online),
    ?assertEqual(1, call(Ctx, operated, visit)).

killed_services(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    Manager = fun() -> on(B, syn, lookup, [?NM, {node_manager, Node}]) end,
    Supervisor = fun() -> status(A, ?ROOMS, Node) end,
    Workers = fun() -> hd(supervisors(A, ?ROOMS, Node) ++ [undefined]) end,
    ?assertEqual(1, call(Ctx, {killed, 0}, visit)),
    [
        begin
            {Pid, _} = Lookup(),
            true = on(A, erlang, exit, [Pid, kill]),
            eventually(
                fun() ->
                    case Lookup() of
                        {New, _} when New =/= Pid -> true;
                        Other -> {Other, Pid}
                    end
                end,
                ?PATIENCE
            ),
            has_status(Ctx, ?ROOMS, online),
            cnode_advanced_pool:wait_for_pool(A, ?ROOMS, Node),
            ?assertEqual(1, call(Ctx, {killed, erlang:phash2(Lookup)}, visit))
        end
     || Lookup <- [Manager, Workers, Supervisor]
    ],
    {ok, Report} = on(B, ?NM, health_report, [Node, X, [{rebuild, true}]]),
    ?assertMatch(#{status := ready}, Report).

failures(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    Health = fun() -> [field(health, element(2, status(Beam, ?FRAIL, Node))) || Beam <- [A, B]] end,
    eventually(fun() -> lists:all(fun(H) -> is_float(H) andalso H > 3.0 end, Health()) orelse Health() end, ?PATIENCE),
    [
        begin
            [?assertMatch({exit, _}, cnode_advanced_pool:'try'(A, ?FRAIL, 'crash!', [{Worst, N}, X, nil])) || N <- lists:seq(1, 4)],
            eventually(fun() -> lists:all(fun(H) -> is_float(H) andalso H =< Worst end, Health()) orelse Health() end, ?PATIENCE)
        end
     || Worst <- [3.0, 0.0]
    ],
    %% worse, but online: workers are there, and new ones start
    has_status(Ctx, ?FRAIL, online),
    ?assertEqual(1, on(A, ?FRAIL, 's_call!', [frail, visit, X])).

%% The node manager is asked as if it were another's.
foreign(#ctx{a = A, x = X, node = Node}) ->
    {Pid, _} = on(A, syn, lookup, [?NM, {node_manager, Node}]),
    Settings = {settings, nil, true, nil, nil, nil, 5000},
    Ask = fun(Recipient, Call) ->
        on(A, 'Elixir.GenServer', call, [Pid, {msg_envelope, {Pid, 1}, call, Recipient, Settings, {s, Call, X, nil}}])
    end,
    Server = 'Elixir.Noizu.AdvancedPool.NodeManager.Server',
    ?assertMatch(#{?ROOMS := _}, Ask({ref, Server, Node}, configuration)),
    [
        ?assertEqual({error, {foreign_node, 'nobody@127.0.0.1'}}, Ask({ref, Server, 'nobody@127.0.0.1'}, Call))
     || Call <- [configuration, {health_report, nil}, {health_report, Pid}]
    ],
    %% as AdvancedPool's, which looks at no recipient
    ?assertMatch(#{?ROOMS := _}, Ask(odd, configuration)),
    ?assertEqual({nack, not_registered}, on(A, ?NM, configuration, ['nobody@127.0.0.1', X])),
    %% what it does not know
    ?assertNotEqual(hangs, Ask({ref, Server, Node}, {no, such, call})).

verbose_table(#ctx{a = A, node = Node}) ->
    Table = on(A, 'Elixir.Judge.Node', report, [[{verbose, true}]]),
    [?assertNotEqual(nomatch, string:find(Table, Text)) || Text <- ["Details:", "latency:", "active:", atom_to_list(Node)]].
