%% SPDX-License-Identifier: Apache-2.0
%%
%% Between two processes nothing overtakes anything, whatever its kind or size.
-module(cnode_conf_order).

-include("cnode_conf.hrl").

%% Sizes that are one frame, several fragments, and many.
padding(I) ->
    case I rem 7 of
        0 -> big(200000);
        3 -> big(70000);
        5 -> big(65536);
        _ -> small
    end.

'messages of mixed sizes from one sender'(C) ->
    P = probe(C),
    [P ! {n, I, padding(I)} || I <- lists:seq(1, 200)],
    numbers(200, flush(P)).

numbers(Count, Messages) ->
    true = lists:seq(1, Count) =:= [element(2, M) || M <- Messages].

'messages of mixed sizes from many senders'(C) ->
    P = probe(C),
    Senders = [
        spawn_monitor(fun() -> [P ! {S, I, padding(I + S)} || I <- lists:seq(1, 50)] end)
     || S <- lists:seq(1, 20)
    ],
    [normal = down(M) || {_, M} <- Senders],
    Got = flushed(P, 20 * 50),
    [true = lists:seq(1, 50) =:= [I || {S1, I, _} <- Got, S1 =:= S] || S <- lists:seq(1, 20)].

'all kinds of signals from one sender'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    false = ask(P, {trap_exit, true}),
    Alias = ask(P, alias),
    Me = self(),
    [
        case I rem 4 of
            0 -> P ! {n, I, padding(I)};
            1 -> {Name, Node} ! {n, I, padding(I)};
            2 -> Alias ! {n, I, padding(I)};
            3 -> exit(P, {n, I, padding(I)})
        end
     || I <- lists:seq(1, 200)
    ],
    numbers(200, [case M of {'EXIT', Me, N} -> N; _ -> M end || M <- flush(P)]).

'links and messages of one sender'(C) ->
    P = probe(C),
    false = ask(P, {trap_exit, true}),
    [
        begin
            Q = puppet(),
            Q ! {do, self(), ref, fun() ->
                P ! {n, 1, padding(I)},
                link(P),
                P ! {n, 2, padding(I + 1)},
                exit({n, 3, padding(I + 2)})
            end},
            numbers(3, [case M of {'EXIT', Q, N} -> N; _ -> M end || M <- flushed(P, 3)])
        end
     || I <- lists:seq(1, 14)
    ].

'an end comes after all that was sent before'(C) ->
    P = probe(C),
    [
        begin
            Q = puppet(),
            M = ask(P, {monitor, Q}),
            Q ! {do, self(), ref, fun() ->
                [P ! {n, J, padding(I + J)} || J <- lists:seq(1, 10)],
                exit({n, 11})
            end},
            numbers(11, [case T of {'DOWN', M, process, Q, N} -> N; _ -> T end || T <- flushed(P, 11)])
        end
     || I <- lists:seq(1, 7)
    ].

'a call after a large cast finds it done'(C) ->
    P = probe(C),
    Alias = ask(P, alias),
    [
        begin
            gen_server:cast(P, {send, self(), {cast, I, padding(I)}}),
            Alias ! {kept, I, padding(I + 3)},
            [{kept, I, _}] = flush(P),
            receive {cast, I, _} -> ok after 0 -> error({not_done, I}) end
        end
     || I <- lists:seq(1, 50)
    ].

