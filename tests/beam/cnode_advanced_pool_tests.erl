%% SPDX-License-Identifier: Apache-2.0
%%
%% The real AdvancedPool on two BEAM nodes calls workers of pools that a C node
%% hosts. AdvancedPool is not changed and is told nothing but the name of a node.
%% What it answers for pools that a BEAM hosts is what is demanded here; where it
%% promises more than it keeps, the promise.
-module(cnode_advanced_pool_tests).

-include_lib("eunit/include/eunit.hrl").
-include("cnode_advanced_pool.hrl").

-import(cnode_peer, [eventually/1, eventually/2]).
-import(cnode_advanced_pool, [on/4, 'try'/4, ref/2, workers/3, supervisors/3]).
-import(cnode_advanced_pool_suite, [call/3, try_call/3, hook/3, try_hook/3, process/2, known/3, children/1]).

visible_test_() -> cnode_advanced_pool_suite:suite(#{}, all()).

hidden_test_() -> cnode_advanced_pool_suite:suite(#{hidden => true}, all()).

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
        {"a pool of BEAM and C nodes", fun mixed/1},
        {"a worker in C calls workers on a BEAM, and starts them", fun other_way_round/1}
    ].

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
            case on(A, syn, lookup, [?REGISTRY, Key]) of
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

%% The worker in C asks for workers of the mixed pool: one that a BEAM has, and new
%% ones, which its node places.
other_way_round(#ctx{} = Ctx) ->
    case cnode_advanced_pool:is_beam_target() of
        true -> ok;
        false -> other_way_round_c(Ctx)
    end.

other_way_round_c(#ctx{a = A, b = B, x = X, node = Node} = Ctx) ->
    Beam = element(2, A),
    _ = on(A, ?CM, lock_pool, [?MIXED, Node, X]),
    cnode_advanced_pool_suite:has_status(Ctx, ?MIXED, {locked, online}),
    ?assertEqual(1, on(A, ?MIXED, 's_call!', [{beam, 1}, visit, X])),
    {_, Beam, Pid} = on(A, ?MIXED, fetch, [{beam, 1}, process, X]),
    Ask = fun(Id, Call) -> call(Ctx, asking, {ask, ?MIXED, Id, Call}) end,
    eventually(fun() -> call(Ctx, asking, {whereis, ?MIXED, {beam, 1}}) =:= Pid end, ?PATIENCE),
    ?assertEqual(2, Ask({beam, 1}, visit)),
    ?assertEqual(Beam, Ask({beam, 1}, where)),
    %% the context of the call goes along
    ?assertEqual(X, Ask({beam, 1}, context)),
    ?assertEqual(ok, call(Ctx, asking, {tell, ?MIXED, {beam, 1}, visit})),
    eventually(fun() -> Ask({beam, 1}, get) =:= 3 end, ?PATIENCE),
    ?assertMatch({unhandled, _}, Ask({beam, 1}, {no, such})),
    %% new ones: only the BEAM is online, then only the C node, then both
    ?assertEqual([Beam], lists:usort([Ask({new, N}, where) || N <- lists:seq(1, 20)])),
    _ = on(A, ?CM, release_pool, [?MIXED, Node, X]),
    _ = on(B, ?CM, lock_pool, [?MIXED, Beam, X]),
    eventually(fun() -> [Node] =:= lists:usort([Ask({here, N, erlang:unique_integer()}, where) || N <- lists:seq(1, 5)]) end, ?PATIENCE),
    _ = on(A, ?CM, release_pool, [?MIXED, Beam, X]),
    %% where they are is the strategy's; the BEAMs find them all
    Asked = [{Ask({Tag, N}, visit), on(A, ?MIXED, 's_call!', [{Tag, N}, visit, X])} || Tag <- [new, both], N <- lists:seq(1, 20)],
    ?assertEqual([{1, 2}], lists:usort(Asked)),
    Again = [on(B, ?MIXED, 's_call!', [{Tag, N}, visit, X]) || Tag <- [new, both], N <- lists:seq(1, 20)],
    ?assertEqual([3], lists:usort(Again)).
