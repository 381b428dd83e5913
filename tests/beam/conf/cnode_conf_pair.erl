%% SPDX-License-Identifier: Apache-2.0
%%
%% Two nodes under test with each other; this node only tells them what to do.
-module(cnode_conf_pair).

-include("cnode_conf.hrl").

limit(_) -> 30000.

%% A probe on each, of which the second is known to the first.
pair(C) ->
    Other = start_target(C),
    {probe(C), probe(Other), Other}.

'they call each other'(C) ->
    {P, Q, #{probe := Service}} = pair(C),
    {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
    {ok, y} = ask(Q, {call, P, {echo, y}, 5000}),
    {ok, Pid} = ask(P, {call, Service, self, 5000}),
    true = node(Pid) =:= node(Q),
    {ok, {ok, {ok, P}}} = ask(Q, {call, P, {call, Q, {call, P, self, 5000}, 5000}, 5000}).

'calls of nobody are noproc'(C) ->
    {P, Q, #{node := Node}} = pair(C),
    {error, noproc} = ask(P, {call, {name(), Node}, x, 5000}),
    {error, noproc} = ask(P, {call, never(Q), x, 5000}),
    {error, boom} = ask(P, {call, Q, {exit, boom}, 5000}).

'they send by pid, name and alias'(C) ->
    {P, Q, #{node := Node}} = pair(C),
    Name = name(),
    true = ask(Q, {register, Name}),
    Alias = ask(Q, alias),
    [P ! {send, Dest, {n, I}} || {I, Dest} <- lists:zip(lists:seq(1, 30), lists:append(lists:duplicate(10, [Q, {Name, Node}, Alias])))],
    true = [{n, I} || I <- lists:seq(1, 30)] =:= flushed(Q, 30),
    true = ask(Q, {unalias, Alias}),
    ok = ask(P, {send, Alias, lost}),
    ok = ask(P, {send, Q, kept}),
    [kept] = flushed(Q, 1).

'bursts and large messages keep their order'(C) ->
    {P, Q, _} = pair(C),
    [P ! {send, Q, {n, I, case I rem 5 of 0 -> big(200000); _ -> small end}} || I <- lists:seq(1, 100)],
    true = lists:seq(1, 100) =:= [I || {n, I, _} <- flushed(Q, 100)],
    ok = ask(P, {burst, Q, 5000}),
    true = [{burst, I} || I <- lists:seq(1, 5000)] =:= flushed(Q, 5000).

'terms survive the way'(C) ->
    {P, Q, _} = pair(C),
    Terms = [1 bsl 100, -1, 1.5, 'é', "text", [a | b], <<1:3>>, #{{a} => self()}, make_ref(), fun() -> Q end, fun erlang:node/0],
    [{ok, Term} = ask(P, {call, Q, {echo, Term}, 5000}) || Term <- Terms],
    Big = big(5000000),
    {ok, Got} = gen_server:call(P, {call, Q, {echo, Big}, 15000}, 15000),
    true = Got =:= Big.

'monitors tell reasons'(C) ->
    {P, _, #{node := Node} = Other} = pair(C),
    [
        begin
            Q = probe(Other),
            M = ask(P, {monitor, Q}),
            barrier(P),
            {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
            exit(Q, Reason),
            [{'DOWN', M, process, Q, Got}] = flushed(P, 1),
            true = Got =:= Reason
        end
     || Reason <- exit_reasons()
    ],
    Name = name(),
    R = probe(Other, Name),
    M2 = ask(P, {monitor, {Name, Node}}),
    {ok, x} = ask(P, {call, R, {echo, x}, 5000}),
    exit(R, boom),
    [{'DOWN', M2, process, {Name, Node}, boom}] = flushed(P, 1),
    M3 = ask(P, {monitor, {Name, Node}}),
    [{'DOWN', M3, process, {Name, Node}, noproc}] = flushed(P, 1),
    M4 = ask(P, {monitor, R}),
    [{'DOWN', M4, process, R, noproc}] = flushed(P, 1).

'a monitor taken back is silent'(C) ->
    {P, Q, Other} = pair(C),
    M = ask(P, {monitor, Q}),
    true = ask(P, {demonitor, M}),
    {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
    exit(Q, boom),
    R = probe(Other),
    {ok, y} = ask(P, {call, R, {echo, y}, 5000}),
    [] = flush(P).

'links tell reasons'(C) ->
    {P, _, Other} = pair(C),
    false = ask(P, {trap_exit, true}),
    [
        begin
            Q = probe(Other),
            true = ask(P, {link, Q}),
            {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
            exit(Q, Reason),
            [{'EXIT', Q, Got}] = flushed(P, 1),
            true = Got =:= Reason
        end
     || Reason <- exit_reasons()
    ].

'a link ends one who does not trap'(C) ->
    {P, Q, _} = pair(C),
    true = ask(P, {link, Q}),
    {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
    M = monitor(process, P),
    barrier(P),
    exit(Q, boom),
    boom = down(M).

'links from both sides, unlinks that cross'(C) ->
    {P, Q, _} = pair(C),
    [false = ask(X, {trap_exit, true}) || X <- [P, Q]],
    [
        begin
            P ! {link, Q},
            Q ! {link, P},
            P ! {unlink, Q},
            Q ! {unlink, P},
            {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
            {ok, y} = ask(Q, {call, P, {echo, y}, 5000})
        end
     || _ <- lists:seq(1, 50)
    ],
    true = ask(P, {link, Q}),
    {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
    exit(Q, kill),
    [{'EXIT', Q, killed}] = flushed(P, 1).

'exit/2 between them'(C) ->
    {P, Q, _} = pair(C),
    false = ask(Q, {trap_exit, true}),
    true = ask(P, {exit, Q, {some, "reason"}}),
    true = ask(P, {exit, Q, normal}),
    [{'EXIT', P, {some, "reason"}}, {'EXIT', P, normal}] = flushed(Q, 2),
    M = monitor(process, Q),
    barrier(Q),
    true = ask(P, {exit, Q, kill}),
    killed = down(M).

'they spawn at each other what does not exist'(C) ->
    {P, _, #{node := Node}} = pair(C),
    Ref = ask(P, {spawn_request, Node, {no_such_module, f, [1]}, [monitor]}),
    [{spawn_reply, Ref, ok, Child}, {'DOWN', Ref, process, Child, {undef, [{no_such_module, f, [1], []}]}}] = flushed(P, 2),
    Node = node(Child),
    Ref2 = ask(P, {spawn_request, Node, {no_such_module, f, [1]}, [{no_such, option}]}),
    [{spawn_reply, Ref2, error, badopt}] = flushed(P, 1).

'they spawn probes at each other'(C) ->
    {P, _, #{node := Node}} = pair(C),
    false = ask(P, {trap_exit, true}),
    Ref = ask(P, {spawn_request, Node, {cnode_conf_probe, spawned, []}, [link, monitor]}),
    [{spawn_reply, Ref, ok, Child}] = flushed(P, 1),
    {ok, x} = ask(P, {call, Child, {echo, x}, 5000}),
    exit(Child, boom),
    true = lists:sort([{'EXIT', Child, boom}, {'DOWN', Ref, process, Child, boom}]) =:= lists:sort(flushed(P, 2)).

'erpc between them'(C) ->
    {P, _, #{node := Node}} = pair(C),
    {ok, Node} = ask(P, {erpc, Node, erlang, node, [], 5000}),
    {error, error, {exception, undef, [{no_such_module, f, [], _} | _]}} = ask(P, {erpc, Node, no_such_module, f, [], 5000}).

'one that is killed is noconnection for the other'(C) ->
    {P, Q, Other} = pair(C),
    false = ask(P, {trap_exit, true}),
    M = ask(P, {monitor, Q}),
    true = ask(P, {link, Q}),
    Call = gen_server:send_request(P, {call, Q, noreply, 20000}),
    {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
    kill_target(Other),
    {reply, {error, Reason}} = gen_server:receive_response(Call, 5000),
    true = lists:member(Reason, [noconnection, {nodedown, node(Q)}]),
    true = lists:sort([{'DOWN', M, process, Q, noconnection}, {'EXIT', Q, noconnection}]) =:= lists:sort(flushed(P, 2)),
    eventually(fun() -> not lists:member(node(Q), ask(P, nodes) ++ ask(P, {nodes, hidden})) end).

'one that comes back is another one'(C) ->
    {P, Q, #{name := Name} = Other} = pair(C),
    M = ask(P, {monitor, Q}),
    {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
    kill_target(Other),
    [{'DOWN', M, process, Q, noconnection}] = flushed(P, 1),
    Again = eventually(fun() -> try start_target(C, #{name => Name}) catch _:_ -> false end end),
    R = probe(Again),
    {ok, y} = ask(P, {call, R, {echo, y}, 5000}),
    {error, noproc} = ask(P, {call, Q, {echo, x}, 5000}).

'they cut and make their connection'(#{node := Here} = C) ->
    {P, Q, #{node := Node}} = pair(C),
    false = ask(P, {trap_exit, true}),
    [
        begin
            true = ask(P, {connect, Node}),
            M = ask(P, {monitor, Q}),
            {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
            true = ask(P, {disconnect, Node}),
            [{'DOWN', M, process, Q, noconnection}] = flushed(P, 1)
        end
     || _ <- lists:seq(1, 10)
    ],
    %% The other may not have seen yet that it is cut.
    eventually(fun() -> not lists:member(Here, ask(Q, nodes) ++ ask(Q, {nodes, hidden})) end),
    {ok, y} = ask(Q, {call, P, {echo, y}, 5000}).

'they dial each other at once'(#{node := Here} = C) ->
    {P, Q, #{node := Node}} = pair(C),
    [
        begin
            A = gen_server:send_request(P, {connect, Node}),
            B = gen_server:send_request(Q, {connect, Here}),
            {reply, true} = gen_server:receive_response(A, 5000),
            {reply, true} = gen_server:receive_response(B, 5000),
            {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
            {ok, y} = ask(Q, {call, P, {echo, y}, 5000}),
            true = ask(P, {disconnect, Node}),
            eventually(fun() -> not lists:member(Here, ask(Q, nodes) ++ ask(Q, {nodes, hidden})) end)
        end
     || _ <- lists:seq(1, 20)
    ].

'a group of both'(#{visible := false}) ->
    {skip, "pg leaves hidden nodes out"};
'a group of both'(C) ->
    {P, Q, _} = pair(C),
    Group = name(),
    ok = ask(P, {pg, join, pg, Group}),
    ok = ask(Q, {pg, join, pg, Group}),
    {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
    All = lists:sort([P, Q]),
    [eventually(fun() -> All =:= lists:sort(ask(X, {pg, members, pg, Group})) end) || X <- [P, Q]],
    exit(Q, boom),
    eventually(fun() -> [P] =:= ask(P, {pg, members, pg, Group}) end).
