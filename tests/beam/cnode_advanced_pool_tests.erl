%% SPDX-License-Identifier: Apache-2.0
%%
%% The real AdvancedPool on two BEAM nodes, and pools that a C node hosts: calls,
%% placement, lock, status, health. AdvancedPool is not changed and is told
%% nothing but the name of a node. What it answers for pools that a BEAM hosts is
%% what is demanded here; where it promises more than it keeps, the promise.
-module(cnode_advanced_pool_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, eventually/2]).
-import(cnode_advanced_pool, [on/4, 'try'/4, ref/2, status/3, workers/3, supervisors/3]).

-define(ROOMS, 'Elixir.Judge.Rooms').
-define(SMALL, 'Elixir.Judge.Small').
-define(MIXED, 'Elixir.Judge.Mixed').
-define(STICKY, 'Elixir.Judge.Sticky').
-define(CM, 'Elixir.Noizu.AdvancedPool.ClusterManager').
-define(NM, 'Elixir.Noizu.AdvancedPool.NodeManager').
-define(DISPATCH, 'Elixir.Noizu.AdvancedPool.Message.Dispatch').
-define(PATIENCE, 20000).

%% c: the C node; a: a BEAM with the cluster's manager; b: another member. x: the
%% call context of a.
-record(ctx, {c, node, a, b, x}).

%% ------------------------------------------------------------------- fixtures

