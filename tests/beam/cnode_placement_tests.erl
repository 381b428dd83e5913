%% SPDX-License-Identifier: Apache-2.0
%%
%% Where workers are started: C nodes that host one pool place them on each
%% other, and on a BEAM whose supervisors are played here, with the few
%% processes of syn that this takes. Who calls is this BEAM, which has no pool.
-module(cnode_placement_tests).

-include_lib("eunit/include/eunit.hrl").

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

%% ------------------------------------------------------------------ two nodes

config(Cluster, Extra) ->
    #{
        services => #{probe => #{behaviour => probe}},
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
