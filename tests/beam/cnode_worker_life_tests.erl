%% SPDX-License-Identifier: Apache-2.0
%%
%% The life of the workers of a pool, as BEAMs see it: what a worker is started
%% with, when it is put aside, how it says it does, what becomes of one whose init
%% fails, and of worker supervisors that come and go. The behaviour is
%% tests/beam/data/life.c.
-module(cnode_worker_life_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, eventually/2, name/1]).

-define(POOL, 'Elixir.Lives').
-define(SUPERVISOR, 'Elixir.Noizu.AdvancedPool.WorkerSupervisor').

%% ------------------------------------------------------------------ fixture

life_test_() ->
    cnode_peer:tests([
        {"arguments and context of the start are those of each init", fun started/0},
        {"an idle worker that wants to stay is asked again, and serves meanwhile", fun stays/0},
        {"too many: those unused for longest are put aside", fun too_many/0},
        {"too much memory: so are they", fun too_much/0},
        {"a worker says how it does, and its pool suffers with it", fun health/0},
        {"many failures make a pool critical", fun critical/0},
        {"a pool that fell too often is down until it is brought online", fun down/0},
        {"nobody waits for a worker whose init keeps failing", fun init_fails/0},
        {"a pool that is offline is empty, and comes back", fun offline/0},
        {"worker supervisors come and go, workers stay", fun supervisors/0},
        {"wake!, kill! and crash! do what AdvancedPool says", fun calls/0}
    ]).