'a name registered by an earlier message is there'(#{node := Node} = C) ->
    P = probe(C),
    [
        begin
            Name = name(),
            P ! {n, I, padding(I)},
            P ! {register, Name},
            barrier(P),
            P = ask({Name, Node}, self),
            P ! {unregister, Name},
            barrier(P)
        end
     || I <- lists:seq(1, 20)
    ].

'messages of mixed sizes from there'(C) ->
    P = probe(C),
    [P ! {send, self(), {n, I, padding(I)}} || I <- lists:seq(1, 200)],
    [receive {n, J, _} when J =:= I -> ok; {n, J, _} -> error({I, J}) after 5000 -> error({lost, I}) end || I <- lists:seq(1, 200)].

'messages of mixed sizes from many there'(C) ->
    Probes = [probe(C) || _ <- lists:seq(1, 10)],
    [P ! {send, self(), {P, I, padding(I)}} || I <- lists:seq(1, 50), P <- Probes],
    [receive {P, J, _} -> J = I after 5000 -> error({lost, I}) end || P <- Probes, I <- lists:seq(1, 50)].

'all kinds of signals from there'(C) ->
    process_flag(trap_exit, true),
    P = probe(C),
    Name = name(),
    register(Name, self()),
    Alias = alias(),
    [
        case I rem 4 of
            0 -> P ! {send, self(), {n, I, padding(I)}};
            1 -> P ! {send, {Name, node()}, {n, I, padding(I)}};
            2 -> P ! {send, Alias, {n, I, padding(I)}};
            3 -> P ! {exit, self(), {n, I, padding(I)}}
        end
     || I <- lists:seq(1, 200)
    ],
    barrier_behind(P),
    numbers(200, [case M of {'EXIT', P, N} -> N; _ -> M end || M <- messages()]).

%% A call here would look for its reply only.
barrier_behind(P) ->
    Request = gen_server:send_request(P, {echo, behind}),
    {reply, behind} = gen_server:receive_response(Request, 10000).

'its end comes after all that it sent'(C) ->
    process_flag(trap_exit, true),
    [
        begin
            P = probe(C),
            link(P),
            M = monitor(process, P),
            [P ! {send, self(), {n, J, padding(I + J)}} || J <- lists:seq(1, 10)],
            P ! {exit, {n, 11, padding(I)}},
            [receive {n, J, _} -> ok; {'EXIT', _, _} -> error(early); {'DOWN', _, _, _, _} -> error(early) end || J <- lists:seq(1, 10)],
            {n, 11, _} = down(M),
            {n, 11, _} = exit_of(P)
        end
     || I <- lists:seq(1, 7)
    ].

'a reply comes after what was sent before it'(C) ->
    P = probe(C),
    [
        begin
            ok = ask(P, {send, self(), {before, I, padding(I)}}),
            receive {before, I, _} -> ok after 0 -> error({not_there, I}) end
        end
     || I <- lists:seq(1, 100)
    ].

'a spawned child comes after what its parent sent'(C) ->
    P = probe(C),
    Me = self(),
    P ! {send, Me, {n, 1, big(300000)}},
    P ! {spawn_request, node(), {cnode_conf_probe, tell, [Me, {n, 2}]}, []},
    _ = ?GOT({n, 2}),
    receive {n, 1, _} -> ok after 0 -> error(overtaken) end.

'messages between two processes there'(C) ->
    {P, Q} = {probe(C), probe(C)},
    Alias = ask(Q, alias),
    [
        case I rem 2 of
            0 -> P ! {send, Q, {n, I, padding(I)}};
            1 -> P ! {send, Alias, {n, I, padding(I)}}
        end
     || I <- lists:seq(1, 100)
    ],
    numbers(100, flushed(Q, 100)).

'bursts of ten processes there'(C) ->
    %% A puppet leaves in its mailbox what it is not told to do.
    Collectors = [
        begin
            Q = puppet(),
            P = probe(C),
            ok = ask(P, {burst, Q, 2000}),
            Q
        end
     || _ <- lists:seq(1, 10)
    ],
    [
        eventually(fun() -> {messages, [{burst, I} || I <- lists:seq(1, 2000)]} =:= process_info(Q, messages) end)
     || Q <- Collectors
    ].

'small messages do not wait for large ones of others'(C) ->
    {P, Q} = {probe(C), probe(C)},
    Big = big(30000000),
    Me = self(),
    spawn_link(fun() -> Me ! {big, gen_server:call(P, {echo, Big}, 15000) =:= Big} end),
    Times = [element(1, timer:tc(fun() -> ask(Q, {echo, I}) end)) || I <- lists:seq(1, 200)],
    {big, true} = receive {big, _} = M -> M after 15000 -> none end,
    true = lists:max(Times) < 3000000.

'a sender that ends in the middle of a large message'(C) ->
    P = probe(C),
    [
        begin
            Big = big(5000000),
            {S, M} = spawn_monitor(fun() -> P ! {big, Big} end),
            exit(S, kill),
            _ = down(M),
            x = ask(P, {echo, x})
        end
     || _ <- lists:seq(1, 10)
    ],
    [true = byte_size(B) =:= 5000000 || {big, B} <- flush(P)].

'a receiver that ends in the middle of large messages'(C) ->
    Other = probe(C),
    [
        begin
            P = probe(C),
            M = monitor(process, P),
            Big = big(3000000),
            spawn(fun() -> P ! {big, Big} end),
            exit(P, kill),
            killed = down(M),
            x = ask(Other, {echo, x})
        end
     || _ <- lists:seq(1, 10)
    ].

'a receiver here that ends in the middle of large messages'(C) ->
    P = probe(C),
    [
        begin
            Q = puppet(),
            P ! {send, Q, {big, big(3000000)}},
            exit(Q, kill),
            x = ask(P, {echo, x})
        end
     || _ <- lists:seq(1, 10)
    ].

'large terms of all kinds of signals at once'(C) ->
    P = probe(C),
    false = ask(P, {trap_exit, true}),
    Big = big(300000),
    Me = self(),
    Senders = [
        spawn_monitor(fun() ->
            P ! {message, S, Big},
            exit(P, {exit, S, Big}),
            Me ! {S, gen_server:call(P, {echo, {S, Big}}, 10000)},
            link(P),
            exit({linked, S, Big})
        end)
     || S <- lists:seq(1, 10)
    ],
    [{linked, _, Big} = down(M) || {_, M} <- Senders],
    [_ = ?GOT({S, {S, Big}}) || S <- lists:seq(1, 10)],
    Got = flushed(P, 30),
    [
        [message, exit, linked] =
            [K || G <- Got, {K, S1, B} <- [case G of {'EXIT', _, E} -> E; _ -> G end], S1 =:= S, B =:= Big]
     || S <- lists:seq(1, 10)
    ].
