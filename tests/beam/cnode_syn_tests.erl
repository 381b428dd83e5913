%% SPDX-License-Identifier: Apache-2.0
%%
%% A C node and two BEAM nodes with real syn in one scope: names and groups, from
%% either side, and on behalf of processes of the other. See cnode_syn for how to
%% run them; cnode_syn_cluster_tests has what happens to a cluster.
-module(cnode_syn_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1]).
-import(cnode_syn, [call/2, probe/1, agent/1, kept/1, ask/2, on/4, agreed/3, agreed/4]).

-define(S, scope).

-record(ctx, {c, a, b}).

%% ------------------------------------------------------------------- fixtures

registry_test_() ->
    cnode_syn:suite(fun start/1, fun stop/1, [
        {"a name of a BEAM is seen in C", fun beam_name/1},
        {"a name of a C process is seen on BEAMs", fun c_name/1},
        {"other metadata is an update, the same is nothing", fun updates/1},
        {"a name that is taken is refused on both sides", fun taken/1},
        {"an unregistered name is gone everywhere", fun unregistered/1},
        {"the names of a process go with it", fun deaths/1},
        {"a BEAM registers a C process", fun beam_for_c/1},
        {"C registers a process of a BEAM", fun c_for_beam/1},
        {"C registers a process of another C process", fun c_for_c/1},
        {"an update function for a C process is an error at once", fun update_fun/1},
        {"an update function of a BEAM updates what C sees", fun beam_update_fun/1},
        {"names are counted, all and by node", fun counts/1},
        {"any term is a name", fun terms/1},
        {"equal terms are one name whatever their bytes", fun equal_terms/1},
        {"a scope that is not there is an error on both sides", fun no_scope/1},
        {"via from BEAM to C", fun via_to_c/1},
        {"via from C to BEAM", fun via_to_beam/1},
        {"calls that syn does not know are answered", fun unknown_calls/1},
        {"rubbish is survived", fun rubbish/1}
    ]).

groups_test_() ->
    cnode_syn:suite(fun start/1, fun stop/1, [
        {"members of both sides are seen on both sides", fun members/1},
        {"a second join is an update", fun rejoin/1},
        {"who leaves is gone everywhere", fun leaves/1},
        {"the memberships of a process go with it", fun member_deaths/1},
        {"a BEAM joins and leaves for a C process", fun beam_joins_c/1},
        {"C joins and leaves for a process of a BEAM", fun c_joins_beam/1},
        {"an update function for a C member is an error at once", fun update_member_fun/1},
        {"publish from a BEAM reaches all", fun publish_from_beam/1},
        {"publish from C reaches all", fun publish_from_c/1},
        {"multi_call from a BEAM is answered by C members", fun multi_call_to_c/1},
        {"multi_call from C is answered by all", fun multi_call_from_c/1},
        {"multi_call knows who does not answer, and who ended", fun multi_call_bad/1}
    ]).

start(Dir) ->
    C = cnode_syn:start_c([?S]),
    A = cnode_syn:start_beam(Dir, [?S]),
    B = cnode_syn:start_beam(Dir, [?S, beams_only]),
    [cnode_syn:connect(Beam, C) || Beam <- [A, B]],
    cnode_syn:connect(A, B),
    Ctx = #ctx{c = C, a = A, b = B},
    eventually(fun() ->
        [2, 2, 2, 2] =:= [length(on(Beam, syn, subcluster_nodes, [Kind, ?S])) || Kind <- [registry, pg], Beam <- [A, B]]
    end),
    Ctx.