with(Worker, Fun) -> with(Worker, #{}, Fun).

with(Worker, More, Fun) ->
    Object = behaviour(),
    Pool = maps:merge(#{behaviour => life, registry => none, worker => Worker}, More),
    Node = cnode_peer:start(#{behaviours => [list_to_binary(Object)], pools => #{?POOL => Pool}}),
    try
        Fun(Node)
    after
        ?assertEqual(0, cnode_peer:stop(Node)),
        file:delete(Object)
    end.

%% Built as anybody would, against the headers.
behaviour() ->
    Object = filename:join(cnode_peer:tmp_dir(), atom_to_list(cnode_peer:unique_atom("life")) ++ ".so"),
    Said = os:cmd(
        "cc -std=c11 -Wall -Wextra -Werror -shared -fPIC -Iinclude -o " ++ Object ++ " tests/beam/data/life.c"
    ),
    ?assertEqual("", Said),
    Object.

%% ------------------------------------------------------------------- asking

call(Node, Id, Call) -> call(Node, Id, Call, nil, nil).

call(Node, Id, Call, Context, Options) ->
    Envelope =
        {msg_envelope, {self(), 0}, call, ref(Id), {settings, nil, true, nil, nil, nil, 5000}, {s, Call, Context, Options}},
    gen_server:call({?POOL, name(Node)}, Envelope, 10000).

ref(Id) -> {ref, 'Elixir.Lives.Worker', Id}.

pid(Node, Id) ->
    {_, _, Pid} = call(Node, Id, {fetch, process}),
    Pid.

admin(Node, Request) -> gen_server:call({cnode_admin, name(Node)}, Request).

pool(Node) ->
    {ok, Pool} = admin(Node, {pool, ?POOL}),
    Pool.

workers(Node) ->
    {ok, #{total := Total}} = admin(Node, {count, ?POOL}),
    Total.

is_alive(Node, Id) ->
    {ok, Alive} = admin(Node, {alive, ?POOL, ref(Id)}),
    Alive.

faces(Node) ->
    [Pid || {{worker_supervisor, _}, Pid, _, _} <- supervisor:which_children({?POOL, name(Node)}), is_pid(Pid)].

start_child(Face, Id, Args, Context) ->
    Server = 'Elixir.Noizu.AdvancedPool.Worker.Server',
    gen_server:call(
        Face, {start_child, {{Server, start_link, [ref(Id), [Args], Context]}, permanent, 5000, worker, [Server]}}
    ).

%% --------------------------------------------------------------------- life

started() ->
    with(#{}, fun(Node) ->
        [Face] = faces(Node),
        Context = #{token => <<"t">>, time => {1, [2, 3.0]}},
        {ok, Pid} = start_child(Face, 1, [#{a => 1}], Context),
        ?assertEqual({[#{a => 1}], Context}, call(Node, 1, started)),
        exit(Pid, kill),
        eventually(fun() -> pid(Node, 1) =/= Pid end),
        ?assertEqual({[#{a => 1}], Context}, call(Node, 1, started)),
        %% By its first message: the context of that one.
        ?assertEqual({[], Context}, call(Node, 2, started, Context, nil)),
        ?assertEqual({[], Context}, call(Node, 2, started, other, nil)),
        %% None at all is none at all.
        ?assertEqual({[], nil}, call(Node, 3, started)),
        crash(Node, 3),
        ?assertEqual({[], nil}, call(Node, 3, started))
    end).

stays() ->
    with(#{idle_timeout => <<"300ms">>}, fun(Node) ->
        Pid = pid(Node, 1),
        ok = call(Node, 1, {wait, true}),
        Ref = monitor(process, Pid),
        timer:sleep(1500),
        ?assert(is_alive(Node, 1)),
        Asked = call(Node, 1, asked),
        ?assert(Asked >= 1),
        timer:sleep(1500),
        ?assert(call(Node, 1, asked) > Asked),
        ?assertEqual(Pid, pid(Node, 1)),
        ok = call(Node, 1, {wait, false}),
        receive
            {'DOWN', Ref, process, _, Reason} -> ?assertEqual({shutdown, inactive}, Reason)
        after 5000 -> error(still_there)
        end,
        ?assertEqual(0, call(Node, 1, asked))
    end).

too_many() ->
    with(#{offload_above => 100}, fun(Node) ->
        [pong = call(Node, Id, ping) || Id <- lists:seq(1, 100)],
        timer:sleep(700),
        [pong = call(Node, Id, ping) || Id <- lists:seq(51, 100)],
        timer:sleep(700),
        ?assertEqual(100, workers(Node)),
        Ref = monitor(process, pid(Node, 100)),
        [pong = call(Node, Id, ping) || Id <- lists:seq(101, 110)],
        eventually(fun() -> workers(Node) =:= 95 end, 10000),
        ?assert(lists:all(fun(Id) -> is_alive(Node, Id) end, lists:seq(51, 110))),
        receive
            {'DOWN', Ref, process, _, Reason} -> error(Reason)
        after 0 -> ok
        end
    end).

too_much() ->
    with(#{offload_memory => <<"1MiB">>}, fun(Node) ->
        [ok = call(Node, Id, {memory, 100000}) || Id <- lists:seq(1, 10)],
        timer:sleep(700),
        ?assertEqual(10, workers(Node)),
        ok = call(Node, 11, {memory, 400000}),
        eventually(fun() -> workers(Node) =< 7 end, 10000),
        ?assert(is_alive(Node, 11))
    end).

%% -------------------------------------------------------------------- health

health() ->
    with(#{}, fun(Node) ->
        Well = #{status => online, failures => 0, errors => 0, warnings => 0, queue => 0, memory => 0},
        ?assertEqual(Well, call(Node, 1, health)),
        eventually(fun() -> maps:get(health, pool(Node)) =:= 8.0 end),
        ok = call(Node, 1, {raise, error}),
        ok = call(Node, 1, {raise, warning}),
        ok = call(Node, 1, {memory, 10}),
        ?assertEqual(Well#{errors => 1, warnings => 1, memory => 10}, call(Node, 1, {health, []})),
        eventually(fun() -> maps:get(health, pool(Node)) < 2.0 end),
        [crash(Node, 1) || _ <- lists:seq(1, 3)],
        ?assertMatch(#{status := degraded, failures := 3, errors := 1}, call(Node, 1, health))
    end).

crash(Node, Id) ->
    ?assertExit({{bad_return_value, <<"User Initiated Crash">>}, _}, call(Node, Id, 'crash!')).

critical() ->
    with(#{}, #{health => #{degraded => 3, critical => 6}}, fun(Node) ->
        eventually(fun() -> maps:get(condition, pool(Node)) =:= online end),
        [crash(Node, Id) || Id <- lists:seq(1, 3)],
        eventually(fun() -> maps:get(condition, pool(Node)) =:= degraded end),
        [crash(Node, Id) || Id <- lists:seq(1, 3)],
        eventually(fun() -> maps:get(condition, pool(Node)) =:= critical end),
        ?assert(maps:get(health, pool(Node)) =< 0.0),
        %% It serves all the same.
        ?assertEqual(pong, call(Node, 9, ping)),
        eventually(fun() -> logged(Node, "event=pool_critical") =:= 1 end)
    end).

logged(Node, What) -> length([L || L <- cnode_peer:lines(Node), string:find(L, What) =/= nomatch]).

%% Its supervisor dies more often than the root lets it.
down() ->
    with(#{}, #{supervisors => #{max_restarts => 1, max_seconds => 60}}, fun(Node) ->
        kill_pool(Node),
        eventually(fun() -> is_pid(pool_pid(Node)) end),
        kill_pool(Node),
        eventually(fun() -> logged(Node, "event=pool_down") =:= 1 end),
        ?assertExit({noproc, _}, call(Node, 1, ping)),
        eventually(fun() -> maps:get(health, pool(Node)) =< 0.0 end),
        ?assertEqual(down, maps:get(condition, pool(Node))),
        ok = admin(Node, {online, ?POOL}),
        ?assertEqual(pong, call(Node, 1, ping)),
        eventually(fun() -> maps:get(condition, pool(Node)) =:= online end),
        ?assertEqual({error, already_online}, admin(Node, {online, ?POOL}))
    end).

pool_pid(Node) -> erpc:call(name(Node), erlang, whereis, [?POOL]).

kill_pool(Node) ->
    Pid = pool_pid(Node),
    Ref = monitor(process, Pid),
    exit(Pid, kill),
    receive
        {'DOWN', Ref, process, _, killed} -> ok
    end.

init_fails() ->
    with(#{}, fun(Node) ->
        Pid = pid(Node, 1),
        ok = call(Node, 2, {fail_inits, 7}),
        exit(Pid, kill),
        %% Those who ask at once wait for five attempts, the others for none.
        ?assertEqual({error, refused}, call(Node, 1, ping)),
        {Us, Answer} = timer:tc(fun() -> call(Node, 1, ping) end),
        ?assertEqual({error, refused}, Answer),
        ?assert(Us < 100000),
        ?assertEqual({error, refused}, start_child(hd(faces(Node)), 1, [], nil)),
        eventually(fun() -> call(Node, 1, ping) =:= pong end, 5000),
        %% One that never was up is no worker at all.
        ok = call(Node, 2, {fail_inits, 1}),
        ?assertEqual({error, refused}, call(Node, 3, ping)),
        ?assertEqual(pong, call(Node, 3, ping))
    end).

%% ------------------------------------------------------------------ the tree

offline() ->
    with(#{}, fun(Node) ->
        [pong = call(Node, Id, ping) || Id <- lists:seq(1, 3000)],
        Ref = monitor(process, pid(Node, 7)),
        ok = admin(Node, {offline, ?POOL}),
        receive
            {'DOWN', Ref, process, _, Reason} -> ?assertEqual({shutdown, offline}, Reason)
        after 5000 -> error(still_there)
        end,
        eventually(fun() -> workers(Node) =:= 0 end),
        ?assertEqual({error, unavailable}, call(Node, 7, ping)),
        ?assertEqual({error, unavailable}, start_child(hd(faces(Node)), 7, [], nil)),
        ok = admin(Node, {online, ?POOL}),
        ?assertEqual(pong, call(Node, 7, ping))
    end).

supervisors() ->
    with(#{}, fun(Node) ->
        Pool = {?POOL, name(Node)},
        Spec = #{id => another, type => supervisor, start => {?SUPERVISOR, start_link, [?POOL, nil, []]}},
        [First] = faces(Node),
        {ok, Second} = supervisor:start_child(Pool, Spec),
        ?assertEqual({error, {already_started, Second}}, supervisor:start_child(Pool, Spec)),
        Started = [{Id, start_child(Second, Id, [], nil)} || Id <- lists:seq(1, 50)],
        ?assertEqual(50, proplists:get_value(active, supervisor:count_children(Second))),
        %% As DynamicSupervisor.terminate_child/2 does: by its pid.
        ok = supervisor:terminate_child(Pool, Second),
        ?assertEqual({error, not_found}, supervisor:terminate_child(Pool, Second)),
        eventually(fun() -> proplists:get_value(active, supervisor:count_children(First)) =:= 50 end),
        [?assertEqual(Pid, pid(Node, Id)) || {Id, {ok, Pid}} <- Started],
        %% By its id it is gone with delete_child.
        {ok, Third} = supervisor:start_child(Pool, Spec),
        ok = supervisor:terminate_child(Pool, another),
        ?assertEqual({error, already_present}, supervisor:start_child(Pool, Spec)),
        ok = supervisor:delete_child(Pool, another),
        {ok, Fourth} = supervisor:start_child(Pool, Spec),
        ?assert(Third =/= Fourth)
    end).

calls() ->
    with(#{}, fun(Node) ->
        ?assertEqual(ok, call(Node, 1, 'wake!')),
        Pid = pid(Node, 1),
        Ref = monitor(process, Pid),
        ?assertEqual(ok, call(Node, 1, 'kill!')),
        receive
            {'DOWN', Ref, process, _, Reason} -> ?assertEqual(shutdown, Reason)
        after 5000 -> error(still_there)
        end,
        eventually(fun() -> pid(Node, 1) =/= Pid end),
        ?assertEqual(ok, call(Node, 1, 'kill!', nil, [{restart, false}])),
        eventually(fun() -> not is_alive(Node, 1) end),
        crash(Node, 1),
        ?assertEqual(ok, call(Node, 1, hibernate)),
        ?assertEqual(not_supported, call(Node, 1, 'persist!')),
        ?assertEqual({unhandled, {s, 'reload!', nil, nil}}, call(Node, 1, 'reload!'))
    end).
