%% SPDX-License-Identifier: Apache-2.0
%%
%% What happens to a scope of syn in a cluster of a C node and BEAM nodes: nodes
%% and scopes come in every order, links are lost and come back, processes and
%% nodes are killed. In the end all know the same, and it is true. See cnode_syn.
-module(cnode_syn_cluster_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/2]).
-import(cnode_syn, [call/2, probe/1, agent/1, kept/1, ask/2, on/4, agreed/3, agreed/4, connect/2]).

-define(S, scope).
-define(PATIENCE, 20000).

joining_test_() ->
    cnode_syn:tests([
        {"what was there before the link is there after it", fun both_had_some/1},
        {"a scope that a BEAM starts later", fun late_on_beam/1},
        {"a scope that C uses later", fun late_on_c/1},
        {"only one BEAM has the scope", fun only_one_has_it/1},
        {"a hidden C node", fun hidden_c/1},
        {"a hidden BEAM", fun hidden_beam/1},
        {"two C nodes and no syn between them", fun c_to_c/1},
        {"strict mode", fun strict/1},
        {"what is too large or too much", fun limits/1}
    ]).

losses_test_() ->
    cnode_syn:tests([
        {"a lost link takes the names with it and brings them back", fun link_lost/1},
        {"changes made while apart are known afterwards", fun changed_apart/1},
        {"a BEAM that is killed", fun beam_killed/1},
        {"a C node that is killed and comes back", fun c_killed/1},
        {"a scope process that is killed on a BEAM", fun scope_killed_on_beam/1},
        {"a scope process that is killed in C", fun scope_killed_on_c/1},
        {"a scope process that is killed again and again", fun scope_killed_often/1}
    ]).

conflicts_test_() ->
    cnode_syn:tests([
        {"the later one wins after a split, on a BEAM", fun(Dir) -> after_split(Dir, beam) end},
        {"the later one wins after a split, in C", fun(Dir) -> after_split(Dir, c) end},
        {"a loser that traps exits survives without the name", fun trapping_losers/1},
        {"many names at once on both sides", fun at_once/1}
    ]).

cluster_test_() ->
    Tests = [{"all versions in one cluster", fun versions_mixed/0}],
    Flood = [{"100000 names of a BEAM and 20000 of C", fun flood/0}],
    case cnode_syn:versions() of
        [] -> cnode_syn:tests([{Sentence, fun(_) -> ok end} || {Sentence, _} <- Tests ++ Flood]);
        _ -> cnode_peer:tests([{Sentence, {timeout, 300, Fun}} || {Sentence, Fun} <- Tests ++ Flood], 2)
    end.

%% The other releases that scripts/otp.sh made.
releases_test_() ->
    Releases = string:lexemes(os:cmd("scripts/otp.sh list"), "\n"),
    cnode_syn:tests([{"OTP " ++ R, fun(Dir) -> release(Dir, R) end} || R <- Releases]).

%% -------------------------------------------------------------------- helpers