visible_test_() -> suite(#{}, all()).

hidden_test_() -> suite(#{hidden => true}, all()).

all() ->
    [
        {"a first call starts the worker on the C node", fun first_call/1},
        {"arguments and context of the start reach the worker", fun start_arguments/1},
        {"any term is an id", fun any_id/1},
        {"the context is handed through untouched", fun context/1},
        {"what no worker understands is said to be unhandled", fun unhandled/1},
        {"a cast starts the worker or not, as asked", fun casts/1},
        {"a call that must not start gets a nack", fun no_spawn/1},
        {"an id that is none is refused by the caller", fun bad_id/1},
        {"fetch tells state and process", fun fetch/1},
        {"ping, hibernate and persist! are answered", fun answers/1},
        {"reload! is answered", fun reload/1},
        {"kill! ends the worker, which is started again", fun kill/1},
        {"crash! is seen by the caller, and the worker is back", fun crash/1},
        {"a crash during a call ends the call with its reason", fun crash_during_call/1},
        {"a direct link reaches the worker", fun direct_link/1},
        {"a stale link ends the call with noproc", fun stale_link/1},
        {"an info envelope is handled", fun info/1},
        {"a message for another worker does no harm", fun wrong_recipient/1},
        {"a late reply arrives, one that never comes ends in time", fun late/1},
        {"a worker that cannot start is an error for the caller", fun refused/1},
        {"a sticky pool that is not hosted by the caller is no hang", fun sticky/1},
        {"20 000 first calls to 1 000 refs give 1 000 workers", fun rush/1},
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
        {"a pool of BEAM and C nodes", fun mixed/1},
        {"the node's own services are those of a member", fun entries/1}
    ].

suite(Node, Tests) ->
    cnode_advanced_pool:suite(fun(Build) -> start(Build, Node) end, fun stop/1, [
        {Sentence ++ suffix(Node), Fun}
     || {Sentence, Fun} <- Tests
    ]).

suffix(#{hidden := true}) -> " (hidden)";
suffix(_) -> "".

start(Build, Node) ->
    Window = #{worker => #{target => cnode_advanced_pool:window(50, 100, 200)}},
    C = cnode_advanced_pool:start_c(
        Build,
        #{
            ?ROOMS => Window#{supervisors => #{max_restarts => 10000}},
            ?MIXED => Window,
            ?STICKY => Window,
            ?SMALL => #{worker => #{max => 5}}
        },
        #{node => Node}
    ),
    Name = cnode_peer:name(C),
    Pools = #{?ROOMS => [Name], ?SMALL => [Name], ?STICKY => [Name], ?MIXED => [self, Name]},
    A = cnode_advanced_pool:start_beam(Build, Pools, manager, [C]),
    B = cnode_advanced_pool:start_beam(Build, Pools#{?MIXED => [Name]}, member, [C, A]),
    [cnode_advanced_pool:bring_online(X) || X <- [C, A, B]],
    [cnode_advanced_pool:wait_for_pool(X, P, Name) || X <- [A, B], P <- maps:keys(Pools)],
    #ctx{c = C, node = Name, a = A, b = B, x = cnode_advanced_pool:context(A)}.

stop(#ctx{c = C, a = A, b = B}) ->
    [cnode_advanced_pool:stop_beam(X) || X <- [A, B]],
    cnode_advanced_pool:stop_c(C).

%% -------------------------------------------------------------------- helpers

call(#ctx{a = A, x = X}, Id, Call) -> on(A, ?ROOMS, 's_call!', [Id, Call, X]).
try_call(#ctx{a = A, x = X}, Id, Call) -> 'try'(A, ?ROOMS, 's_call!', [Id, Call, X]).

%% A hook of the pool: ping, kill!, ...
hook(#ctx{a = A, x = X}, Hook, Id) -> on(A, ?ROOMS, Hook, [Id, X, nil]).
try_hook(#ctx{a = A, x = X}, Hook, Id) -> 'try'(A, ?ROOMS, Hook, [Id, X, nil]).

process(#ctx{a = A, x = X}, Id) ->
    {_, _, Pid} = on(A, ?ROOMS, fetch, [Id, process, X]),
    Pid.

%% Both BEAMs know this process as the worker, or nobody.
known(#ctx{a = A, b = B}, Id, What) ->
    eventually(
        fun() ->
            Seen = [pid(on(Beam, syn, lookup, ['Elixir.Judge.Rooms.Registry', {worker, ref(?ROOMS, Id)}])) || Beam <- [A, B]],
            Seen =:= [What, What] orelse {Seen, What}
        end,
        ?PATIENCE
    ).

pid({Pid, _}) -> Pid;
pid(undefined) -> undefined.

%% The fields of pool_status and worker_sup_status.
field(status, Tuple) -> element(2, Tuple);
field(health, Tuple) -> element(4, Tuple);
field(node, Tuple) -> element(5, Tuple);
field(count, Tuple) -> element(6, Tuple);
field(target, Tuple) -> element(7, Tuple).

has_status(Ctx, Pool, Status) ->
    #ctx{a = A, b = B, node = Node} = Ctx,
    eventually(
        fun() ->
            Seen = [field(status, element(2, status(Beam, Pool, Node))) || Beam <- [A, B]],
            Seen =:= [Status, Status] orelse {Seen, Status}
        end,
        ?PATIENCE
    ).

%% ---------------------------------------------------------------------- calls

first_call(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    ?assertEqual(1, call(Ctx, first, visit)),
    ?assertEqual(2, call(Ctx, first, visit)),
    ?assertEqual(3, on(B, ?ROOMS, 's_call!', [first, visit, X])),
    ?assertEqual(Node, call(Ctx, first, where)),
    {Ref, Node, Pid} = on(A, ?ROOMS, fetch, [first, process, X]),
    ?assertEqual(ref(?ROOMS, first), Ref),
    ?assertEqual(Node, node(Pid)),
    known(Ctx, first, Pid).

%% AdvancedPool itself starts all workers with []; on a BEAM, init gets a list of
%% that.
start_arguments(#ctx{a = A, x = X, node = Node} = Ctx) ->
    case cnode_advanced_pool:is_beam_target() of
        true ->
            ok;
        false ->
            ?assertEqual([], call(Ctx, arguments, args)),
            Spec = on(A, 'Elixir.Noizu.AdvancedPool.Worker.Server', spec, [ref(?ROOMS, more), [1, #{two => <<"2">>}], X]),
            [{Sup, _} | _] = supervisors(A, ?ROOMS, Node),
            {ok, _} = on(A, 'Elixir.Noizu.AdvancedPool.WorkerSupervisor', add_worker, [Sup, Spec]),
            ?assertEqual([1, #{two => <<"2">>}], call(Ctx, more, args)),
            ?assertEqual(X, call(Ctx, more, started_by))
    end.

any_id(Ctx) ->
    Ids = [0, -1, 1 bsl 80, <<"user">>, "text", {a, #{b => 1.5}}, [], 'Elixir.Judge'],
    [?assertEqual({Id, 1}, {Id, call(Ctx, Id, visit)}) || Id <- Ids],
    [?assertEqual({Id, 2}, {Id, call(Ctx, ref(?ROOMS, Id), visit)}) || Id <- Ids],
    Pids = [process(Ctx, Id) || Id <- Ids],
    ?assertEqual(length(Ids), length(lists:usort(Pids))).

context(#ctx{x = X} = Ctx) -> ?assertEqual(X, call(Ctx, context, context)).

unhandled(#ctx{a = A, x = X} = Ctx) ->
    ?assertEqual({unhandled, {s, {no, such, call}, X, nil}}, call(Ctx, unhandled, {no, such, call})),
    ?assertEqual({unhandled, {s, odd, X, [{a, 1}]}}, on(A, ?ROOMS, 's_call!', [unhandled, odd, X, [{a, 1}]])).

casts(#ctx{a = A, x = X} = Ctx) ->
    ?assertEqual({nack, not_registered}, on(A, ?ROOMS, s_cast, [cast, visit, X])),
    ?assertEqual(ok, on(A, ?ROOMS, 's_cast!', [cast, visit, X])),
    eventually(fun() -> call(Ctx, cast, get) =:= 1 end),
    known(Ctx, cast, process(Ctx, cast)),
    ?assertEqual(ok, on(A, ?ROOMS, s_cast, [cast, visit, X])),
    ?assertEqual(ok, on(A, ?ROOMS, s_cast, [cast, nonsense, X])),
    eventually(fun() -> call(Ctx, cast, get) =:= 2 end).

no_spawn(#ctx{a = A, x = X} = Ctx) ->
    Ref = ref(?ROOMS, no_spawn),
    ?assertEqual({nack, not_registered}, on(A, ?DISPATCH, s_call, [Ref, visit, X])),
    known(Ctx, no_spawn, undefined),
    ?assertEqual(1, call(Ctx, no_spawn, visit)),
    known(Ctx, no_spawn, process(Ctx, no_spawn)),
    ?assertEqual(2, on(A, ?DISPATCH, s_call, [Ref, visit, X])).

bad_id(#ctx{a = A, x = X} = Ctx) ->
    ?assertEqual({error, {unsupported, {bad, id}}}, call(Ctx, {bad, id}, visit)),
    ?assertEqual({error, {unsupported, {bad, id}}}, on(A, ?ROOMS, 's_cast!', [{bad, id}, visit, X])).

fetch(#ctx{a = A, x = X, node = Node} = Ctx) ->
    ?assertEqual(2, begin call(Ctx, fetched, visit), call(Ctx, fetched, visit) end),
    State = on(A, ?ROOMS, fetch, [fetched, state, X]),
    ?assertEqual(2, count_of(State)),
    ?assertMatch({_, Node, _}, on(A, ?ROOMS, fetch, [fetched, process, X])).

%% C: what dump gives. BEAM: Worker.State around the worker's struct.
count_of(#{worker := #{count := Count}}) -> Count;
count_of(#{worker := Count}) -> Count;
count_of(Count) -> Count.

answers(#ctx{a = A, x = X} = Ctx) ->
    ?assertEqual(pong, on(A, ?ROOMS, ping, [answers, X])),
    ?assertEqual(pong, hook(Ctx, ping, answers)),
    ?assertEqual(ok, hook(Ctx, hibernate, answers)),
    ?assertEqual(1, call(Ctx, answers, visit)),
    ?assertEqual(not_supported, hook(Ctx, 'persist!', answers)).

%% AdvancedPool's own worker does not understand its own reload!.
reload(#ctx{x = X} = Ctx) ->
    ?assertEqual(1, call(Ctx, reloaded, visit)),
    case hook(Ctx, 'reload!', reloaded) of
        ok -> ok;
        {unhandled, {s, 'reload!', X, nil}} -> ?assert(cnode_advanced_pool:is_beam_target())
    end.

kill(Ctx) ->
    ?assertEqual(1, call(Ctx, killed, visit)),
    Pid = process(Ctx, killed),
    ?assertEqual(ok, hook(Ctx, 'kill!', killed)),
    again(Ctx, killed, Pid).

%% A worker with another pid, and a fresh state.
again(#ctx{a = A} = Ctx, Id, Old) ->
    Key = {worker, ref(?ROOMS, Id)},
    eventually(
        fun() ->
            case on(A, syn, lookup, ['Elixir.Judge.Rooms.Registry', Key]) of
                {Pid, _} when Pid =/= Old -> true;
                Other -> Other
            end
        end,
        ?PATIENCE
    ),
    ?assertEqual(1, call(Ctx, Id, visit)),
    ?assertNotEqual(Old, process(Ctx, Id)).

crash(Ctx) ->
    ?assertEqual(1, call(Ctx, crashed, visit)),
    Pid = process(Ctx, crashed),
    ?assertMatch(
        {exit, {{bad_return_value, <<"User Initiated Crash">>}, {'Elixir.GenServer', call, [Pid | _]}}},
        try_hook(Ctx, 'crash!', crashed)
    ),
    again(Ctx, crashed, Pid).

crash_during_call(Ctx) ->
    ?assertEqual(1, call(Ctx, boom, visit)),
    Pid = process(Ctx, boom),
    ?assertMatch({exit, {boom, {'Elixir.GenServer', call, _}}}, try_call(Ctx, boom, boom)),
    again(Ctx, boom, Pid).

direct_link(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    Ref = ref(?ROOMS, linked),
    ?assertEqual({link, nil, nil, Ref}, on(A, ?ROOMS, 'get_direct_link!', [linked, X])),
    ?assertEqual(1, call(Ctx, linked, visit)),
    Pid = process(Ctx, linked),
    known(Ctx, linked, Pid),
    Link = on(B, ?ROOMS, 'get_direct_link!', [linked, X]),
    ?assertEqual({link, Node, Pid, Ref}, Link),
    ?assertEqual(2, on(B, ?ROOMS, 's_call!', [Link, visit, X])),
    ?assertEqual(ok, on(B, ?ROOMS, 's_cast!', [Link, visit, X])),
    eventually(fun() -> call(Ctx, linked, get) =:= 3 end).

stale_link(#ctx{a = A, x = X} = Ctx) ->
    ?assertEqual(1, call(Ctx, stale, visit)),
    Pid = process(Ctx, stale),
    known(Ctx, stale, Pid),
    Link = on(A, ?ROOMS, 'get_direct_link!', [stale, X]),
    ?assertEqual(ok, hook(Ctx, 'kill!', stale)),
    again(Ctx, stale, Pid),
    ?assertMatch({exit, {noproc, {'Elixir.GenServer', call, [Pid | _]}}}, 'try'(A, ?ROOMS, 's_call!', [Link, visit, X])),
    ?assertEqual(ok, on(A, ?ROOMS, s_cast, [Link, visit, X])).

info(#ctx{a = A, x = X} = Ctx) ->
    ?assertEqual(1, call(Ctx, informed, visit)),
    Pid = process(Ctx, informed),
    Settings = {settings, nil, nil, nil, nil, nil, nil},
    Envelope = {msg_envelope, {Pid, 1}, info, ref(?ROOMS, informed), Settings, {s, visit, X, nil}},
    Envelope = on(A, erlang, send, [Pid, Envelope]),
    eventually(fun() -> call(Ctx, informed, get) =:= 2 end).

%% AdvancedPool's workers answer {nz_ap_forward, nil}; ours may pass it on.
wrong_recipient(#ctx{a = A, x = X} = Ctx) ->
    ?assertEqual(1, call(Ctx, right, visit)),
    ?assertEqual(1, call(Ctx, wrong, visit)),
    Wrong = process(Ctx, wrong),
    Settings = {settings, nil, true, nil, nil, nil, 5000},
    Envelope = {msg_envelope, {Wrong, 1}, call, ref(?ROOMS, right), Settings, {s, visit, X, nil}},
    Answer = on(A, 'Elixir.GenServer', call, [Wrong, Envelope]),
    ?assert(lists:member(Answer, [2, {nz_ap_forward, nil}])),
    Odd = setelement(4, Envelope, odd),
    ?assertEqual({error, message_delivery_error}, on(A, 'Elixir.GenServer', call, [Wrong, Odd])),
    ?assertEqual(1, call(Ctx, wrong, get)).

late(#ctx{a = A, x = X} = Ctx) ->
    ?assertEqual({ok, 1}, call(Ctx, late, {late, 50, {ok, 1}})),
    Short = [ref(?ROOMS, late), never, X, nil, 200],
    ?assertMatch({exit, {timeout, {'Elixir.GenServer', call, _}}}, 'try'(A, ?DISPATCH, 's_call!', Short)),
    ?assertEqual(hello, call(Ctx, late, {echo, hello})).

%% init says no; on a BEAM init/3 has no such clause.
refused(#ctx{} = Ctx) ->
    case cnode_advanced_pool:is_beam_target() of
        true -> ok;
        false -> ?assertMatch({ok, {error, _}}, try_call(Ctx, {refused, 1}, visit))
    end.

%% AdvancedPool falls over its own case here; its settings ask for errors as
%% tuples.
sticky(#ctx{a = A, x = X, node = Node}) ->
    case on(A, ?STICKY, 's_call!', [1, where, X]) of
        Node -> ok;
        {exit, {{case_clause, {error, ?STICKY}}, _}} -> ok
    end.

%% --------------------------------------------------------------------- rushes

rush(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    Ids = [{rush, N} || N <- lists:seq(1, 1000)],
    Before = workers(A, ?ROOMS, Node),
    Self = self(),
    [
        spawn_link(fun() -> Self ! {rushed, on(Beam, 'Elixir.Judge.Node', rush, [?ROOMS, Ids, 10, X])} end)
     || Beam <- [A, B]
    ],
    Answers = lists:append([receive {rushed, Some} -> Some end || _ <- [A, B]]),
    ?assertEqual(20000, length(Answers)),
    ?assertEqual([], lists:sublist([Other || {_, Other} <- Answers, not is_visit(Other)], 5)),
    %% Each worker counted all its visits: there was one of it.
    PerId = maps:groups_from_list(fun({Id, _}) -> Id end, fun({_, {ok, Count}}) -> Count end, Answers),
    ?assertEqual(0, length([Id || {Id, Counts} <- maps:to_list(PerId), lists:sort(Counts) =/= lists:seq(1, 20)])),
    eventually(fun() -> [workers(Beam, ?ROOMS, Node) - Before || Beam <- [A, B]] =:= [1000, 1000] end, ?PATIENCE),
    ?assertEqual(workers(A, ?ROOMS, Node), children(Ctx)).

is_visit({ok, Count}) -> is_integer(Count);
is_visit(_) -> false.

%% What all worker supervisors count, asked as AdvancedPool does.
children(#ctx{a = A, node = Node}) ->
    Counts = [on(A, 'Elixir.Supervisor', count_children, [Pid]) || {Pid, _} <- supervisors(A, ?ROOMS, Node)],
    lists:sum([Workers || #{workers := Workers} <- Counts]).

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
    ?assertEqual([?MIXED, ?ROOMS, ?SMALL, ?STICKY], lists:sort(maps:keys(Own))),
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
    [_, _Head, Row | _] = string:split(Rooms, "\n", all),
    ?assertMatch({match, _}, re:run(Row, ["^", atom_to_list(Node), "\\s+\\d+\\s+100\\s+-?\\d"])).

health_in_status(#ctx{a = A, b = B, x = X, node = Node}) ->
    {ok, _} = on(A, ?NM, health_report, [Node, X, [{rebuild, true}]]),
    eventually(
        fun() ->
            Seen = [field(health, element(2, status(Beam, ?MIXED, Node))) || Beam <- [A, B]],
            lists:all(fun is_float/1, Seen) orelse Seen
        end,
        ?PATIENCE
    ).

%% ----------------------------------------------------------------------- mixed

%% AdvancedPool's picker deals new workers out; callers see no difference.
mixed(#ctx{a = A, b = B, x = X, node = Node}) ->
    Ids = lists:seq(1, 60),
    ?assertEqual([1], lists:usort([on(A, ?MIXED, 's_call!', [Id, visit, X]) || Id <- Ids])),
    eventually(fun() -> on(B, syn, registry_count, ['Elixir.Judge.Mixed.Registry']) =:= 60 end, ?PATIENCE),
    ?assertEqual([2], lists:usort([on(B, ?MIXED, 's_call!', [Id, visit, X]) || Id <- Ids])),
    Where = lists:usort([on(B, ?MIXED, 's_call!', [Id, where, X]) || Id <- Ids]),
    ?assertEqual(lists:sort([Node, element(2, A)]), Where),
    %% the other way round: locked here, everything goes there
    _ = on(A, ?CM, lock_pool, [?MIXED, element(2, A), X]),
    ?assertEqual([Node], lists:usort([on(A, ?MIXED, 's_call!', [{there, Id}, where, X]) || Id <- Ids])),
    _ = on(A, ?CM, release_pool, [?MIXED, element(2, A), X]),
    _ = on(A, ?CM, lock_pool, [?MIXED, Node, X]),
    ?assertEqual([element(2, A)], lists:usort([on(A, ?MIXED, 's_call!', [{here, Id}, where, X]) || Id <- Ids])),
    _ = on(A, ?CM, release_pool, [?MIXED, Node, X]).

%% --------------------------------------------------------------------- entries

entries(#ctx{b = B, node = Node}) ->
    ?assertMatch({_, {node_status, Node, _, _, _, _, _}}, on(B, syn, lookup, [?NM, {node_manager, Node}])),
    ?assertMatch({_, [{node, Node}]}, on(B, syn, lookup, [?NM, {supervisor, Node}])),
    ?assertEqual(3, length(on(B, syn, members, [?NM, node_managers]))),
    ?assertEqual(3, length(on(B, syn, members, [?NM, supervisors]))).