stop(#ctx{c = C, a = A, b = B}) ->
    cnode_syn:stop_c(C),
    [cnode_syn:stop_beam(Beam) || Beam <- [A, B]].

all(#ctx{c = C, a = A, b = B}) -> [C, A, B].
name(#ctx{c = #{name := Name}}) -> Name.

%% Everybody has exactly these entries of a key.
have(Ctx, Kind, Key, Expected) ->
    Sorted = lists:sort(Expected),
    agreed(all(Ctx), Kind, ?S, fun(Table) ->
        Sorted =:= [{Pid, Meta} || {K, Pid, Meta} <- Table, K =:= Key]
    end).

lookup(Ctx, Name) ->
    [Found] = lists:usort([lookup_on(Node, Name) || Node <- all(Ctx)]),
    Found.

lookup_on(#{name := _} = C, Name) -> call(C, {syn, lookup, ?S, Name});
lookup_on(Beam, Name) -> on(Beam, syn, lookup, [?S, Name]).

%% ------------------------------------------------------------------- registry

beam_name(#ctx{c = C, a = A} = Ctx) ->
    Pid = agent(A),
    ?assertEqual(undefined, call(C, {syn, lookup, ?S, <<"of a beam">>})),
    ok = on(A, syn, register, [?S, <<"of a beam">>, Pid, #{some => <<"meta">>}]),
    have(Ctx, registry, <<"of a beam">>, [{Pid, #{some => <<"meta">>}}]),
    ?assertEqual({Pid, #{some => <<"meta">>}}, lookup(Ctx, <<"of a beam">>)).

c_name(#ctx{c = C} = Ctx) ->
    P = probe(C),
    ok = call(P, {syn, register, ?S, of_c, [meta, 1]}),
    ?assertEqual({P, [meta, 1]}, call(C, {syn, lookup, ?S, of_c})),
    have(Ctx, registry, of_c, [{P, [meta, 1]}]),
    ?assertEqual({P, [meta, 1]}, lookup(Ctx, of_c)).

updates(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    Pid = agent(A),
    [
        begin
            ok = call(P, {syn, register, ?S, c_upd, Meta}),
            ok = on(A, syn, register, [?S, a_upd, Pid, Meta]),
            have(Ctx, registry, c_upd, [{P, Meta}]),
            have(Ctx, registry, a_upd, [{Pid, Meta}])
        end
     || Meta <- [one, one, {two}, undefined, one, lists:duplicate(1000, long)]
    ].

taken(#ctx{c = C, a = A} = Ctx) ->
    [P, Q] = [probe(C), probe(C)],
    Pid = agent(A),
    ok = call(P, {syn, register, ?S, c_taken, p}),
    ok = on(A, syn, register, [?S, a_taken, Pid, a]),
    have(Ctx, registry, c_taken, [{P, p}]),
    have(Ctx, registry, a_taken, [{Pid, a}]),
    ?assertEqual({error, taken}, call(Q, {syn, register, ?S, c_taken, q})),
    ?assertEqual({error, taken}, on(A, syn, register, [?S, a_taken, Q, q])),
    ?assertEqual({error, taken}, call(Q, {syn, register, ?S, a_taken, q})),
    ?assertEqual({error, taken}, on(A, syn, register, [?S, c_taken, Pid, a])),
    ?assertEqual({error, taken}, call(Q, {syn, register, ?S, c_taken, a, Pid})),
    have(Ctx, registry, c_taken, [{P, p}]),
    have(Ctx, registry, a_taken, [{Pid, a}]).

unregistered(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    Pid = agent(A),
    ok = call(P, {syn, register, ?S, c_un, m}),
    ok = on(A, syn, register, [?S, a_un, Pid, m]),
    have(Ctx, registry, a_un, [{Pid, m}]),
    ok = call(P, {syn, unregister, ?S, c_un}),
    ?assertEqual(undefined, call(C, {syn, lookup, ?S, c_un})),
    ok = on(A, syn, unregister, [?S, a_un]),
    have(Ctx, registry, c_un, []),
    have(Ctx, registry, a_un, []),
    ?assertEqual({error, undefined}, call(P, {syn, unregister, ?S, c_un})),
    ?assertEqual({error, undefined}, on(A, syn, unregister, [?S, c_un])),
    %% Again, for the other side.
    ok = on(A, syn, register, [?S, c_un, Pid, m]),
    have(Ctx, registry, c_un, [{Pid, m}]),
    ok = on(A, syn, unregister, [?S, c_un]),
    have(Ctx, registry, c_un, []),
    ok = call(P, {syn, register, ?S, a_un, m}),
    have(Ctx, registry, a_un, [{P, m}]).

deaths(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    Pid = agent(A),
    Names = [{death, N} || N <- lists:seq(1, 20)],
    [ok = call(P, {syn, register, ?S, {c, Name}, m}) || Name <- Names],
    [ok = on(A, syn, register, [?S, {a, Name}, Pid, m]) || Name <- Names],
    have(Ctx, registry, {c, {death, 20}}, [{P, m}]),
    have(Ctx, registry, {a, {death, 20}}, [{Pid, m}]),
    cnode_syn:cast(P, {exit, crashed}),
    Pid ! {exit, crashed},
    agreed(all(Ctx), registry, ?S, fun(Table) ->
        [] =:= [Key || {{Side, {death, _}} = Key, _, _} <- Table, Side =:= c orelse Side =:= a]
    end).

beam_for_c(#ctx{c = C, a = A, b = B} = Ctx) ->
    [P, Q] = [probe(C), probe(C)],
    ok = on(A, syn, register, [?S, for_c, P, m1]),
    ?assertEqual({P, m1}, on(A, syn, lookup, [?S, for_c])),
    ?assertEqual({P, m1}, call(C, {syn, lookup, ?S, for_c})),
    have(Ctx, registry, for_c, [{P, m1}]),
    ok = on(A, syn, register, [?S, for_c, P, m1]),
    ok = on(B, syn, register, [?S, for_c, P, m2]),
    have(Ctx, registry, for_c, [{P, m2}]),
    ?assertEqual({error, taken}, on(A, syn, register, [?S, for_c, Q, m3])),
    ok = on(A, syn, unregister, [?S, for_c]),
    ?assertEqual(undefined, on(A, syn, lookup, [?S, for_c])),
    ?assertEqual(undefined, call(C, {syn, lookup, ?S, for_c})),
    have(Ctx, registry, for_c, []),
    %% A process that ended.
    cnode_syn:cast(Q, {exit, normal}),
    eventually(fun() -> undefined =:= process_info_of(Q) end),
    ?assertEqual({error, not_alive}, on(A, syn, register, [?S, for_c, Q, m])),
    %% The end of one that another node registered.
    ok = on(A, syn, register, [?S, for_c, P, m]),
    cnode_syn:cast(P, {exit, normal}),
    have(Ctx, registry, for_c, []).

%% undefined when it ended.
process_info_of(Pid) ->
    Monitor = monitor(process, Pid),
    receive
        {'DOWN', Monitor, process, Pid, noproc} -> undefined
    after 100 ->
        demonitor(Monitor, [flush]),
        alive
    end.

c_for_beam(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    [Pid, Other] = cnode_syn:agents(A, 2),
    ok = call(P, {syn, register, ?S, for_a, m1, Pid}),
    ?assertEqual({Pid, m1}, call(C, {syn, lookup, ?S, for_a})),
    have(Ctx, registry, for_a, [{Pid, m1}]),
    ok = call(P, {syn, register, ?S, for_a, m1, Pid}),
    ok = call(P, {syn, register, ?S, for_a, m2, Pid}),
    ?assertEqual({Pid, m2}, call(C, {syn, lookup, ?S, for_a})),
    have(Ctx, registry, for_a, [{Pid, m2}]),
    ?assertEqual({error, taken}, call(P, {syn, register, ?S, for_a, m3, Other})),
    ok = call(P, {syn, unregister, ?S, for_a}),
    ?assertEqual(undefined, call(C, {syn, lookup, ?S, for_a})),
    have(Ctx, registry, for_a, []),
    Other ! {exit, normal},
    eventually(fun() -> undefined =:= process_info_of(Other) end),
    ?assertEqual({error, not_alive}, call(P, {syn, register, ?S, for_a, m, Other})),
    ok = call(P, {syn, register, ?S, for_a, m, Pid}),
    Pid ! {exit, normal},
    have(Ctx, registry, for_a, []).

c_for_c(#ctx{c = C} = Ctx) ->
    [P, Q] = [probe(C), probe(C)],
    ok = call(P, {syn, register, ?S, for_q, m, Q}),
    have(Ctx, registry, for_q, [{Q, m}]),
    ?assertEqual({error, taken}, call(P, {syn, register, ?S, for_q, m})),
    ok = call(P, {syn, unregister, ?S, for_q}),
    have(Ctx, registry, for_q, []),
    ok = call(P, {syn, register, ?S, for_q, m, Q}),
    cnode_syn:cast(Q, {exit, normal}),
    have(Ctx, registry, for_q, []).

update_fun(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    ok = call(P, {syn, register, ?S, no_fun, 1}),
    have(Ctx, registry, no_fun, [{P, 1}]),
    {Micros, Result} = timer:tc(fun() ->
        on(A, cnode_syn, safe, [update_registry, [?S, no_fun, fun erlang:max/2]])
    end),
    case is_beam(Ctx) of
        true -> ok;
        false -> ?assertMatch({error, _}, Result)
    end,
    ?assert(Micros < 2000000),
    is_beam(Ctx) orelse have(Ctx, registry, no_fun, [{P, 1}]).

is_beam(#ctx{c = C}) -> maps:is_key(beam, C).

beam_update_fun(#ctx{a = A, b = B} = Ctx) ->
    Pid = agent(A),
    ok = on(A, syn, register, [?S, with_fun, Pid, 1]),
    have(Ctx, registry, with_fun, [{Pid, 1}]),
    {ok, {Pid, Meta}} = on(B, syn, update_registry, [?S, with_fun, fun erlang:max/2]),
    have(Ctx, registry, with_fun, [{Pid, Meta}]).

counts(#ctx{c = C, a = A, b = B} = Ctx) ->
    Pids = cnode_syn:agents(A, 5),
    Probes = [probe(C) || _ <- lists:seq(1, 7)],
    [ok = on(A, syn, register, [?S, {count, Pid}, Pid, m]) || Pid <- Pids],
    [ok = call(P, {syn, register, ?S, {count, P}, m}) || P <- Probes],
    Table = agreed(all(Ctx), registry, ?S),
    Of = fun(Node) -> length([1 || {_, Pid, _} <- Table, node(Pid) =:= Node]) end,
    {_, NameA} = A,
    {_, NameB} = B,
    ?assertEqual(length(Table), call(C, {syn, count, ?S})),
    ?assertEqual(length(Table), on(A, syn, registry_count, [?S])),
    [
        begin
            ?assertEqual(Of(Node), call(C, {syn, count, ?S, Node})),
            ?assertEqual(Of(Node), on(B, syn, registry_count, [?S, Node]))
        end
     || Node <- [name(Ctx), NameA, NameB]
    ],
    ?assertEqual(0, call(C, {syn, count, ?S, 'nobody@nowhere'})).

terms(#ctx{c = C, a = A} = Ctx) ->
    Names = [
        {term, N}
     || N <- [
            1, 1.0, -1, 256, 1 bsl 31, 1 bsl 64, -(1 bsl 200), 0.0, atom, 'é', "text", [1, 2, 3000], [], {}, <<>>,
            <<1:3>>, [a | b], #{}, #{a => 1, b => [#{}]}, maps:from_list([{I, I} || I <- lists:seq(1, 40)]),
            self(), make_ref(), fun erlang:max/2, lists:seq(1, 300), {deep, {deep, {deep, [[[]]]}}}
        ]
    ],
    Probes = [{Name, probe(C)} || Name <- Names],
    Agents = lists:zip(Names, cnode_syn:agents(A, length(Names))),
    [ok = call(P, {syn, register, ?S, {c, Name}, {m, Name}}) || {Name, P} <- Probes],
    [ok = on(A, syn, register, [?S, {a, Name}, Pid, {m, Name}]) || {Name, Pid} <- Agents],
    agreed(all(Ctx), registry, ?S, fun(Table) -> length([1 || {{_, {term, _}}, _, _} <- Table]) =:= 2 * length(Names) end),
    [?assertEqual({P, {m, Name}}, lookup(Ctx, {c, Name})) || {Name, P} <- Probes],
    [?assertEqual({Pid, {m, Name}}, lookup(Ctx, {a, Name})) || {Name, Pid} <- Agents],
    [ok = on(A, syn, unregister, [?S, {c, Name}]) || {Name, _} <- Probes],
    [ok = call(P, {syn, unregister, ?S, {a, Name}}) || {Name, P} <- Probes],
    agreed(all(Ctx), registry, ?S, fun(Table) -> [] =:= [1 || {{_, {term, _}}, _, _} <- Table] end).

equal_terms(#ctx{c = C, a = A} = Ctx) ->
    Big = maps:from_list([{I, {I}} || I <- lists:seq(1, 100)]),
    Same = lists:foldl(fun(I, M) -> M#{I => {I}} end, #{}, lists:seq(100, 1, -1)),
    Pid = agent(A),
    ok = on(A, syn, register, [?S, {equal, Big}, Pid, Big]),
    have(Ctx, registry, {equal, Same}, [{Pid, Same}]),
    ?assertEqual({Pid, Big}, call(C, {syn, lookup, ?S, {equal, Same}})),
    ?assertEqual({error, taken}, call(probe(C), {syn, register, ?S, {equal, Same}, m})).

no_scope(#ctx{c = C, a = A, b = B} = Ctx) ->
    P = probe(C),
    {_, NameA} = A,
    ?assertEqual(
        {error, {invalid_remote_scope, beams_only, name(Ctx)}},
        on(B, cnode_syn, safe, [register, [beams_only, x, P, m]])
    ),
    ?assertEqual(
        {error, {invalid_remote_scope, beams_only, name(Ctx)}},
        on(B, cnode_syn, safe, [join, [beams_only, x, P, m]])
    ),
    ?assertEqual({error, {invalid_remote_scope, c_only, NameA}}, other_scope(Ctx, {syn, register, c_only, x, m, agent(A)})),
    ?assertEqual({error, {invalid_remote_scope, c_only, NameA}}, other_scope(Ctx, {syn, join, c_only, x, m, agent(A)})).

%% C has the scopes that it uses; of a BEAM it must be said.
other_scope(#ctx{c = C} = Ctx, Request) ->
    is_beam(Ctx) andalso (ok = on(maps:get(beam, C), syn, add_node_to_scopes, [[c_only]])),
    call(C, Request).

via_to_c(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    ok = call(P, {syn, register, ?S, {via, c}, m}),
    have(Ctx, registry, {via, c}, [{P, m}]),
    Via = {via, syn, {?S, {via, c}}},
    ?assertEqual(hello, on(A, gen_server, call, [Via, {echo, hello}])),
    ok = on(A, gen_server, cast, [Via, a_cast]),
    P = on(A, syn, send, [{?S, {via, c}}, a_message]),
    eventually(fun() -> [a_message] =:= call(P, flush) end).

via_to_beam(#ctx{c = C, a = A, b = B} = Ctx) ->
    [P, Q] = [probe(C), probe(C)],
    Pid = agent(A),
    ok = on(B, syn, register, [?S, {via, a}, Pid, m]),
    have(Ctx, registry, {via, a}, [{Pid, m}]),
    Via = {via, syn, {?S, {via, a}}},
    ?assertEqual({ok, {agent, hello}}, call(P, {call, Via, hello, 5000})),
    ok = call(P, {send, Via, {a_message, 1}}),
    ok = call(P, {cast, Via, a_cast}),
    %% Asked while only the first is there it would give that one, and forget it.
    ?assertEqual({ok, {agent, hello}}, call(P, {call, Via, hello, 5000})),
    ?assertEqual([{a_message, 1}, {'$gen_cast', a_cast}], kept(Pid)),
    Monitor = call(P, {monitor, Via}),
    %% The monitor and the exit come by different connections: this follows the first.
    ?assertEqual({ok, {agent, hello}}, call(P, {call, Via, hello, 5000})),
    Pid ! {exit, bye},
    eventually(fun() -> [{'DOWN', Monitor, process, Pid, bye}] =:= call(P, flush) end),
    have(Ctx, registry, {via, a}, []),
    %% Nobody has it.
    ?assertEqual({error, noproc}, call(P, {call, Via, hello, 5000})),
    ?assertEqual(ok, call(P, {send, Via, lost})),
    %% Another C process has it.
    ok = call(Q, {syn, register, ?S, {via, a}, m}),
    ?assertEqual({ok, hello}, call(P, {call, Via, {echo, hello}, 5000})).

unknown_calls(#ctx{} = Ctx) ->
    [
        begin
            ?assertEqual(undefined, gen_server:call({Process, name(Ctx)}, Request)),
            ?assert(is_list(gen_server:call({Process, name(Ctx)}, {'3.0', subcluster_nodes})))
        end
     || Process <- [syn_registry_scope, syn_pg_scope],
        Request <- [hello, {'3.0', unknown}, {'3.0', register_on_node, node(), n, self(), m}, {'4.0', subcluster_nodes}]
    ].

rubbish(#ctx{c = C} = Ctx) ->
    case is_beam(Ctx) of
        true -> ok; % it crashes
        false ->
            P = probe(C),
            ok = call(P, {syn, register, ?S, rubbish, m}),
            [
                {Process, name(Ctx)} ! Message
             || Process <- [syn_registry_scope, syn_pg_scope],
                Message <- rubbish_of(P)
            ],
            ?assertEqual({P, m}, call(C, {syn, lookup, ?S, rubbish})),
            have(Ctx, registry, rubbish, [{P, m}]),
            ?assertEqual(ok, call(P, {syn, unregister, ?S, rubbish}))
    end.

rubbish_of(P) ->
    Me = self(),
    [
        rubbish, {}, [], {'3.0'}, {'3.0', discover, me}, {'3.0', discover}, {'3.1', discover, Me},
        {'3.0', ack_sync, me, []}, {'3.0', ack_sync, P, [{rubbish, P, m, 1}]},
        {'3.0', sync_register, rubbish, P, other, 1 bsl 62, normal},
        {'3.0', sync_register, rubbish, Me, other, 1 bsl 62, normal},
        {'3.0', sync_register, rubbish, me, other, 1 bsl 62, normal},
        {'3.0', sync_register, rubbish, Me, other, later, normal},
        {'3.0', sync_unregister, rubbish, P, m, normal},
        {'3.0', sync_unregister, rubbish, P, m, normal, more},
        {'3.0', sync_join, rubbish, P, other, 1 bsl 62, normal},
        {'3.0', sync_join, rubbish, Me, other, 1 bsl 62, normal},
        {'3.0', sync_leave, rubbish, P, m, normal},
        {'DOWN', make_ref(), process, P, noconnection}, {nodeup, node()}, {nodedown, node()},
        {'$gen_call', me, x}, {'$gen_call', {Me, x}, {'3.0', register_or_update_on_node, node(), n, me, m}},
        {'$gen_cast', x}, {'EXIT', Me, normal}
    ].

%% --------------------------------------------------------------------- groups

members(#ctx{c = C, a = A, b = B} = Ctx) ->
    P = probe(C),
    [PidA, PidB] = [agent(A), agent(B)],
    ok = call(P, {syn, join, ?S, {all, 1}, c}),
    ok = on(A, syn, join, [?S, {all, 1}, PidA, a]),
    ok = on(B, syn, join, [?S, {all, 1}, PidB, #{b => 1}]),
    Members = lists:sort([{P, c}, {PidA, a}, {PidB, #{b => 1}}]),
    have(Ctx, pg, {all, 1}, Members),
    ?assertEqual(Members, lists:sort(call(C, {syn, members, ?S, {all, 1}}))),
    ?assertEqual(Members, lists:sort(on(A, syn, members, [?S, {all, 1}]))),
    ?assertEqual([{P, c}], call(C, {syn, local_members, ?S, {all, 1}})),
    ?assertEqual([{PidA, a}], on(A, syn, local_members, [?S, {all, 1}])),
    ?assertEqual({PidA, a}, call(C, {syn, member, ?S, {all, 1}, PidA})),
    ?assertEqual({P, c}, on(A, syn, member, [?S, {all, 1}, P])),
    ?assertEqual(undefined, call(C, {syn, member, ?S, {all, 1}, self()})),
    ?assertEqual([], call(C, {syn, members, ?S, {all, 2}})),
    ?assertEqual([], call(C, {syn, local_members, ?S, {all, 2}})).

rejoin(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    Pid = agent(A),
    [
        begin
            ok = call(P, {syn, join, ?S, rejoin, Meta}),
            ok = on(A, syn, join, [?S, rejoin, Pid, Meta]),
            have(Ctx, pg, rejoin, [{P, Meta}, {Pid, Meta}])
        end
     || Meta <- [one, one, two, #{three => 3}, one]
    ].

leaves(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    Pid = agent(A),
    ok = call(P, {syn, join, ?S, leaves, m}),
    ok = on(A, syn, join, [?S, leaves, Pid, m]),
    have(Ctx, pg, leaves, [{P, m}, {Pid, m}]),
    ok = call(P, {syn, leave, ?S, leaves}),
    have(Ctx, pg, leaves, [{Pid, m}]),
    ok = on(A, syn, leave, [?S, leaves, Pid]),
    have(Ctx, pg, leaves, []),
    ?assertEqual({error, not_in_group}, call(P, {syn, leave, ?S, leaves})),
    ?assertEqual({error, not_in_group}, on(A, syn, leave, [?S, leaves, P])),
    ?assertEqual({error, not_in_group}, call(P, {syn, leave, ?S, leaves, Pid})).

member_deaths(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    Pid = agent(A),
    Groups = [{dying, N} || N <- lists:seq(1, 10)],
    [ok = call(P, {syn, join, ?S, Group, m}) || Group <- Groups],
    [ok = on(A, syn, join, [?S, Group, Pid, m]) || Group <- Groups],
    have(Ctx, pg, {dying, 10}, [{P, m}, {Pid, m}]),
    cnode_syn:cast(P, {exit, crashed}),
    [have(Ctx, pg, Group, [{Pid, m}]) || Group <- Groups],
    Pid ! {exit, crashed},
    [have(Ctx, pg, Group, []) || Group <- Groups].

beam_joins_c(#ctx{c = C, a = A, b = B} = Ctx) ->
    P = probe(C),
    ok = on(A, syn, join, [?S, joined, P, m1]),
    ?assertEqual([{P, m1}], call(C, {syn, local_members, ?S, joined})),
    have(Ctx, pg, joined, [{P, m1}]),
    ok = on(B, syn, join, [?S, joined, P, m2]),
    have(Ctx, pg, joined, [{P, m2}]),
    ok = on(B, syn, join, [?S, joined, P, m2]),
    ok = on(A, syn, leave, [?S, joined, P]),
    have(Ctx, pg, joined, []),
    cnode_syn:cast(P, {exit, normal}),
    eventually(fun() -> undefined =:= process_info_of(P) end),
    ?assertEqual({error, not_alive}, on(A, syn, join, [?S, joined, P, m])).

c_joins_beam(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    Pid = agent(A),
    ok = call(P, {syn, join, ?S, by_c, m1, Pid}),
    ?assertEqual({Pid, m1}, call(C, {syn, member, ?S, by_c, Pid})),
    have(Ctx, pg, by_c, [{Pid, m1}]),
    ok = call(P, {syn, join, ?S, by_c, m2, Pid}),
    have(Ctx, pg, by_c, [{Pid, m2}]),
    ok = call(P, {syn, leave, ?S, by_c, Pid}),
    ?assertEqual([], call(C, {syn, members, ?S, by_c})),
    have(Ctx, pg, by_c, []).

update_member_fun(#ctx{c = C, a = A} = Ctx) ->
    P = probe(C),
    ok = call(P, {syn, join, ?S, no_fun, 1}),
    have(Ctx, pg, no_fun, [{P, 1}]),
    Result = on(A, cnode_syn, safe, [update_member, [?S, no_fun, P, fun erlang:abs/1]]),
    is_beam(Ctx) orelse ?assertMatch({error, _}, Result),
    have(Ctx, pg, no_fun, [{P, 1}]).

publish_from_beam(#ctx{a = A} = Ctx) ->
    {P, PidA, PidB} = group_of_three(Ctx, pub_a),
    ?assertEqual({ok, 3}, on(A, syn, publish, [?S, pub_a, {hello, 1}])),
    [eventually(fun() -> [{hello, 1}] =:= kept(Pid) end) || Pid <- [PidA, PidB]],
    eventually(fun() -> [{hello, 1}] =:= call(P, flush) end),
    ?assertEqual({ok, 1}, on(A, syn, local_publish, [?S, pub_a, {hello, 2}])),
    eventually(fun() -> [{hello, 2}] =:= kept(PidA) end),
    ?assertEqual([], call(P, flush)).

publish_from_c(#ctx{c = C} = Ctx) ->
    {P, PidA, PidB} = group_of_three(Ctx, pub_c),
    ?assertEqual({ok, 3}, call(C, {syn, publish, ?S, pub_c, {hello, 1}})),
    [eventually(fun() -> [{hello, 1}] =:= kept(Pid) end) || Pid <- [PidA, PidB]],
    eventually(fun() -> [{hello, 1}] =:= call(P, flush) end),
    ?assertEqual({ok, 1}, call(C, {syn, local_publish, ?S, pub_c, {hello, 2}})),
    eventually(fun() -> [{hello, 2}] =:= call(P, flush) end),
    ?assertEqual([], kept(PidA)),
    ?assertEqual({ok, 0}, call(C, {syn, publish, ?S, nobody_is_in, m})).

%% A C process, which is given, and two on BEAMs.
group_of_three(#ctx{c = C, a = A, b = B} = Ctx, Group) ->
    P = probe(C),
    [PidA, PidB] = [agent(A), agent(B)],
    ok = call(P, {syn, join, ?S, Group, mp}),
    ok = on(A, syn, join, [?S, Group, PidA, ma]),
    ok = on(B, syn, join, [?S, Group, PidB, mb]),
    have(Ctx, pg, Group, [{P, mp}, {PidA, ma}, {PidB, mb}]),
    {P, PidA, PidB}.

multi_call_to_c(#ctx{a = A} = Ctx) ->
    {P, PidA, PidB} = group_of_three(Ctx, call_a),
    {Good, Bad} = on(A, syn, multi_call, [?S, call_a, {echo, 7}, 3000]),
    ?assertEqual(
        lists:sort([{{P, mp}, 7}, {{PidA, ma}, {got, {echo, 7}, ma}}, {{PidB, mb}, {got, {echo, 7}, mb}}]),
        lists:sort(Good)
    ),
    ?assertEqual([], Bad).

multi_call_from_c(#ctx{c = C} = Ctx) ->
    {P, PidA, PidB} = group_of_three(Ctx, call_c),
    {Good, Bad} = call(C, {syn, multi_call, ?S, call_c, {echo, 7}, 3000}),
    ?assertEqual(
        lists:sort([{{P, mp}, 7}, {{PidA, ma}, {got, {echo, 7}, ma}}, {{PidB, mb}, {got, {echo, 7}, mb}}]),
        lists:sort(Good)
    ),
    ?assertEqual([], Bad),
    ?assertEqual({[], []}, call(C, {syn, multi_call, ?S, nobody_is_in, x, 3000})).

multi_call_bad(#ctx{c = C, a = A} = Ctx) ->
    {P, PidA, PidB} = group_of_three(Ctx, call_bad),
    %% Nobody answers in time but C, which does not know the request.
    {GoodC, BadC} = call(C, {syn, multi_call, ?S, call_bad, silent, 300}),
    ?assertEqual([{{P, mp}, {error, badarg}}], GoodC),
    ?assertEqual(lists:sort([{PidA, ma}, {PidB, mb}]), lists:sort(BadC)),
    {_, BadA} = on(A, syn, multi_call, [?S, call_bad, noreply, 300]),
    ?assertEqual([{P, mp}], BadA),
    %% Those that end are not waited for.
    {Micros, {_, Died}} = timer:tc(fun() -> call(C, {syn, multi_call, ?S, call_bad, die, 15000}) end),
    ?assert(Micros < 10000000),
    ?assertEqual(lists:sort([{PidA, ma}, {PidB, mb}]), lists:sort(Died)),
    {Micros2, {_, Died2}} = timer:tc(fun() -> on(A, syn, multi_call, [?S, call_bad, {exit, died}, 15000]) end),
    ?assert(Micros2 < 10000000),
    ?assertEqual([{P, mp}], Died2),
    have(Ctx, pg, call_bad, []).
