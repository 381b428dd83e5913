%% SPDX-License-Identifier: Apache-2.0
%%
%% Where workers are started: C nodes that host one pool place them on each
%% other, and on a BEAM whose supervisors are played here, with the few
%% processes of syn that this takes. Who calls is this BEAM, which has no pool.
-module(cnode_placement_tests).

-include_lib("eunit/include/eunit.hrl").

%% on a BEAM node
-export([calls/2]).

-import(cnode_peer, [eventually/1, eventually/2]).

-define(POOL, 'Elixir.Placed').
-define(WORKER, 'Elixir.Placed.Worker').
-define(REGISTRY, 'Elixir.Placed.Registry').
-define(CM, 'Elixir.Noizu.AdvancedPool.ClusterManager').
-define(PATIENCE, 20000).

%% ------------------------------------------------------------------- fixtures

two_c_nodes_test_() ->
    cnode_peer:tests([
        {"one node that hosts a pool starts all its workers", fun alone/0},
        {"two nodes share the workers", fun() -> with_two(#{}, fun shared/1) end},
        {"round robin takes turns", fun() -> with_two(#{strategy => round_robin}, fun turns/1) end},
        {"sticky stays where it was asked for", fun() -> with_two(#{strategy => sticky}, fun sticky/1) end},
        {"the same ref by hash goes to the same node", fun() -> with_two(#{strategy => hash}, fun hashed/1) end},
        {"messages for a worker elsewhere arrive in order", fun() -> with_two(#{}, fun ordered/1) end},
        {"a pool has a server beside it", fun server/0},
        {"both nodes at once start one worker", fun() -> with_two(#{}, fun crossing/1) end},
        {"of supervisors of both as well", fun() -> with_two(#{}, fun supervisors/1) end},
        {"of round robins, too", fun() -> with_two(#{strategy => round_robin}, fun crossing/1) end},
        {"a pool that stands alone has no workers here", fun() ->
            with_two(#{}, #{stand_alone => true}, fun stand_alone/1)
        end},
        {"a node that was killed is not asked any more", fun() ->
            with_two(#{strategy => round_robin}, fun killed/1)
        end}
    ]).

with_a_beam_test_() ->
    cnode_peer:tests([
        {"a BEAM's supervisor starts the worker, and it gets the messages in order", fun() -> with_beam(fun started_there/1) end},
        {"the caller learns of its end", fun() -> with_beam(fun ends_there/1) end},
        {"a pool without supervisors is asked for one", fun() -> with_beam(#{supervisors => none}, fun started_there/1) end},
        {"what the supervisor refuses is handed on", fun() -> with_beam(fun refused/1) end},
        {"answers that are none", fun() -> with_beam(fun lies/1) end},
        {"a supervisor that is dead", fun() -> with_beam(#{supervisors => dead}, fun dead/1) end},
        {"one that never answers", fun() -> with_beam(fun silent/1) end},
        {"a status that is none", fun() -> with_beam(#{status => {pool_status, online}}, fun nobody/1) end},
        {"a pool that is locked there", fun() -> with_beam(#{state => {locked, online}}, fun nobody/1) end},
        {"a node that hosts nothing uses it from C", fun() -> with_beam(#{pools => #{}}, fun from_c/1) end},
        {"and one that hosts it elsewhere", fun() -> with_beam(fun from_c/1) end}
    ]).

from_c_test_() ->
    cnode_peer:tests([
        {"C uses workers here and on another C node", fun() -> with_two(#{strategy => round_robin}, fun relays/1) end}
    ]).

%% ------------------------------------------------------------------ two nodes

config(Cluster, Extra) ->
    #{
        behaviours => [list_to_binary(relay_object())],
        services => #{probe => #{behaviour => probe}, relay => #{behaviour => relay}},
        pools => #{?POOL => maps:merge(#{behaviour => counter, registry => syn, cluster => Cluster}, Extra)}
    }.


start_two(Cluster, Extra) ->
    A = cnode_peer:start(config(Cluster, #{})),
    B = cnode_peer:start(config(Cluster, Extra)),
    true = cnode_syn:call(A, {connect, cnode_peer:name(B)}),
    know_each_other([A, B]),
    {A, B}.

know_each_other(Nodes) ->
    Others = length(Nodes) - 1,
    [
        eventually(
            fun() ->
                Members = cnode_syn:call(N, {syn, members, ?CM, {service, ?POOL}}),
                length(Members) =:= Others + 1 andalso
                    length(cnode_syn:call(N, {syn, subcluster_nodes, registry, ?REGISTRY})) =:= Others
            end,
            ?PATIENCE
        )
     || N <- Nodes
    ].

with_two(Cluster, Fun) -> with_two(Cluster, #{}, Fun).

with_two(Cluster, Extra, Fun) ->
    {A, B} = Both = start_two(Cluster, Extra),
    try
        Fun(Both)
    after
        [cnode_peer:stop(N) || N <- [A, B]]
    end.

%% AdvancedPool's envelope to the pool's name on one node.
envelope(Id, Call, Spawn, Sticky) ->
    Settings = {settings, nil, Spawn, nil, nil, Sticky, 5000},
    {msg_envelope, {self(), 0}, call, {ref, ?WORKER, Id}, Settings, {s, Call, nil, nil}}.

ask(Node, Id, Call) -> ask(Node, Id, Call, true, nil).

ask(Node, Id, Call, Spawn, Sticky) ->
    gen_server:call({?POOL, name(Node)}, envelope(Id, Call, Spawn, Sticky), ?PATIENCE).

name(Node) when is_atom(Node) -> Node;
name(Node) -> cnode_peer:name(Node).

where(Node, Id) ->
    {{ref, ?WORKER, Id}, Where, Pid} = ask(Node, Id, {fetch, process}),
    ?assertEqual(Where, node(Pid)),
    Where.

workers(Node) -> maps:get(workers, maps:from_list(gen_server:call(supervisor_of(Node), count_children))).

alone() ->
    C = cnode_peer:start(config(#{}, #{})),
    [?assertEqual(cnode_peer:name(C), where(C, Id)) || Id <- lists:seq(1, 50)],
    ?assertEqual(0, cnode_peer:stop(C)).

server() ->
    Pools = #{
        ?POOL => #{behaviour => counter},
        'Elixir.Own' => #{behaviour => counter, server => echo},
        plain => #{behaviour => counter, registry => none}
    },
    C = cnode_peer:start(#{pools => Pools, services => #{probe => #{behaviour => probe}}}),
    Inner = {s, hello, nil, nil},
    Envelope = {msg_envelope, nil, call, {ref, 'Elixir.Placed.Server', node()}, nil, Inner},
    ?assertEqual(world, gen_server:call({'Elixir.Placed.Server', name(C)}, Envelope)),
    ?assertEqual(world, gen_server:call({'Elixir.Placed.Server', name(C)}, {s, hello, nil})),
    ?assertEqual(world, gen_server:call({'Elixir.Placed.Server', name(C)}, setelement(4, Envelope, {server, ?POOL}))),
    ?assertEqual({unhandled, other}, gen_server:call({'Elixir.Placed.Server', name(C)}, other)),
    ?assertEqual({nz_ap_forward, nil}, gen_server:call({'Elixir.Own.Server', name(C)}, Envelope)),
    ?assertEqual(mine, gen_server:call({'Elixir.Own.Server', name(C)}, mine)),
    ?assertEqual(undefined, cnode_syn:call(C, {whereis, 'plain.Server'})),
    ?assertEqual(0, cnode_peer:stop(C)).

shared({A, B}) ->
    Places = [where(A, Id) || Id <- lists:seq(1, 200)],
    OnB = length([x || P <- Places, P =:= name(B)]),
    ?assert(OnB > 80 andalso OnB < 120),
    %% whoever is asked, they are the same workers
    ?assertEqual(Places, [where(B, Id) || Id <- lists:seq(1, 200)]),
    eventually(fun() -> {workers(A), workers(B)} =:= {200 - OnB, OnB} end).

turns({A, B}) ->
    Places = [where(A, Id) || Id <- lists:seq(1, 100)],
    %% each takes turns for the refs that it decides about
    ?assert(abs(50 - length([x || P <- Places, P =:= name(B)])) =< 2).

sticky({A, B}) ->
    [?assertEqual(name(A), where(A, {a, Id})) || Id <- lists:seq(1, 30)],
    [?assertEqual(name(B), where(B, {b, Id})) || Id <- lists:seq(1, 30)].

hashed({A, B}) ->
    Places = [where(lists:nth(1 + Id rem 2, [A, B]), Id) || Id <- lists:seq(1, 100)],
    OnB = length([x || P <- Places, P =:= name(B)]),
    ?assert(OnB > 25 andalso OnB < 75),
    %% a new life of the same ref
    Ended = [Id || Id <- lists:seq(1, 10)],
    [end_worker(A, Id) || Id <- Ended],
    ?assertEqual(lists:sublist(Places, 10), [where(B, Id) || Id <- Ended]).

end_worker(Node, Id) ->
    {_, _, Pid} = ask(Node, Id, {fetch, process}),
    Monitor = monitor(process, Pid),
    ok = gen_server:call(supervisor_of(node(Pid)), {terminate_child, Pid}),
    receive
        {'DOWN', Monitor, process, Pid, _} -> ok
    end,
    eventually(fun() -> ask(Node, Id, {fetch, process}, false, nil) =:= {nack, not_registered} end).

%% The first messages wait until it is known where the worker is; those that
%% come later do not overtake them.
ordered({A, B}) ->
    [
        begin
            Requests = [
                gen_server:send_request({?POOL, name(A)}, envelope({o, Id}, increment, true, nil))
             || _ <- lists:seq(1, 50)
            ],
            Replies = [gen_server:receive_response(R, ?PATIENCE) || R <- Requests],
            ?assertEqual([{reply, N} || N <- lists:seq(1, 50)], Replies)
        end
     || Id <- lists:seq(1, 40)
    ],
    eventually(fun() -> workers(A) + workers(B) =:= 40 end).

crossing({A, B}) ->
    Ids = lists:seq(1, 300),
    Requests = [
        {Id, gen_server:send_request({?POOL, name(N)}, envelope(Id, increment, true, nil))}
     || Id <- Ids, N <- [A, B, A, B]
    ],
    Replies = [{Id, gen_server:receive_response(R, ?PATIENCE)} || {Id, R} <- Requests],
    %% one worker has counted to four
    [
        ?assertEqual([{reply, N} || N <- [1, 2, 3, 4]], lists:sort([Reply || {I, Reply} <- Replies, I =:= Id]))
     || Id <- Ids
    ],
    eventually(fun() -> workers(A) + workers(B) =:= length(Ids) end).

%% As BEAMs do it, each of which has chosen another one.
supervisors({A, B}) ->
    Ids = lists:seq(1, 300),
    Sups = [supervisor_of(N) || N <- [A, B]],
    Requests = [{Id, gen_server:send_request(Sup, {start_child, spec(Id)})} || Id <- Ids, Sup <- Sups ++ Sups],
    Replies = [{Id, gen_server:receive_response(R, ?PATIENCE)} || {Id, R} <- Requests],
    [
        ?assertMatch([{reply, {ok, _}}], lists:usort([Reply || {I, Reply} <- Replies, I =:= Id]))
     || Id <- Ids
    ],
    eventually(fun() -> workers(A) + workers(B) =:= length(Ids) end).

stand_alone({A, B}) ->
    [?assertEqual(name(A), where(B, Id)) || Id <- lists:seq(1, 20)],
    ?assertEqual({error, unavailable}, start_child(B, 77)),
    ?assertEqual(0, cnode_peer:stop(A)),
    eventually(fun() -> ask(B, 99, ping) =:= {error, unavailable} end, ?PATIENCE).

killed({A, B}) ->
    [where(A, Id) || Id <- lists:seq(1, 20)],
    cnode_peer:kill(B),
    eventually(fun() -> length(cnode_syn:call(A, {syn, members, ?CM, {service, ?POOL}})) =:= 1 end, ?PATIENCE),
    [?assertEqual(name(A), where(A, Id)) || Id <- lists:seq(1, 40)].

spec(Id) ->
    Ref = {ref, ?WORKER, Id},
    {{'Elixir.Noizu.AdvancedPool.Worker.Server', start_link, [Ref, [[]], undefined]}, permanent, 5000, worker, [
        'Elixir.Noizu.AdvancedPool.Worker.Server'
    ]}.

start_child(Node, Id) -> gen_server:call(supervisor_of(Node), {start_child, spec(Id)}, ?PATIENCE).

supervisor_of(Node) ->
    {_, Sup, _, _} = lists:keyfind({worker_supervisor, 1}, 1, supervisor:which_children({?POOL, name(Node)})),
    Sup.

%% ------------------------------------------------- C uses workers of any node

%% Built as anybody would, against the headers; once.
relay_object() ->
    Object = filename:join(cnode_peer:tmp_dir(), "placement_relay_" ++ os:getpid() ++ ".so"),
    filelib:is_regular(Object) orelse
        ?assertEqual(
            "",
            os:cmd("cc -std=c11 -Wall -Wextra -Werror -shared -fPIC -Iinclude -o " ++ Object ++ " tests/beam/data/relay.c")
        ),
    Object.

relay(Node, Request) -> gen_server:call({relay, name(Node)}, Request, ?PATIENCE).

relays({A, B}) ->
    [?assertEqual({ok, 1}, relay(A, {call, ?POOL, Id, increment})) || Id <- lists:seq(1, 20)],
    [?assertEqual({ok, 2}, relay(B, {call, ?POOL, Id, increment})) || Id <- lists:seq(1, 20)],
    ?assertEqual(undefined, relay(A, {whereis, ?POOL, 99})),
    {ok, Pid} = relay(A, {start, ?POOL, 99, []}),
    eventually(fun() -> [relay(N, {whereis, ?POOL, 99}) || N <- [A, B]] =:= [Pid, Pid] end),
    ?assertEqual([{ok, Pid}, {ok, Pid}], [relay(N, {start, ?POOL, 99, []}) || N <- [A, B]]),
    [?assertEqual(ok, relay(N, {cast, ?POOL, 100, increment})) || N <- [A, B]],
    eventually(fun() -> relay(B, {call, ?POOL, 100, value}) =/= {ok, 0} end).

%% ------------------------------------------ a BEAM that hosts the pool, played

%% This BEAM has the scopes of syn that matter, and a supervisor that does as it
%% is told with {do, Fun}.
with_beam(Fun) -> with_beam(#{}, Fun).

with_beam(Opts, Fun) ->
    cnode_peer:start_distribution(),
    Test = self(),
    Host = spawn_link(fun() -> host(Test, fun start_worker/1) end),
    Sups =
        case maps:get(supervisors, Opts, one) of
            one -> [Host];
            none -> [];
            dead -> [dead_pid()]
        end,
    State = maps:get(state, Opts, online),
    Window = {target_window, 50000, 10000, 100000},
    Status = maps:get(status, Opts, {pool_status, State, ?POOL, 8.0, node(), 0, Window, 1}),
    SupStatus = {worker_sup_status, online, ?POOL, initializing, node(), 0, {target_window, 2500, 500, 5000}, 1},
    Scopes = [
        scope("syn_pg_", ?CM, [{{service, ?POOL}, Host, Status, 1}]),
        scope("syn_registry_", ?CM, []),
        scope("syn_pg_", ?POOL, [{{node(), worker_sups}, Sup, SupStatus, 1} || Sup <- Sups]),
        scope("syn_registry_", ?POOL, []),
        scope("syn_registry_", ?REGISTRY, []),
        scope("syn_pg_", ?REGISTRY, [])
    ],
    Config = config(#{}, #{stand_alone => true}),
    C = cnode_peer:start(maps:merge(Config, maps:with([pools], Opts))),
    try
        true = net_kernel:connect_node(name(C)),
        eventually(fun() ->
            Members = cnode_syn:call(C, {syn, members, ?CM, {service, ?POOL}}),
            is_list(Members) andalso length([x || {P, _} <- Members, P =:= Host]) =:= 1
        end),
        Fun({C, Host})
    after
        ?assertEqual(0, cnode_peer:stop(C)),
        [stop_process(P) || P <- [Host | Scopes]]
    end.

stop_process(Pid) ->
    unlink(Pid),
    Monitor = monitor(process, Pid),
    exit(Pid, kill),
    receive
        {'DOWN', Monitor, process, Pid, _} -> ok
    end.

dead_pid() ->
    Pid = spawn(fun() -> ok end),
    eventually(fun() -> not is_process_alive(Pid) end),
    Pid.

scope(Prefix, Scope, Entries) ->
    Name = list_to_atom(Prefix ++ atom_to_list(Scope)),
    Test = self(),
    Pid = spawn_link(fun() ->
        register(Name, self()),
        Test ! {self(), ready},
        scope_loop(Name, Entries)
    end),
    receive
        {Pid, ready} -> Pid
    end.

scope_loop(Name, Entries) ->
    receive
        {'3.0', discover, From} -> {Name, node(From)} ! {'3.0', ack_sync, self(), Entries};
        _ -> ok
    end,
    scope_loop(Name, Entries).

%% Pool supervisor and worker supervisor in one.
host(Test, Do) ->
    receive
        {do, Other} ->
            host(Test, Other);
        {'$gen_call', From, {start_child, #{type := supervisor}}} ->
            gen_server:reply(From, {ok, self()}),
            host(Test, Do);
        {'$gen_call', From, {start_child, {{_, start_link, [{ref, ?WORKER, Id}, [_], _Context]}, permanent, 5000, worker, _}}} ->
            case Do(Id) of
                noreply -> ok;
                Reply -> gen_server:reply(From, Reply)
            end,
            host(Test, Do)
    end.

start_worker(Id) ->
    timer:sleep(50),
    Worker = spawn(fun() -> worker(Id, 0) end),
    {ok, Worker}.

worker(Id, Count) ->
    receive
        {'$gen_call', From, {msg_envelope, _, call, {ref, ?WORKER, Id}, _, {s, {crash, Reason}, _, _}}} ->
            _ = From,
            exit(Reason);
        {'$gen_call', From, {msg_envelope, _, call, {ref, ?WORKER, Id}, _, {s, Call, _, _}}} ->
            gen_server:reply(From, {Call, Count + 1, node()}),
            worker(Id, Count + 1);
        {'$gen_cast', {msg_envelope, _, cast, {ref, ?WORKER, Id}, _, _}} ->
            worker(Id, Count + 1)
    end.

started_there({C, _}) ->
    Requests = [gen_server:send_request({?POOL, name(C)}, envelope(1, {n, N}, true, nil)) || N <- lists:seq(1, 20)],
    Replies = [gen_server:receive_response(R, ?PATIENCE) || R <- Requests],
    ?assertEqual([{reply, {{n, N}, N, node()}} || N <- lists:seq(1, 20)], Replies).

ends_there({C, _}) ->
    ?assertMatch({hello, 1, _}, ask(C, 1, hello)),
    ?assertExit({{gone, wrong}, _}, ask(C, 2, {crash, {gone, wrong}})).

refused({C, Host}) ->
    [
        begin
            Host ! {do, fun(_) -> Answer end},
            ?assertEqual(Answer, ask(C, {refused, Answer}, hello))
        end
     || Answer <- [{error, max_children}, {error, {bad, thing}}, {error, <<"text">>}]
    ].

lies({C, Host}) ->
    [
        begin
            Host ! {do, fun(_) -> Answer end},
            ?assertEqual({error, {bad_return_value, Answer}}, ask(C, {lies, Answer}, hello))
        end
     || Answer <- [{ok, not_a_pid}, ignore, [], {}, {ok}, {error, a, b}, #{ok => 1}]
    ],
    %% and nothing of it stays
    Host ! {do, fun start_worker/1},
    ?assertMatch({hello, 1, _}, ask(C, {lies, {ok, not_a_pid}}, hello)).

dead({C, _}) -> ?assertEqual({error, unavailable}, ask(C, 1, hello)).

nobody({C, _}) -> ?assertEqual({error, unavailable}, ask(C, 1, hello)).

silent({C, Host}) ->
    Host ! {do, fun(_) -> noreply end},
    ?assertEqual({error, timeout}, ask(C, 1, hello)).

from_c({C, Host}) ->
    ?assertEqual(undefined, relay(C, {whereis, ?POOL, 1})),
    ?assertEqual({ok, {hello, 1, node()}}, relay(C, {call, ?POOL, 1, hello})),
    {ok, Pid} = relay(C, {start, ?POOL, 2, []}),
    ?assertEqual(node(), node(Pid)),
    ?assertEqual({error, {gone, wrong}}, relay(C, {call, ?POOL, 3, {crash, {gone, wrong}}})),
    Host ! {do, fun(_) -> {error, max_children} end},
    ?assertEqual({ok, {error, max_children}}, relay(C, {call, ?POOL, 4, hello})).

%% ---------------------------------------------------------------------- a storm

%% Two BEAMs, as many first calls as there are, on whatever node they chose.
storm_test_() ->
    cnode_peer:tests([
        {"20000 first calls from two BEAMs to 1000 refs give 1000 workers", fun() -> with_two(#{}, fun storm/1) end}
    ]).

storm({A, B}) ->
    Beams = [cnode_peer:start_beam() || _ <- [1, 2]],
    Self = self(),
    Calls = [
        {Node, Id}
     || _ <- lists:seq(1, 5), Node <- [name(A), name(B)], Id <- lists:seq(1, 1000)
    ],
    [load_on(Beam) || {Beam, _} <- Beams],
    [peer:cast(Beam, ?MODULE, calls, [Self, Calls]) || {Beam, _} <- Beams],
    Replies = lists:append([
        receive
            {called, _, Some} -> Some
        after 60000 -> error(no_replies)
        end
     || _ <- Beams
    ]),
    [cnode_peer:stop_beam(Beam) || Beam <- Beams],
    ?assertEqual(20000, length(Replies)),
    ByRef = maps:groups_from_list(fun({Id, _}) -> Id end, fun({_, Reply}) -> Reply end, Replies),
    [?assertEqual({Id, lists:seq(1, 20)}, {Id, lists:sort(Got)}) || {Id, Got} <- maps:to_list(ByRef)],
    eventually(fun() -> workers(A) + workers(B) =:= 1000 end).

load_on(Beam) ->
    {?MODULE, Code, File} = code:get_object_code(?MODULE),
    {module, ?MODULE} = peer:call(Beam, code, load_binary, [?MODULE, File, Code]).

%% On a BEAM: a process for each call, as in a storm.
calls(To, Calls) ->
    Self = self(),
    [
        spawn(fun() ->
            Reply =
                try
                    gen_server:call({?POOL, Node}, envelope(Id, increment, true, nil), 30000)
                catch
                    exit:Reason -> {exit, Reason}
                end,
            Self ! {reply, Id, Reply}
        end)
     || {Node, Id} <- Calls
    ],
    Replies = [
        receive
            {reply, Id, Reply} -> {Id, Reply}
        end
     || _ <- Calls
    ],
    To ! {called, self(), Replies}.
