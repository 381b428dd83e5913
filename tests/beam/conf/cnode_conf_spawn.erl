%% SPDX-License-Identifier: Apache-2.0
%%
%% spawn_request in both directions: on the node under test, and by it.
-module(cnode_conf_spawn).

-include("cnode_conf.hrl").

%% ------------------------------------------------------ on the node under test
%% A C node runs no Erlang: what is asked of both here is what they have in
%% common, functions that do not exist and requests that are wrong.

'an unknown function ends with undef'(#{node := Node}) ->
    {P, Monitor} = spawn_monitor(Node, no_such_module, f, [1, two]),
    Node = node(P),
    {undef, [{no_such_module, f, [1, two], []}]} = down(Monitor).

'an unknown function ends its linked parent with undef'(#{node := Node}) ->
    process_flag(trap_exit, true),
    P = spawn_link(Node, no_such_module, f, []),
    {undef, [{no_such_module, f, [], []}]} = exit_of(P).

'a spawned pid is of that node'(#{node := Node} = C) ->
    P = spawn(Node, no_such_module, f, []),
    Node = node(P),
    quiet(probe(C)).

'spawn_opt with link and monitor'(#{node := Node}) ->
    process_flag(trap_exit, true),
    {P, Monitor} = spawn_opt(Node, no_such_module, f, [], [link, monitor]),
    {undef, _} = exit_of(P),
    {undef, _} = down(Monitor).

'spawn_opt with options of the heap'(#{node := Node}) ->
    {_, Monitor} = spawn_opt(Node, no_such_module, f, [], [monitor, {min_heap_size, 1000}, {fullsweep_after, 0}, {priority, high}]),
    {undef, _} = down(Monitor).

'spawn_request is answered'(#{node := Node} = C) ->
    Request = spawn_request(Node, no_such_module, f, [], []),
    {spawn_reply, Request, ok, P} = ?GOT({spawn_reply, Request, _, _}),
    Node = node(P),
    quiet(probe(C)).

'spawn_request with monitor: its reference is the request'(#{node := Node}) ->
    Request = spawn_request(Node, no_such_module, f, [], [monitor]),
    {spawn_reply, Request, ok, P} = ?GOT({spawn_reply, Request, _, _}),
    {'DOWN', Request, process, P, {undef, _}} = ?GOT({'DOWN', _, _, _, _}).

'the reply comes before the DOWN'(#{node := Node}) ->
    [
        begin
            Request = spawn_request(Node, no_such_module, f, [], [monitor, link]),
            process_flag(trap_exit, true),
            [spawn_reply, rest, rest] = [
                receive
                    {spawn_reply, Request, ok, _} -> spawn_reply;
                    {'DOWN', Request, _, _, _} -> rest;
                    {'EXIT', _, _} -> rest
                after 5000 -> none
                end
             || _ <- [1, 2, 3]
            ]
        end
     || _ <- lists:seq(1, 20)
    ].

'spawn_request with a tag of its own'(#{node := Node}) ->
    Request = spawn_request(Node, no_such_module, f, [], [{reply_tag, {my, tag}}]),
    _ = ?GOT({{my, tag}, Request, ok, _}).

'spawn_request without an answer'(#{node := Node} = C) ->
    _ = spawn_request(Node, no_such_module, f, [], [{reply, no}]),
    _ = spawn_request(Node, no_such_module, f, [], [{reply, error_only}]),
    quiet(probe(C)).

'spawn_request with an option nobody knows'(#{node := Node}) ->
    Request = spawn_request(Node, no_such_module, f, [], [{no_such, option}, monitor]),
    {spawn_reply, Request, error, badopt} = ?GOT({spawn_reply, Request, _, _}).

'spawn_request with a wrong value of an option'(#{node := Node}) ->
    Request = spawn_request(Node, no_such_module, f, [], [{priority, whatever}]),
    {spawn_reply, Request, error, badopt} = ?GOT({spawn_reply, Request, _, _}).

'spawn_request can be abandoned'(#{node := Node} = C) ->
    P = probe(C),
    Request = spawn_request(Node, no_such_module, f, [], [monitor]),
    _ = spawn_request_abandon(Request),
    barrier(P),
    barrier(P),
    true = lists:all(fun(M) -> element(2, M) =:= Request end, messages()).

'spawn_request with many arguments'(#{node := Node}) ->
    Args = lists:seq(1, 255),
    {_, Monitor} = spawn_monitor(Node, no_such_module, f, Args),
    {undef, [{no_such_module, f, Args, []}]} = down(Monitor).

'spawn_request with large arguments'(#{node := Node}) ->
    Big = big(200000),
    {_, Monitor} = spawn_monitor(Node, no_such_module, f, [Big]),
    {undef, [{no_such_module, f, [Got], []}]} = down(Monitor),
    true = Got =:= Big.

'spawn_request with a trace token'(#{node := Node}) ->
    _ = seq_trace:set_token(label, 17),
    {_, Monitor} = spawn_monitor(Node, no_such_module, f, []),
    _ = seq_trace:set_token([]),
    {undef, _} = down(Monitor).

'a hundred spawns'(#{node := Node}) ->
    Monitors = [element(2, spawn_monitor(Node, no_such_module, f, [I])) || I <- lists:seq(1, 100)],
    [{undef, _} = down(M) || M <- Monitors].

'a parent may end before the reply'(#{node := Node} = C) ->
    [
        begin
            {_, M} = spawn_monitor(fun() -> spawn_request(Node, no_such_module, f, [], [link, monitor]) end),
            normal = down(M)
        end
     || _ <- lists:seq(1, 50)
    ],
    quiet(probe(C)).

'an unlinked child tells no more'(#{node := Node} = C) ->
    process_flag(trap_exit, true),
    P = spawn_link(Node, no_such_module, f, []),
    unlink(P),
    barrier(probe(C)),
    %% The exit was there before, or never comes.
    _ = receive {'EXIT', P, {undef, _}} -> ok after 0 -> ok end,
    quiet(probe(C)).

%% What a C node's configuration lists: a process of its own.
spawned(Node, Opts) -> spawn_opt(Node, cnode_conf_probe, spawned, [], Opts).

'what may be spawned lives'(#{node := Node}) ->
    P = spawn(Node, cnode_conf_probe, spawned, []),
    P = ask(P, self),
    Node = node(P),
    exit(P, kill).

'what is spawned is monitored'(#{node := Node}) ->
    {P, Monitor} = spawn_monitor(Node, cnode_conf_probe, spawned, []),
    x = ask(P, {echo, x}),
    P ! {exit, boom},
    boom = down(Monitor).

'what is spawned is linked, both ways'(#{node := Node}) ->
    process_flag(trap_exit, true),
    P = spawned(Node, [link]),
    x = ask(P, {echo, x}),
    P ! {exit, boom},
    boom = exit_of(P),
    Q = puppet(),
    R = on(Q, fun() -> spawned(Node, [link]) end),
    Monitor = monitor(process, R),
    x = ask(R, {echo, x}),
    exit(Q, boom),
    boom = down(Monitor).

'what is spawned with a link can be unlinked'(#{node := Node}) ->
    process_flag(trap_exit, true),
    {P, Monitor} = spawned(Node, [link, monitor]),
    unlink(P),
    P ! {exit, boom},
    boom = down(Monitor),
    [] = messages().

'what is spawned can be spoken to before the reply is there'(#{node := Node}) ->
    Requests = [spawn_request(Node, cnode_conf_probe, spawned, [], []) || _ <- lists:seq(1, 50)],
    Pids = [receive {spawn_reply, R, ok, P} -> P after 5000 -> error(no_reply) end || R <- Requests],
    [P = ask(P, self) || P <- Pids],
    50 = length(lists:usort(Pids)),
    [exit(P, kill) || P <- Pids].

'a spawn that is abandoned leaves nothing'(#{node := Node} = C) ->
    [
        begin
            R = spawn_request(Node, cnode_conf_probe, spawned, [], [link, monitor]),
            spawn_request_abandon(R)
        end
     || _ <- lists:seq(1, 20)
    ],
    quiet(probe(C)).

'what is spawned ends with the connection when it is linked'(C) ->
    #{node := Node} = start_target(C),
    process_flag(trap_exit, true),
    {P, Monitor} = spawned(Node, [link, monitor]),
    x = ask(P, {echo, x}),
    true = disconnect_node(Node),
    noconnection = exit_of(P),
    noconnection = down(Monitor),
    noproc = down(monitor(process, P)).

%% No Erlang runs on a C node.
'a fun to spawn'(#{node := Node, target := Target}) ->
    {_, Monitor} = spawn_monitor(Node, fun() -> exit(ran) end),
    case {Target, down(Monitor)} of
        {beam, ran} -> ok;
        {c, {undef, [{erlang, apply, [_, []], []}]}} -> ok
    end.

%% ------------------------------------------------------ by the node under test

'it spawns a process here'(C) ->
    P = probe(C),
    Request = ask(P, {spawn_request, node(), {cnode_conf_probe, tell, [self(), {hello, child}]}, []}),
    true = is_reference(Request),
    _ = ?GOT({hello, child}),
    [{spawn_reply, Request, ok, Child}] = flushed(P, 1),
    true = node(Child) =:= node().

'it monitors the child'(C) ->
    P = probe(C),
    Request = ask(P, {spawn_request, node(), {cnode_conf_probe, run, [fun() -> exit(done) end]}, [monitor]}),
    [{spawn_reply, Request, ok, Child}, {'DOWN', Request, process, Child, done}] = flushed(P, 2).

'it links to the child'(C) ->
    P = probe(C),
    false = ask(P, {trap_exit, true}),
    Request = ask(P, {spawn_request, node(), {cnode_conf_probe, run, [fun() -> exit(done) end]}, [link]}),
    [{spawn_reply, Request, ok, Child}, {'EXIT', Child, done}] = flushed(P, 2).

'its end ends the linked child'(C) ->
    P = probe(C),
    Request = ask(P, {spawn_request, node(), {cnode_conf_probe, wait, []}, [link]}),
    [{spawn_reply, Request, ok, Child}] = flushed(P, 1),
    Monitor = monitor(process, Child),
    exit(P, boom),
    boom = down(Monitor).

'the child ends it when it is linked'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    _ = ask(P, {spawn_request, node(), {cnode_conf_probe, run, [fun() -> exit(boom) end]}, [link]}),
    boom = down(Monitor).

'it links and monitors'(C) ->
    P = probe(C),
    false = ask(P, {trap_exit, true}),
    Request = ask(P, {spawn_request, node(), {cnode_conf_probe, run, [fun() -> exit(done) end]}, [link, monitor]}),
    [{spawn_reply, Request, ok, Child} | Rest] = flushed(P, 3),
    true = lists:sort(Rest) =:= lists:sort([{'EXIT', Child, done}, {'DOWN', Request, process, Child, done}]).

'it monitors the child with a tag of its own'(C) ->
    P = probe(C),
    Args = {cnode_conf_probe, run, [fun() -> exit(done) end]},
    Request = ask(P, {spawn_request, node(), Args, [{monitor, [{tag, {gone, 1}}]}]}),
    [{spawn_reply, Request, ok, Child}, {{gone, 1}, Request, process, Child, done}] = flushed(P, 2).

'its request is an alias while it monitors the child'(C) ->
    P = probe(C),
    Args = {cnode_conf_probe, wait, []},
    Request = ask(P, {spawn_request, node(), Args, [{monitor, [{alias, demonitor}]}]}),
    [{spawn_reply, Request, ok, Child}] = flushed(P, 1),
    Request ! one,
    [one] = flushed(P, 1),
    Child ! stop,
    [{'DOWN', Request, process, Child, _}] = flushed(P, 1),
    Request ! two,
    barrier(P),
    [] = flush(P).

'it takes the monitor of a child back'(C) ->
    P = probe(C),
    Request = ask(P, {spawn_request, node(), {cnode_conf_probe, wait, []}, [monitor]}),
    [{spawn_reply, Request, ok, Child}] = flushed(P, 1),
    true = ask(P, {demonitor, Request}),
    barrier(P),
    Child ! stop,
    M = monitor(process, Child),
    _ = down(M),
    barrier(P),
    [] = flush(P).

'it spawns a function that does not exist'(C) ->
    P = probe(C),
    Request = ask(P, {spawn_request, node(), {no_such_module, f, [1]}, [monitor]}),
    [{spawn_reply, Request, ok, Child}, {'DOWN', Request, process, Child, Reason}] = flushed(P, 2),
    {undef, [{no_such_module, f, [1], []}]} = Reason.

'it spawns with an option nobody knows'(C) ->
    P = probe(C),
    Request = ask(P, {spawn_request, node(), {cnode_conf_probe, wait, []}, [{no_such, option}]}),
    [{spawn_reply, Request, error, badopt}] = flushed(P, 1).

'it spawns where nobody is'(C) ->
    P = probe(C),
    Request = ask(P, {spawn_request, 'nobody@127.0.0.1', {cnode_conf_probe, wait, []}, [monitor]}),
    [{spawn_reply, Request, error, noconnection}] = flushed(P, 1).

'it spawns on a third node'(#{third := Third} = C) ->
    P = probe(C),
    _ = ask(P, {spawn_request, Third, {cnode_conf_probe, tell, [self(), {hello, third}]}, []}),
    _ = ?GOT({hello, third}).

'it spawns on its own node what does not exist'(#{node := Node} = C) ->
    P = probe(C),
    Request = ask(P, {spawn_request, Node, {no_such_module, f, [1]}, [monitor]}),
    [{spawn_reply, Request, ok, Child}, {'DOWN', Request, process, Child, Reason}] = flushed(P, 2),
    Node = node(Child),
    {undef, [{no_such_module, f, [1], []}]} = Reason.

'the child knows it as its parent\'s node'(#{node := Node} = C) ->
    P = probe(C),
    Me = self(),
    _ = ask(P, {spawn_request, node(), {cnode_conf_probe, run, [fun() -> Me ! {links, process_info(self(), links)} end]}, [link]}),
    {links, {links, [P]}} = ?GOT({links, _}),
    Node = node(P).

%% A group leader that nobody serves would make every output there fail.
'the child can write'(C) ->
    Me = self(),
    Run = fun() -> Me ! {written, io:put_chars("")} end,
    _ = ask(probe(C), {spawn_request, node(), {cnode_conf_probe, run, [Run]}, []}),
    {written, ok} = ?GOT({written, _}).

'it spawns with large arguments'(C) ->
    Big = big(200000),
    _ = ask(probe(C), {spawn_request, node(), {cnode_conf_probe, tell, [self(), {big, Big}]}, []}),
    {big, Got} = ?GOT({big, _}),
    true = Got =:= Big.

'it spawns a hundred'(C) ->
    P = probe(C),
    Requests = [
        ask(P, {spawn_request, node(), {cnode_conf_probe, tell, [self(), {child, I}]}, []})
     || I <- lists:seq(1, 100)
    ],
    [_ = ?GOT({child, I}) || I <- lists:seq(1, 100)],
    Replies = flushed(P, 100),
    true = lists:sort(Requests) =:= lists:sort([R || {spawn_reply, R, ok, _} <- Replies]).

'a request to spawn nonsense is a badarg'(C) ->
    P = probe(C),
    {error, badarg} = ask(P, {spawn_request, node(), {"m", f, []}, []}),
    {error, badarg} = ask(P, {spawn_request, node(), {m, f, not_a_list}, []}),
    {error, badarg} = ask(P, {spawn_request, node(), {m, f, []}, not_a_list}).
