%% SPDX-License-Identifier: Apache-2.0
%%
%% A pool with "registry": "syn" and two BEAM nodes with real syn: its workers
%% are in the scope Pool.Registry, as if they had registered themselves. On one,
%% two and four schedulers. Without real syn (CNODE_SYN_EBIN) a second C node is
%% the other member.
-module(cnode_syn_pool_tests).

-include_lib("eunit/include/eunit.hrl").

%% on a BEAM node
-export([register_many/1, owners/1, watch/1, watched/0]).

-import(cnode_peer, [eventually/1, eventually/2]).
-import(cnode_syn, [call/2, agent/1, on/4]).

-define(POOL, 'Elixir.Users').
-define(MODULE_OF_REFS, 'Elixir.Users.Worker').
-define(S, 'Elixir.Users.Registry').
-define(PATIENCE, 20000).

-record(ctx, {c, pool, sup, a, b}).

%% ------------------------------------------------------------------- fixtures

pool_test_() ->
    [
        cnode_syn:suite(fun(Dir) -> start(Dir, Schedulers) end, fun stop/1, [
            {title(Schedulers, Sentence), Fun}
         || {Sentence, Fun} <- [
                {"a started worker is seen with its name and metadata", fun started/1},
                {"its name is told before its pid", fun told_in_order/1},
                {"a restarted worker has its name again", fun restarted/1},
                {"a worker that ended is seen no more", fun ended/1},
                {"workers are counted, all and by node", fun counts/1},
                {"a name of a BEAM is not started, and gets the messages", fun passed_on/1},
                {"C finds its workers by name", fun looked_up/1},
                {"via reaches a worker on any scheduler", fun via/1},
                {"a BEAM unregisters a worker", fun unregistered/1},
                {"a BEAM gives a worker other metadata", fun updated/1},
                {"a name that a worker has is taken", fun taken/1},
                {"a later claim wins, and the worker ends", fun loses/1},
                {"an earlier claim loses, and the worker stays", fun wins/1},
                {"many conflicts at once end no pool", fun many_conflicts/1},
                {"who comes later gets all workers at once", fun snapshot/1},
                {"workers that come and go meanwhile are right in the end", fun churn/1}
            ]
        ])
     || Schedulers <- schedulers()
    ].

%% CNODE_TEST_SCHEDULERS: with that number only.
schedulers() ->
    case os:getenv("CNODE_TEST_SCHEDULERS") of
        false -> [1, 2, 4];
        Text -> [list_to_integer(Text)]
    end.

title(Schedulers, Sentence) -> lists:concat([Sentence, " (", Schedulers, " schedulers)"]).

%% What may wait for a node is small here.
pace_test_() ->
    cnode_syn:tests([
        {title(N, "starts wait for a node that does not keep up"), fun(Dir) -> paced(Dir, N) end}
     || N <- schedulers()
    ]).

without_syn_test_() ->
    cnode_peer:tests([
        {title(N, "two C nodes see each other's workers"), fun() -> two_c_nodes(N) end}
     || N <- schedulers()
    ]).