name_of(#{name := Name}) -> Name;
name_of({_, Name}) -> Name.

register_c(C, Name, Meta) ->
    P = probe(C),
    ok = call(P, {syn, register, ?S, Name, Meta}),
    P.

register_on(Beam, Name, Meta) ->
    Pid = agent(Beam),
    ok = on(Beam, syn, register, [?S, Name, Pid, Meta]),
    Pid.

stop(Nodes) ->
    [
        case Node of
            #{} -> cnode_syn:stop_c(Node);
            _ -> cnode_syn:stop_beam(Node)
        end
     || Node <- Nodes
    ].

%% All have these, in the registry.
all_have(Nodes, Table) -> agreed(Nodes, registry, ?S, Table).

mesh([_]) -> ok;
mesh([Beam | Others]) ->
    [connect(Beam, Other) || Other <- Others],
    mesh([Other || {_, _} = Other <- Others]);
mesh([]) -> ok.

is_dead(Pid) ->
    Monitor = monitor(process, Pid),
    receive
        {'DOWN', Monitor, process, Pid, noproc} -> true
    after 50 ->
        demonitor(Monitor, [flush]),
        false
    end.

%% -------------------------------------------------------------------- joining

both_had_some(Dir) ->
    C = cnode_syn:start_c([?S]),
    A = cnode_syn:start_beam(Dir, [?S]),
    Before = [{{c, N}, register_c(C, {c, N}, N), N} || N <- lists:seq(1, 20)],
    BeforeA = [{{a, N}, register_on(A, {a, N}, N), N} || N <- lists:seq(1, 20)],
    P = probe(C),
    Pid = agent(A),
    ok = call(P, {syn, join, ?S, group, p}),
    ok = on(A, syn, join, [?S, group, Pid, a]),
    connect(A, C),
    all_have([C, A], Before ++ BeforeA),
    agreed([C, A], pg, ?S, [{group, P, p}, {group, Pid, a}]),
    stop([C, A]).

late_on_beam(Dir) ->
    C = cnode_syn:start_c([?S]),
    A = cnode_syn:start_beam(Dir, []),
    connect(A, C),
    P = register_c(C, before, 1),
    ok = on(A, syn, add_node_to_scopes, [[?S]]),
    all_have([C, A], [{before, P, 1}]),
    Pid = register_on(A, behind, 2),
    Q = register_c(C, last, 3),
    all_have([C, A], [{before, P, 1}, {behind, Pid, 2}, {last, Q, 3}]),
    stop([C, A]).

late_on_c(Dir) ->
    C = cnode_syn:start_c([]),
    A = cnode_syn:start_beam(Dir, [?S]),
    connect(A, C),
    Pid = register_on(A, before, 1),
    start_scope(C),
    P = register_c(C, behind, 2),
    all_have([C, A], [{before, Pid, 1}, {behind, P, 2}]),
    stop([C, A]).

%% A C node has the scopes that it uses; a BEAM must be told.
start_scope(#{beam := Beam}) -> on(Beam, syn, add_node_to_scopes, [[?S]]);
start_scope(_) -> ok.

only_one_has_it(Dir) ->
    C = cnode_syn:start_c([?S]),
    A = cnode_syn:start_beam(Dir, [?S]),
    B = cnode_syn:start_beam(Dir, [other]),
    mesh([A, B, C]),
    P = register_c(C, of_c, 1),
    Pid = register_on(A, of_a, 2),
    all_have([C, A], [{of_c, P, 1}, {of_a, Pid, 2}]),
    ?assertEqual({error, {invalid_scope, ?S}}, on(B, cnode_syn, safe, [lookup, [?S, of_c]])),
    ?assertEqual([name_of(C)], on(A, syn, subcluster_nodes, [registry, ?S])),
    %% It starts the scope, and stops being a node.
    ok = on(B, syn, add_node_to_scopes, [[?S]]),
    Third = register_on(B, of_b, 3),
    all_have([C, A, B], [{of_c, P, 1}, {of_a, Pid, 2}, {of_b, Third, 3}]),
    cnode_syn:stop_beam(B),
    all_have([C, A], [{of_c, P, 1}, {of_a, Pid, 2}]),
    stop([C, A]).

hidden_c(Dir) ->
    C = cnode_syn:start_c([?S], #{node => #{hidden => true}}),
    case C of
        #{beam := _} -> ok; % nobody tells a hidden BEAM
        _ -> hidden_c(Dir, C)
    end,
    stop([C]).

hidden_c(Dir, C) ->
    A = cnode_syn:start_beam(Dir, [?S]),
    P = register_c(C, of_c, 1),
    Pid = register_on(A, of_a, 2),
    connect(A, C),
    ?assertNot(lists:member(name_of(C), on(A, erlang, nodes, []))),
    all_have([C, A], [{of_c, P, 1}, {of_a, Pid, 2}]),
    %% It finds the scope again though nobody tells it.
    true = exit(on(A, erlang, whereis, [syn_registry_scope]), kill),
    Other = register_when_up(A, later, 3),
    all_have([C, A], [{of_c, P, 1}, {of_a, Pid, 2}, {later, Other, 3}]),
    stop([A]).

register_when_up(Beam, Name, Meta) ->
    Pid = agent(Beam),
    eventually(fun() -> ok =:= on(Beam, cnode_syn, safe, [register, [?S, Name, Pid, Meta]]) end, ?PATIENCE),
    Pid.

%% A BEAM that is hidden is told of nobody, but answers who discovers it. Real
%% syn does not, so C need not; nothing may break.
hidden_beam(Dir) ->
    C = cnode_syn:start_c([?S]),
    A = cnode_syn:start_beam(Dir, [?S], ["-hidden"]),
    B = cnode_syn:start_beam(Dir, [?S]),
    connect(A, C),
    connect(B, C),
    P = register_c(C, of_c, 1),
    Pid = register_on(B, of_b, 2),
    all_have([C, B], [{of_c, P, 1}, {of_b, Pid, 2}]),
    stop([C, A, B]).

c_to_c(_) ->
    C = cnode_syn:start_c([?S]),
    D = cnode_syn:start_c([?S]),
    true = call(C, {connect, name_of(D)}),
    [P, Q] = [register_c(C, of_c, 1), register_c(D, of_d, 2)],
    all_have([C, D], [{of_c, P, 1}, {of_d, Q, 2}]),
    ?assertEqual({ok, hello}, call(P, {call, {via, syn, {?S, of_d}}, {echo, hello}, 5000})),
    ok = call(Q, {send, {via, syn, {?S, of_c}}, a_message}),
    eventually(fun() -> [a_message] =:= call(P, flush) end, ?PATIENCE),
    %% For each other.
    ok = call(C, {syn, register, ?S, for_d, 3, Q}),
    all_have([C, D], [{of_c, P, 1}, {of_d, Q, 2}, {for_d, Q, 3}]),
    ?assertEqual({error, taken}, call(D, {syn, register, ?S, of_c, 4})),
    ok = call(D, {syn, unregister, ?S, of_c}),
    ok = call(P, {syn, join, ?S, group, p}),
    ok = call(C, {syn, join, ?S, group, q, Q}),
    agreed([C, D], pg, ?S, [{group, P, p}, {group, Q, q}]),
    {Replies, []} = call(D, {syn, multi_call, ?S, group, {echo, 5}, 5000}),
    ?assertEqual(lists:sort([{{P, p}, 5}, {{Q, q}, 5}]), lists:sort(Replies)),
    cnode_syn:cast(Q, {exit, normal}),
    all_have([C, D], []),
    agreed([C, D], pg, ?S, [{group, P, p}]),
    stop([C, D]).

strict(Dir) ->
    C = cnode_syn:start_c([?S], #{syn => #{strict_mode => true}}),
    A = cnode_syn:start_beam(Dir, [?S]),
    ok = on(A, application, set_env, [syn, strict_mode, true]),
    connect(A, C),
    [P, Q] = [probe(C), probe(C)],
    ?assertEqual({error, not_self}, call(P, {syn, register, ?S, strict, 1, Q})),
    ?assertEqual({error, not_self}, call(P, {syn, join, ?S, strict, 1, Q})),
    ?assertEqual({error, not_self}, on(A, syn, register, [?S, strict, P, 1])),
    ok = call(P, {syn, register, ?S, strict, 1}),
    ok = call(P, {syn, join, ?S, strict, 1}),
    all_have([C, A], [{strict, P, 1}]),
    Pid = agent(A),
    ?assertEqual(ok, ask(Pid, {register, [?S, self_too, Pid, 2]})),
    all_have([C, A], [{strict, P, 1}, {self_too, Pid, 2}]),
    stop([C, A]).

%% A BEAM has none of these limits.
limits(Dir) ->
    C = cnode_syn:start_c([?S], #{limits => #{syn_entries => 100, syn_name_bytes => 100, syn_meta_bytes => 100}}),
    A = cnode_syn:start_beam(Dir, [?S]),
    connect(A, C),
    case C of
        #{beam := _} -> ok;
        _ -> limits(A, C)
    end,
    stop([C, A]).

limits(A, C) ->
    [P, Pid] = [probe(C), agent(A)],
    Large = binary:copy(<<"x">>, 100),
    [?assertEqual({error, too_large}, call(P, {syn, What, ?S, Name, Meta})) || What <- [register, join],
        {Name, Meta} <- [{Large, m}, {n, Large}]],
    [?assertEqual({error, too_large}, on(A, syn, What, [?S, Name, P, Meta])) || What <- [register, join],
        {Name, Meta} <- [{Large, m}, {n, Large}]],
    %% Those of others are not seen, and the rest is.
    [ok = on(A, syn, register, [?S, Name, Pid, Meta]) || {Name, Meta} <- [{Large, m}, {with_meta, Large}, {small, m}]],
    all_have([C], [{small, Pid, m}]),
    ?assertEqual(undefined, call(C, {syn, lookup, ?S, Large})),
    %% As many as there may be.
    [ok = on(A, syn, register, [?S, {many, N}, Pid, m]) || N <- lists:seq(1, 150)],
    eventually(fun() -> 100 =:= call(C, {syn, count, ?S}) end, ?PATIENCE),
    ?assertEqual({error, system_limit}, call(P, {syn, register, ?S, one_more, m})),
    ?assertEqual({error, system_limit}, on(A, syn, register, [?S, one_more, P, m])),
    [ok = on(A, syn, unregister, [?S, {many, N}]) || N <- lists:seq(1, 150)],
    all_have([C], [{small, Pid, m}]),
    ok = call(P, {syn, register, ?S, one_more, m}),
    ok = on(A, syn, unregister, [?S, Large]),
    ok = on(A, syn, unregister, [?S, with_meta]),
    all_have([C, A], [{small, Pid, m}, {one_more, P, m}]).

%% --------------------------------------------------------------------- losses

three(Dir) ->
    C = cnode_syn:start_c([?S]),
    A = cnode_syn:start_beam(Dir, [?S]),
    B = cnode_syn:start_beam(Dir, [?S]),
    mesh([A, B, C]),
    OfC = [{{c, N}, register_c(C, {c, N}, N), N} || N <- lists:seq(1, 5)],
    OfA = [{{a, N}, register_on(A, {a, N}, N), N} || N <- lists:seq(1, 5)],
    OfB = [{{b, N}, register_on(B, {b, N}, N), N} || N <- lists:seq(1, 5)],
    all_have([A, B, C], OfA ++ OfB ++ OfC),
    {C, A, B, OfC, OfA, OfB}.

link_lost(Dir) ->
    {C, A, B, OfC, OfA, OfB} = three(Dir),
    cnode_syn:split(A, C),
    all_have([C], OfB ++ OfC),
    all_have([A], OfA ++ OfB),
    all_have([B], OfA ++ OfB ++ OfC),
    cnode_syn:heal(A, C),
    all_have([A, B, C], OfA ++ OfB ++ OfC),
    stop([C, A, B]).

changed_apart(Dir) ->
    {C, A, B, OfC, OfA, OfB} = three(Dir),
    cnode_syn:split(A, C),
    [{Gone, PidC, _}, {Upd, PidC2, _} | RestC] = OfC,
    [{GoneA, PidA, _}, {UpdA, PidA2, _} | RestA] = OfA,
    cnode_syn:cast(PidC, {exit, normal}),
    PidA ! {exit, normal},
    ok = call(PidC2, {syn, register, ?S, Upd, new}),
    ok = on(A, syn, register, [?S, UpdA, PidA2, new]),
    New = register_c(C, new_c, 1),
    NewA = register_on(A, new_a, 1),
    all_have([B], [{Upd, PidC2, new}, {UpdA, PidA2, new}, {new_c, New, 1}, {new_a, NewA, 1} | RestC ++ RestA ++ OfB]),
    cnode_syn:heal(A, C),
    Table = all_have([A, B, C], table(B)),
    ?assertNot(lists:keymember(Gone, 1, Table)),
    ?assertNot(lists:keymember(GoneA, 1, Table)),
    stop([C, A, B]).

table(Node) -> cnode_syn:table(Node, registry, ?S).

beam_killed(Dir) ->
    {C, A, B, OfC, _, OfB} = three(Dir),
    cnode_syn:kill_beam(A),
    all_have([B, C], OfB ++ OfC),
    %% Its names are free.
    P = register_c(C, {a, 1}, now_c),
    all_have([B, C], [{{a, 1}, P, now_c} | OfB ++ OfC]),
    stop([C, B]).

c_killed(Dir) ->
    {C, A, B, _, OfA, OfB} = three(Dir),
    case C of
        #{beam := _} -> stop([C]);
        _ -> _ = cnode_peer:kill(C)
    end,
    all_have([A, B], OfA ++ OfB),
    D = cnode_syn:start_c([?S], #{name => name_of(C)}),
    case D of
        #{beam := _} -> ok; % another name
        _ ->
            mesh([A, B, D]),
            P = register_c(D, {c, 1}, again),
            all_have([A, B, D], [{{c, 1}, P, again} | OfA ++ OfB])
    end,
    stop([D, A, B]).

scope_killed_on_beam(Dir) ->
    {C, A, B, OfC, OfA, OfB} = three(Dir),
    true = exit(on(A, erlang, whereis, [syn_registry_scope]), kill),
    New = register_when_up(A, new, 1),
    all_have([A, B, C], [{new, New, 1} | OfA ++ OfB ++ OfC]),
    stop([C, A, B]).

scope_killed_on_c(Dir) ->
    {C, A, B, OfC, OfA, OfB} = three(Dir),
    Old = scope_of(C),
    exit(Old, kill),
    eventually(fun() -> is_pid(scope_of(C)) andalso scope_of(C) =/= Old end, ?PATIENCE),
    P = register_c(C, new, 1),
    all_have([A, B, C], [{new, P, 1} | OfA ++ OfB ++ OfC]),
    Pid = register_on(A, newer, 2),
    all_have([A, B, C], [{new, P, 1}, {newer, Pid, 2} | OfA ++ OfB ++ OfC]),
    stop([C, A, B]).

scope_of(C) -> call(C, {whereis, syn_registry_scope}).

%% The supervisor of syn gives up at more than ten in ten seconds.
scope_killed_often(Dir) ->
    {C, A, B, OfC, OfA, OfB} = three(Dir),
    [
        begin
            P = register_c(C, {c_new, N}, N),
            cnode_syn:cast(P, {exit, normal}),
            catch exit(scope_of(C), kill),
            catch exit(on(A, erlang, whereis, [syn_registry_scope]), kill)
        end
     || N <- lists:seq(1, 4)
    ],
    all_have([A, B, C], OfA ++ OfB ++ OfC),
    stop([C, A, B]).

%% ------------------------------------------------------------------ conflicts

after_split(Dir, Last) ->
    {C, A, B, OfC, OfA, OfB} = three(Dir),
    cnode_syn:split(A, C),
    all_have([C], OfB ++ OfC),
    all_have([A], OfA ++ OfB),
    [P, Pid] = [probe(C), agent(A)],
    Sides = [
        {c, fun() -> ok = call(P, {syn, register, ?S, dup, of_c}) end},
        {beam, fun() -> ok = on(A, syn, register, [?S, dup, Pid, of_a]) end}
    ],
    {value, {_, Late}, [{_, Early}]} = lists:keytake(Last, 1, Sides),
    ok = call(P, {syn, join, ?S, group, p}),
    [MonitorP, MonitorA] = [monitor(process, P), monitor(process, Pid)],
    Early(),
    timer:sleep(20), % clocks are compared
    Late(),
    cnode_syn:heal(A, C),
    {Winner, Meta, Loser, Monitor, LostMeta} =
        case Last of
            c -> {P, of_c, Pid, MonitorA, of_a};
            beam -> {Pid, of_a, P, MonitorP, of_c}
        end,
    ?assertEqual({syn_resolve_kill, dup, LostMeta}, receive {'DOWN', Monitor, process, Loser, Why} -> Why after ?PATIENCE -> none end),
    all_have([A, B, C], [{dup, Winner, Meta} | OfA ++ OfB ++ OfC]),
    ?assertNot(is_dead(Winner)),
    agreed([A, B, C], pg, ?S, [{group, P, p} || Winner =:= P]),
    stop([C, A, B]).

trapping_losers(Dir) ->
    {C, A, B, OfC, OfA, OfB} = three(Dir),
    [P, Q] = [probe(C), probe(C)],
    [PidP, PidQ] = cnode_syn:agents(A, 2),
    [call(X, {trap_exit, true}) || X <- [P, Q]],
    [ask(X, {trap_exit, true}) || X <- [PidP, PidQ]],
    cnode_syn:split(A, C),
    all_have([C], OfB ++ OfC),
    ok = call(P, {syn, register, ?S, dup_p, 1}),
    ok = on(A, syn, register, [?S, dup_q, PidQ, 1]),
    timer:sleep(20),
    ok = on(A, syn, register, [?S, dup_p, PidP, 2]),
    ok = call(Q, {syn, register, ?S, dup_q, 2}),
    Scope = scope_of(C),
    cnode_syn:heal(A, C),
    all_have([A, B, C], [{dup_p, PidP, 2}, {dup_q, Q, 2} | OfA ++ OfB ++ OfC]),
    eventually(fun() -> [{'EXIT', Scope, {syn_resolve_kill, dup_p, 1}}] =:= call(P, flush) end, ?PATIENCE),
    ?assertMatch([{'EXIT', _, {syn_resolve_kill, dup_q, 1}}], kept(PidQ)),
    %% They go on, and may have another name.
    ok = call(P, {syn, register, ?S, instead, 3}),
    ok = on(A, syn, register, [?S, instead_q, PidQ, 3]),
    all_have([A, B, C], [{dup_p, PidP, 2}, {dup_q, Q, 2}, {instead, P, 3}, {instead_q, PidQ, 3} | OfA ++ OfB ++ OfC]),
    stop([C, A, B]).

at_once(Dir) ->
    {C, A, B, OfC, OfA, OfB} = three(Dir),
    Names = [{race, N} || N <- lists:seq(1, 200)],
    Probes = [probe(C) || _ <- Names],
    Agents = cnode_syn:agents(A, length(Names)),
    Me = self(),
    spawn_link(fun() ->
        [on(A, cnode_syn, safe, [register, [?S, Name, Pid, a]]) || {Name, Pid} <- lists:zip(Names, Agents)],
        Me ! done
    end),
    Requests = [gen_server:send_request(P, {syn, register, ?S, Name, c}) || {Name, P} <- lists:zip(Names, Probes)],
    [_ = gen_server:receive_response(Request, ?PATIENCE) || Request <- Requests],
    receive done -> ok after ?PATIENCE -> error(late) end,
    Table = agreed([A, B, C], registry, ?S, fun(T) ->
        length(T) =:= length(OfA ++ OfB ++ OfC) + length(Names)
    end),
    Winners = [Pid || {{race, _}, Pid, _} <- Table],
    ?assertEqual([], [Pid || Pid <- Winners, is_dead(Pid)]),
    stop([C, A, B]).

%% ------------------------------------------------------------------- clusters

versions_mixed() ->
    Dirs = cnode_syn:versions(),
    C = cnode_syn:start_c([?S]),
    Beams = [cnode_syn:start_beam(Dir, [?S]) || Dir <- Dirs],
    mesh(Beams ++ [C]),
    Nodes = Beams ++ [C],
    Entries = [{{N, X}, register_on(Beam, {N, X}, X), X} || {N, Beam} <- lists:enumerate(Beams), X <- lists:seq(1, 20)],
    OfC = [{{c, X}, register_c(C, {c, X}, X), X} || X <- lists:seq(1, 20)],
    all_have(Nodes, Entries ++ OfC),
    %% A third of all end, some change, all while the first link comes and goes.
    [First | _] = Beams,
    cnode_syn:split(First, C),
    [
        case N rem 3 of
            0 -> end_it(Pid);
            1 -> update(Beams, C, Name, Pid);
            2 -> ok
        end
     || {N, {Name, Pid, _}} <- lists:enumerate(Entries ++ OfC)
    ],
    cnode_syn:heal(First, C),
    Expected = [{Name, Pid, case N rem 3 of 1 -> new; _ -> X end} || {N, {Name, Pid, X}} <- lists:enumerate(Entries ++ OfC), N rem 3 > 0],
    all_have(Nodes, Expected),
    stop(Nodes).

end_it(Pid) ->
    gen_server:cast(Pid, {exit, normal}), % a C process
    Pid ! {exit, normal}.

update(Beams, C, Name, Pid) ->
    case [Beam || {_, Node} = Beam <- Beams, Node =:= node(Pid)] of
        [Beam] -> ok = on(Beam, syn, register, [?S, Name, Pid, new]);
        [] -> ok = call(C, {syn, register, ?S, Name, new, Pid})
    end.

flood() ->
    Dir = lists:last(cnode_syn:versions()),
    C = cnode_syn:start_c([?S]),
    A = cnode_syn:start_beam(Dir, [?S]),
    connect(A, C),
    ok = on(A, cnode_syn, begin_flood, [?S, 100000]),
    eventually(fun() -> 100000 =:= call(C, {syn, count, ?S, name_of(A)}) end, 120000),
    %% As many as one node has, and all of them in one list, to a new member.
    B = cnode_syn:start_beam(Dir, [?S]),
    Probes = [probe(C) || _ <- lists:seq(1, 20000)],
    [cnode_syn:cast(P, {syn, register, ?S, {flood, c, P}, m}) || P <- Probes],
    connect(B, C),
    connect(B, A),
    eventually(fun() -> 20000 =:= on(A, syn, registry_count, [?S, name_of(C)]) end, 120000),
    eventually(fun() -> 20000 =:= on(B, syn, registry_count, [?S, name_of(C)]) end, 120000),
    eventually(fun() -> 120000 =:= on(B, syn, registry_count, [?S]) end, 120000),
    ?assertEqual(120000, call(C, {syn, count, ?S})),
    %% And gone.
    cnode_syn:kill_beam(A),
    eventually(fun() -> 20000 =:= call(C, {syn, count, ?S}) end, 120000),
    stop([C, B]).

release(Dir, Release) ->
    C = cnode_syn:start_c([?S]),
    A = cnode_syn:start_beam(Dir, [?S], {otp, Release}),
    ?assertEqual(Release, on(A, erlang, system_info, [otp_release])),
    P = register_c(C, before, #{a => 1}),
    connect(A, C),
    Pid = register_on(A, of_a, #{b => 2}),
    all_have([C, A], [{before, P, #{a => 1}}, {of_a, Pid, #{b => 2}}]),
    ok = on(A, syn, register, [?S, for_c, P, meta]),
    Q = probe(C),
    ok = call(Q, {syn, register, ?S, for_a, meta, Pid}),
    all_have([C, A], [{before, P, #{a => 1}}, {of_a, Pid, #{b => 2}}, {for_c, P, meta}, {for_a, Pid, meta}]),
    ?assertEqual(7, on(A, gen_server, call, [{via, syn, {?S, before}}, {echo, 7}])),
    ?assertEqual({ok, {agent, 7}}, call(Q, {call, {via, syn, {?S, of_a}}, 7, 5000})),
    ok = call(P, {syn, join, ?S, group, p}),
    ok = on(A, syn, join, [?S, group, Pid, a]),
    agreed([C, A], pg, ?S, [{group, P, p}, {group, Pid, a}]),
    {Replies, []} = on(A, syn, multi_call, [?S, group, {echo, 1}, 5000]),
    ?assertEqual(lists:sort([{{P, p}, 1}, {{Pid, a}, {got, {echo, 1}, a}}]), lists:sort(Replies)),
    {Others, []} = call(C, {syn, multi_call, ?S, group, {echo, 2}, 5000}),
    ?assertEqual(lists:sort([{{P, p}, 2}, {{Pid, a}, {got, {echo, 2}, a}}]), lists:sort(Others)),
    cnode_syn:cast(P, {exit, normal}),
    Pid ! {exit, normal},
    all_have([C, A], []),
    agreed([C, A], pg, ?S, []),
    stop([C, A]).