start_c(Schedulers) -> start_c(Schedulers, #{}).

start_c(Schedulers, Limits) ->
    Config = #{
        limits => Limits,
        services => #{probe => #{behaviour => probe}},
        pools => #{?POOL => #{behaviour => counter, registry => syn}}
    },
    cnode_peer:start(Config, #{args => ["--set", "runtime.schedulers=" ++ integer_to_list(Schedulers)]}).

start(Dir, Schedulers) ->
    C = start_c(Schedulers),
    A = cnode_syn:start_beam(Dir, [?S]),
    B = cnode_syn:start_beam(Dir, [?S]),
    [load(X) || X <- [A, B]],
    [cnode_syn:connect(X, Y) || {X, Y} <- [{A, C}, {B, C}, {A, B}]],
    eventually(fun() -> length(call(C, {syn, subcluster_nodes, registry, ?S})) =:= 2 end, ?PATIENCE),
    Ctx = #ctx{c = C, a = A, b = B, pool = pool(C)},
    {_, Sup, _, _} = lists:keyfind({worker_supervisor, 1}, 1, supervisor:which_children({?POOL, cnode_peer:name(C)})),
    Ctx#ctx{sup = Sup}.

load(Beam) ->
    {?MODULE, Code, File} = code:get_object_code(?MODULE),
    {module, ?MODULE} = on(Beam, code, load_binary, [?MODULE, File, Code]).

stop(#ctx{c = C, a = A, b = B}) ->
    cnode_syn:stop_beam(A),
    cnode_syn:stop_beam(B),
    ?assertEqual(0, cnode_peer:stop(C)).

pool(C) -> cnode_pool:new(#{name => ?POOL, nodes => [cnode_peer:name(C)]}).

%% -------------------------------------------------------------------- helpers

name(Id) -> {worker, {ref, ?MODULE_OF_REFS, Id}}.

meta(#ctx{c = C}) -> [{node, cnode_peer:name(C)}].

lookup({_, _} = Beam, Id) -> on(Beam, syn, lookup, [?S, name(Id)]).

%% A call, so what the scope was told before has been heard.
heard(Beam) -> on(Beam, syn, subcluster_nodes, [registry, ?S]).

increment(#ctx{pool = Pool}, Id) -> cnode_pool:call(Pool, Id, increment).

process(#ctx{pool = Pool}, Id) ->
    {ok, {Pid, _}} = cnode_pool:fetch(Pool, Id, process),
    Pid.

spec(Id) ->
    Ref = {ref, ?MODULE_OF_REFS, Id},
    {{'Elixir.Noizu.AdvancedPool.Worker.Server', start_link, [Ref, [[]], undefined]}, permanent, 5000, worker,
        ['Elixir.Noizu.AdvancedPool.Worker.Server']}.

start_child(Sup, Id) -> gen_server:call(Sup, {start_child, spec(Id)}, ?PATIENCE).

seen(#ctx{a = A, b = B}, Id, What) ->
    eventually(fun() ->
        Seen = [lookup(A, Id), lookup(B, Id)],
        Seen =:= [What, What] orelse {Seen, What}
    end, ?PATIENCE).

%% ------------------------------------------------------------------ its names

started(Ctx) ->
    Ids = [1, 2, 3, <<"user-4">>, {room, 5}, -6, 1 bsl 80],
    [?assertEqual(1, increment(Ctx, Id)) || Id <- Ids],
    [seen(Ctx, Id, {process(Ctx, Id), meta(Ctx)}) || Id <- Ids].

told_in_order(#ctx{a = A, sup = Sup} = Ctx) ->
    [
        begin
            {ok, Pid} = on(A, gen_server, call, [Sup, {start_child, spec({ordered, N})}]),
            _ = heard(A),
            ?assertEqual({Pid, meta(Ctx)}, lookup(A, {ordered, N}))
        end
     || N <- lists:seq(1, 50)
    ].

restarted(#ctx{pool = Pool} = Ctx) ->
    Pid = process(Ctx, crashing),
    seen(Ctx, crashing, {Pid, meta(Ctx)}),
    _ = (catch cnode_pool:crash(Pool, crashing)),
    Again = process(Ctx, crashing),
    ?assertNotEqual(Pid, Again),
    seen(Ctx, crashing, {Again, meta(Ctx)}).

ended(#ctx{pool = Pool} = Ctx) ->
    Pid = process(Ctx, ending),
    seen(Ctx, ending, {Pid, meta(Ctx)}),
    _ = cnode_pool:kill(Pool, ending),
    seen(Ctx, ending, undefined).

counts(#ctx{c = C, a = A, sup = Sup} = Ctx) ->
    [{ok, _} = start_child(Sup, {counted, N}) || N <- lists:seq(1, 20)],
    Agent = agent(A),
    ok = on(A, syn, register, [?S, {counted, beam}, Agent]),
    Name = cnode_peer:name(C),
    eventually(fun() ->
        Own = on(A, syn, registry_count, [?S, Name]),
        All = on(A, syn, registry_count, [?S]),
        Counts = {call(C, {syn, count, ?S, Name}), call(C, {syn, count, ?S})},
        Own >= 20 andalso (Counts =:= {Own, All} orelse {Counts, Own, All})
    end, ?PATIENCE),
    Agent ! {exit, normal},
    seen(Ctx, nobody, undefined).

%% ------------------------------------------------- processes of other nodes

passed_on(#ctx{a = A, b = B, sup = Sup, pool = Pool} = Ctx) ->
    Agent = agent(A),
    ok = on(A, syn, register, [?S, name(theirs), Agent, [{node, element(2, A)}]]),
    seen(Ctx, theirs, {Agent, [{node, element(2, A)}]}),
    eventually(fun() -> start_child(Sup, theirs) =:= {ok, Agent} end),
    ?assertEqual({ok, Agent}, on(B, gen_server, call, [Sup, {start_child, spec(theirs)}])),
    ?assertMatch({agent, {msg_envelope, _, _, _, _, _}}, cnode_pool:call(Pool, theirs, increment)),
    ok = cnode_pool:cast(Pool, theirs, hello),
    eventually(fun() ->
        [X || {'$gen_cast', {msg_envelope, _, _, _, _, _}} = X <- cnode_syn:kept(Agent)] =/= []
    end),
    Agent ! {exit, normal},
    seen(Ctx, theirs, undefined),
    eventually(fun() -> cnode_pool:call(Pool, theirs, increment) =:= 1 end),
    seen(Ctx, theirs, {process(Ctx, theirs), meta(Ctx)}).

looked_up(#ctx{c = C} = Ctx) ->
    Ids = lists:seq(101, 116),
    Pids = [{Id, process(Ctx, Id)} || Id <- Ids],
    [?assertEqual({Pid, meta(Ctx)}, call(C, {syn, lookup, ?S, name(Id)})) || {Id, Pid} <- Pids],
    ?assertEqual(undefined, call(C, {syn, lookup, ?S, name(absent)})),
    All = call(C, {syn, dump, registry, ?S}),
    [?assert(lists:member({name(Id), Pid, meta(Ctx)}, All)) || {Id, Pid} <- Pids].

via(#ctx{c = C} = Ctx) ->
    [
        begin
            Via = {via, syn, {?S, name({via, Id})}},
            %% nobody has the name
            ?assertEqual({error, noproc}, call(C, {call, Via, increment, 5000})),
            ?assertEqual(ok, call(C, {send, Via, hello})),
            ?assertEqual(1, increment(Ctx, {via, Id})),
            ?assertEqual({ok, 2}, call(C, {call, Via, increment, 5000})),
            ?assertEqual(ok, call(C, {cast, Via, increment})),
            ?assertEqual({ok, 4}, call(C, {call, Via, increment, 5000})),
            %% it ends in the call
            ?assertMatch({error, {bad_return_value, _}}, call(C, {call, Via, 'crash!', 5000}))
        end
     || Id <- lists:seq(1, 16)
    ].

unregistered(#ctx{a = A, pool = Pool} = Ctx) ->
    Pid = process(Ctx, unnamed),
    seen(Ctx, unnamed, {Pid, meta(Ctx)}),
    ok = on(A, syn, unregister, [?S, name(unnamed)]),
    seen(Ctx, unnamed, undefined),
    ?assertEqual({error, undefined}, on(A, syn, unregister, [?S, name(unnamed)])),
    ?assertEqual(Pid, process(Ctx, unnamed)),
    _ = cnode_pool:kill(Pool, unnamed),
    Again = process(Ctx, unnamed),
    seen(Ctx, unnamed, {Again, meta(Ctx)}).

updated(#ctx{a = A, b = B, pool = Pool} = Ctx) ->
    Pid = process(Ctx, other),
    seen(Ctx, other, {Pid, meta(Ctx)}),
    ok = on(A, syn, register, [?S, name(other), Pid, meta(Ctx)]),
    ok = on(B, syn, register, [?S, name(other), Pid, more]),
    seen(Ctx, other, {Pid, more}),
    _ = cnode_pool:kill(Pool, other),
    seen(Ctx, other, undefined),
    seen(Ctx, other, {process(Ctx, other), meta(Ctx)}).

%% Names of other workers' processes, and of one on the C node.
taken(#ctx{a = A, c = C} = Ctx) ->
    Pid = process(Ctx, taken),
    seen(Ctx, taken, {Pid, meta(Ctx)}),
    Probe = cnode_syn:probe(C),
    ?assertEqual({error, taken}, on(A, syn, register, [?S, name(taken), Probe, x])),
    ?assertEqual({error, taken}, call(Probe, {syn, register, ?S, name(taken), x})),
    seen(Ctx, taken, {Pid, meta(Ctx)}).

%% ------------------------------------------------------------------ conflicts

%% A is alone with its name, and has it later, or earlier, than C.
loses(Ctx) -> lists:foreach(fun(N) -> loses(Ctx, {loses, N}) end, lists:seq(1, 4)).

loses(#ctx{a = A, b = B, c = C} = Ctx, Id) ->
    cnode_syn:split(A, C),
    cnode_syn:split(A, B),
    Worker = process(Ctx, Id),
    Monitor = monitor(process, Worker),
    Agent = agent(A),
    ok = on(A, syn, register, [?S, name(Id), Agent, theirs]),
    cnode_syn:heal(A, C),
    cnode_syn:heal(A, B),
    seen(Ctx, Id, {Agent, theirs}),
    Reason = receive {'DOWN', Monitor, process, _, R} -> R after ?PATIENCE -> none end,
    ?assertEqual({syn_resolve_kill, name(Id), meta(Ctx)}, Reason),
    eventually(fun() -> call(C, {syn, lookup, ?S, name(Id)}) =:= {Agent, theirs} end).

wins(Ctx) -> lists:foreach(fun(N) -> wins(Ctx, {wins, N}) end, lists:seq(1, 4)).

wins(#ctx{a = A, b = B, c = C} = Ctx, Id) ->
    cnode_syn:split(A, C),
    cnode_syn:split(A, B),
    Agent = agent(A),
    ok = on(A, syn, register, [?S, name(Id), Agent, theirs]),
    Worker = process(Ctx, Id),
    cnode_syn:heal(A, C),
    cnode_syn:heal(A, B),
    seen(Ctx, Id, {Worker, meta(Ctx)}),
    eventually(fun() -> not on(A, erlang, is_process_alive, [Agent]) end),
    ?assertEqual(Worker, process(Ctx, Id)),
    eventually(fun() -> call(C, {syn, lookup, ?S, name(Id)}) =:= {Worker, meta(Ctx)} end).

%% More losers than a segment may restart workers.
many_conflicts(#ctx{a = A, b = B, c = C, sup = Sup} = Ctx) ->
    Count = 3000,
    Faces = supervisor:which_children({?POOL, cnode_peer:name(C)}),
    cnode_syn:split(A, C),
    cnode_syn:split(A, B),
    [{ok, _} = start_child(Sup, {many, N}) || N <- lists:seq(1, Count)],
    ok = on(A, ?MODULE, register_many, [Count]),
    cnode_syn:heal(A, C),
    cnode_syn:heal(A, B),
    Name = element(2, A),
    eventually(fun() ->
        on(B, ?MODULE, owners, [Count]) =:= [Name] andalso on(A, ?MODULE, owners, [Count]) =:= [Name]
    end, ?PATIENCE),
    ?assertEqual(Faces, supervisor:which_children({?POOL, cnode_peer:name(C)})),
    %% C may still be at it
    eventually(fun() ->
        {ok, Pid} = start_child(Sup, {many, 1}),
        node(Pid) =:= Name
    end, ?PATIENCE),
    agree(Ctx).

register_many(Count) ->
    [ok = syn:register(?S, name({many, N}), cnode_syn:begin_agent(), N) || N <- lists:seq(1, Count)],
    ok.

owners(Count) ->
    lists:usort([
        case syn:lookup(?S, name({many, N})) of
            undefined -> undefined;
            {Pid, _} -> node(Pid)
        end
     || N <- lists:seq(1, Count)
    ]).

%% ---------------------------------------------------------------- many of them

snapshot(#ctx{c = C, a = A, sup = Sup} = Ctx) ->
    Count = 20000,
    start_many(Sup, snapshot, Count),
    cnode_syn:split(A, C),
    eventually(fun() -> on(A, syn, registry_count, [?S, cnode_peer:name(C)]) =:= 0 end, ?PATIENCE),
    cnode_syn:heal(A, C),
    agree(Ctx),
    ?assert(on(A, syn, registry_count, [?S, cnode_peer:name(C)]) >= Count).

churn(#ctx{c = C, a = A, b = B, sup = Sup, pool = Pool} = Ctx) ->
    Self = self(),
    Workers = [
        spawn_link(fun() ->
            [
                begin
                    {ok, _} = start_child(Sup, {churn, K, N}),
                    N rem 2 =:= 0 andalso cnode_pool:kill(Pool, {churn, K, N}),
                    N rem 5 =:= 0 andalso (catch cnode_pool:crash(Pool, {churn, K, N - 1}))
                end
             || N <- lists:seq(1, 1000)
            ],
            Self ! {done, self()}
        end)
     || K <- lists:seq(1, 4)
    ],
    [begin cnode_syn:split(X, C), cnode_syn:heal(X, C) end || X <- [A, B, A, B]],
    [receive {done, W} -> ok after 60000 -> error(churn) end || W <- Workers],
    agree(Ctx).

start_many(Sup, Tag, Count) ->
    Refs = [gen_server:send_request(Sup, {start_child, spec({Tag, N})}) || N <- lists:seq(1, Count)],
    [{reply, {ok, _}} = gen_server:receive_response(R, 60000) || R <- Refs].

paced(Dir, Schedulers) ->
    Count = 100000,
    C = start_c(Schedulers, #{send_queue_bytes => 1048576}),
    A = cnode_syn:start_beam(Dir, [?S]),
    cnode_syn:connect(A, C),
    eventually(fun() -> length(call(C, {syn, subcluster_nodes, registry, ?S})) =:= 1 end, ?PATIENCE),
    {_, Sup, _, _} = lists:keyfind({worker_supervisor, 1}, 1, supervisor:which_children({?POOL, cnode_peer:name(C)})),
    Os = list_to_integer(on(A, os, getpid, [])),
    load(A),
    ok = on(A, ?MODULE, watch, [cnode_peer:name(C)]),
    cnode_peer:signal(#{os_pid => Os}, "STOP"),
    Starter = spawn_monitor(fun() ->
        [start_many(Sup, {paced, N}, 1000) || N <- lists:seq(1, Count div 1000)]
    end),
    timer:sleep(2500),
    Waiting = call(C, {syn, count, ?S}),
    cnode_peer:signal(#{os_pid => Os}, "CONT"),
    ?assert(Waiting < Count),
    {Pid, Monitor} = Starter,
    ?assertEqual(normal, receive {'DOWN', Monitor, process, Pid, Why} -> Why after 100000 -> late end),
    eventually(fun() -> on(A, syn, registry_count, [?S, cnode_peer:name(C)]) =:= Count end, 60000),
    ?assertEqual(up, on(A, ?MODULE, watched, [])),
    cnode_syn:stop_beam(A),
    ?assertEqual(0, cnode_peer:stop(C)).

%% Was the connection lost meanwhile?
watch(Node) ->
    Self = self(),
    Watcher = spawn(fun() ->
        register(?MODULE, self()),
        monitor_node(Node, true),
        Self ! {self(), ok},
        receive {nodedown, Node} -> receive {ask, From} -> From ! {self(), down} end; {ask, From} -> From ! {self(), up} end
    end),
    receive {Watcher, Answer} -> Answer end.

watched() ->
    Watcher = whereis(?MODULE),
    Watcher ! {ask, self()},
    receive {Watcher, Answer} -> Answer end.

%% All have what the C node has; and those are the workers that it has.
agree(#ctx{c = C, a = A, b = B, sup = Sup}) ->
    eventually(fun() ->
        Tables = [T, T2, T3] = [cnode_syn:table(N, registry, ?S) || N <- [C, A, B]],
        T =:= T2 andalso T2 =:= T3 orelse {differ, [length(X) || X <- Tables], lists:sublist((T -- T2) ++ (T2 -- T), 3)}
    end, 60000),
    Pids = [Pid || {_, Pid, _, _} <- gen_server:call(Sup, which_children, 60000), is_pid(Pid)],
    Table = cnode_syn:table(C, registry, ?S),
    Known = [Pid || {_, Pid, _} <- Table, node(Pid) =:= cnode_peer:name(C)],
    ?assertEqual([], Known -- Pids).

%% ---------------------------------------------------------------- without syn

two_c_nodes(Schedulers) ->
    C1 = start_c(Schedulers),
    C2 = start_c(1),
    Name2 = cnode_peer:name(C2),
    true = call(C1, {connect, Name2}),
    eventually(fun() -> length(call(C1, {syn, subcluster_nodes, registry, ?S})) =:= 1 end),
    Pool = pool(C1),
    Pids = [
        begin
            1 = cnode_pool:call(Pool, Id, increment),
            {ok, {Pid, _}} = cnode_pool:fetch(Pool, Id, process),
            {Id, Pid}
        end
     || Id <- lists:seq(1, 64)
    ],
    [
        eventually(fun() -> call(C2, {syn, lookup, ?S, name(Id)}) =:= {Pid, [{node, node(Pid)}]} end)
     || {Id, Pid} <- Pids
    ],
    %% each passes calls on to the other one
    [?assertEqual(2, cnode_pool:call(pool(C2), Id, increment)) || {Id, _} <- Pids],
    ?assertEqual(64, call(C1, {syn, count, ?S})),
    ?assertEqual(0, cnode_peer:stop(C1)),
    There = length([x || {_, Pid} <- Pids, node(Pid) =:= Name2]),
    eventually(fun() -> call(C2, {syn, count, ?S}) =:= There end),
    ?assertEqual(0, cnode_peer:stop(C2)).
