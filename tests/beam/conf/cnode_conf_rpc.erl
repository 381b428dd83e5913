%% SPDX-License-Identifier: Apache-2.0
%%
%% erpc and rpc: to the node under test, for what every node answers, and by it.
-module(cnode_conf_rpc).

-include("cnode_conf.hrl").

%% ------------------------------------------------------ to the node under test

'erpc of erlang:node/0'(#{node := Node}) -> Node = erpc:call(Node, erlang, node, []).

'erpc with a time-out'(#{node := Node}) -> Node = erpc:call(Node, erlang, node, [], 5000).

'erpc of nodes/0 and nodes/1'(#{node := Node, visible := Visible}) ->
    Kind = case Visible of true -> visible; false -> hidden end,
    true = lists:member(node(), erpc:call(Node, erlang, nodes, [connected])),
    %% Who is hidden has nobody visible beside it, but for the BEAM.
    _ = Kind,
    [Node] = erpc:call(Node, erlang, nodes, [this]),
    true = is_list(erpc:call(Node, erlang, nodes, [])),
    true = is_list(erpc:call(Node, erlang, nodes, [hidden])),
    true = is_list(erpc:call(Node, erlang, nodes, [known])).

'erpc of processes/0'(#{node := Node} = C) ->
    P = probe(C),
    Processes = erpc:call(Node, erlang, processes, []),
    true = lists:member(P, Processes),
    [Node] = lists:usort([node(Q) || Q <- Processes]).

'erpc of whereis/1'(#{node := Node, probe := Service}) ->
    Pid = ask(Service, self),
    Pid = erpc:call(Node, erlang, whereis, [probe]),
    undefined = erpc:call(Node, erlang, whereis, [name()]).

'erpc of registered/0'(#{node := Node} = C) ->
    Name = name(),
    _ = probe(C, Name),
    Names = erpc:call(Node, erlang, registered, []),
    true = lists:member(Name, Names),
    true = lists:member(probe, Names).

'erpc of is_process_alive/1'(#{node := Node} = C) ->
    P = probe(C),
    true = erpc:call(Node, erlang, is_process_alive, [P]),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(Monitor),
    false = erpc:call(Node, erlang, is_process_alive, [P]).

'erpc of process_info/1'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    Info = erpc:call(Node, erlang, process_info, [P]),
    Name = proplists:get_value(registered_name, Info),
    0 = proplists:get_value(message_queue_len, Info),
    [true = is_integer(proplists:get_value(K, Info)) || K <- [total_heap_size, heap_size, stack_size, reductions]],
    {M, F, A} = proplists:get_value(current_function, Info),
    true = is_atom(M) andalso is_atom(F) andalso is_integer(A),
    waiting = proplists:get_value(status, Info).

'erpc of process_info/2'(#{node := Node} = C) ->
    P = probe(C),
    Q = puppet(),
    true = ask(P, {link, Q}),
    _ = ask(P, {monitor, Q}),
    {links, [Q]} = erpc:call(Node, erlang, process_info, [P, links]),
    {monitors, [{process, Q}]} = erpc:call(Node, erlang, process_info, [P, monitors]),
    [] = erpc:call(Node, erlang, process_info, [P, registered_name]),
    {trap_exit, false} = erpc:call(Node, erlang, process_info, [P, trap_exit]),
    false = ask(P, {trap_exit, true}),
    {trap_exit, true} = erpc:call(Node, erlang, process_info, [P, trap_exit]),
    [{message_queue_len, 0}, {links, [Q]}] = erpc:call(Node, erlang, process_info, [P, [message_queue_len, links]]).

'erpc of process_info of one who is watched'(#{node := Node} = C) ->
    P = probe(C),
    _ = monitor(process, P),
    Me = self(),
    {monitored_by, [Me]} = erpc:call(Node, erlang, process_info, [P, monitored_by]).

'erpc of process_info of one who ended'(#{node := Node} = C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(Monitor),
    undefined = erpc:call(Node, erlang, process_info, [P]),
    undefined = erpc:call(Node, erlang, process_info, [P, links]),
    undefined = erpc:call(Node, erlang, process_info, [never(P), [links]]).

'erpc of process_info of nonsense is a badarg'(#{node := Node} = C) ->
    P = probe(C),
    {error, {exception, badarg, _}} = fails(fun() -> erpc:call(Node, erlang, process_info, [not_a_pid]) end),
    {error, {exception, badarg, _}} = fails(fun() -> erpc:call(Node, erlang, process_info, [P, no_such_item]) end),
    {error, {exception, badarg, _}} = fails(fun() -> erpc:call(Node, erlang, process_info, [self()]) end).

'erpc of system_info/1'(#{node := Node}) ->
    [
        true = is_integer(erpc:call(Node, erlang, system_info, [Item]))
     || Item <- [process_count, process_limit, schedulers, schedulers_online, wordsize, creation, atom_count, port_count]
    ],
    true = is_list(erpc:call(Node, erlang, system_info, [system_version])),
    true = is_list(erpc:call(Node, erlang, system_info, [otp_release])),
    {error, {exception, badarg, _}} = fails(fun() -> erpc:call(Node, erlang, system_info, [no_such_item]) end).

'system_info tells the creation of its pids'(#{node := Node} = C) ->
    Creation = erpc:call(Node, erlang, system_info, [creation]),
    P = term_to_binary(probe(C)),
    Creation = binary:decode_unsigned(binary:part(P, byte_size(P), -4)).

'erpc of memory/0 and memory/1'(#{node := Node}) ->
    Memory = erpc:call(Node, erlang, memory, []),
    [true = proplists:get_value(K, Memory) >= 0 || K <- [total, processes, system, atom, binary, code, ets]],
    true = erpc:call(Node, erlang, memory, [total]) > 0,
    {error, {exception, badarg, _}} = fails(fun() -> erpc:call(Node, erlang, memory, [no_such_kind]) end).

'erpc of statistics/1'(#{node := Node}) ->
    {Total, _} = erpc:call(Node, erlang, statistics, [reductions]),
    {Later, _} = erpc:call(Node, erlang, statistics, [reductions]),
    true = Later >= Total,
    {Up, _} = erpc:call(Node, erlang, statistics, [wall_clock]),
    true = is_integer(Up),
    {{input, In}, {output, Out}} = erpc:call(Node, erlang, statistics, [io]),
    true = is_integer(In) andalso is_integer(Out),
    true = is_integer(erpc:call(Node, erlang, statistics, [run_queue])).

'erpc of a function that does not exist'(#{node := Node}) ->
    {error, {exception, undef, [{no_such_module, f, [1, x], _} | _]}} =
        fails(fun() -> erpc:call(Node, no_such_module, f, [1, x]) end).

'erpc of an arity that does not exist'(#{node := Node}) ->
    {error, {exception, undef, [{erlang, node, [1, 2, 3], _} | _]}} =
        fails(fun() -> erpc:call(Node, erlang, node, [1, 2, 3]) end).

'erpc requests'(#{node := Node}) ->
    Requests = [erpc:send_request(Node, erlang, node, []) || _ <- lists:seq(1, 50)],
    [Node = erpc:receive_response(R, 5000) || R <- Requests],
    Bad = erpc:send_request(Node, no_such_module, f, []),
    {error, {exception, undef, _}} = fails(fun() -> erpc:receive_response(Bad, 5000) end).

'erpc:multicall'(#{node := Node, third := Third}) ->
    Unreachable = 'nobody@127.0.0.1',
    [{ok, Node}, {ok, Third}, {error, {erpc, noconnection}}] =
        erpc:multicall([Node, Third, Unreachable], erlang, node, []),
    [{error, {exception, undef, _}}] = erpc:multicall([Node], no_such_module, f, []).

'erpc:cast and erpc:multicast'(#{node := Node} = C) ->
    ok = erpc:cast(Node, no_such_module, f, []),
    ok = erpc:multicast([Node], no_such_module, f, []),
    ok = erpc:cast(Node, erlang, node, []),
    quiet(probe(C)).

'rpc:call'(#{node := Node}) ->
    Node = rpc:call(Node, erlang, node, []),
    Node = rpc:call(Node, erlang, node, [], 5000),
    {badrpc, {'EXIT', {undef, [{no_such_module, f, [], _} | _]}}} = rpc:call(Node, no_such_module, f, []).

'rpc:cast'(#{node := Node} = C) ->
    true = rpc:cast(Node, no_such_module, f, []),
    quiet(probe(C)).

'rpc:async_call'(#{node := Node}) ->
    Key = rpc:async_call(Node, erlang, node, []),
    Node = rpc:yield(Key),
    Other = rpc:async_call(Node, no_such_module, f, []),
    {value, {badrpc, {'EXIT', {undef, _}}}} = rpc:nb_yield(Other, 5000).

'rpc:multicall'(#{node := Node, third := Third}) ->
    {Results, ['nobody@127.0.0.1']} = rpc:multicall([Node, Third, 'nobody@127.0.0.1'], erlang, node, []),
    true = lists:sort([Node, Third]) =:= lists:sort(Results).

'rpc:block_call'(#{node := Node}) ->
    Node = rpc:block_call(Node, erlang, node, []),
    {badrpc, {'EXIT', {undef, _}}} = rpc:block_call(Node, no_such_module, f, []).

'rpc:sbcast and rpc:abcast'(#{node := Node} = C) ->
    {Name, Nobody} = {name(), name()},
    P = probe(C, Name),
    abcast = rpc:abcast([Node], Name, {hello, 1}),
    {[Node], []} = within(5000, fun() -> rpc:sbcast([Node], Name, {hello, 2}) end),
    {[], [Node]} = within(5000, fun() -> rpc:sbcast([Node], Nobody, {hello, 3}) end),
    [{hello, 1}, {hello, 2}] = flushed(P, 2).

'rpc:pinfo'(#{node := _} = C) ->
    P = probe(C),
    {links, []} = rpc:pinfo(P, links).

'rex tells what it can'(#{node := Node}) ->
    {rex, Node} ! {self(), features_request},
    {features_reply, Node, Features} = ?GOT({features_reply, _, _}),
    true = lists:member(erpc, Features).

'calls of unknown things to rex are answered'(#{node := Node}) ->
    _ = gen_server:call({rex, Node}, {call, erlang, node, [], group_leader()}, 5000),
    ok.

'rpc:eval_everywhere and parallel_eval'(#{node := Node} = C) ->
    abcast = rpc:eval_everywhere([Node], no_such_module, f, []),
    quiet(probe(C)).

'many erpc calls at once'(#{node := Node}) ->
    Me = self(),
    [spawn_link(fun() -> Node = erpc:call(Node, erlang, node, []), Me ! {done, I} end) || I <- lists:seq(1, 200)],
    [_ = ?GOT({done, I}) || I <- lists:seq(1, 200)].

%% No Erlang runs on a C node.
'funs to call'(#{node := Node, target := Target}) ->
    Ran = try erpc:call(Node, fun() -> ran end) catch Class:Reason -> {Class, Reason} end,
    Called = rpc:call(Node, erlang, apply, [fun() -> ran end, []]),
    case Target of
        beam ->
            {ran, ran} = {Ran, Called};
        c ->
            {error, {exception, undef, [{erlang, apply, [_, []], _} | _]}} = Ran,
            {badrpc, {'EXIT', {undef, [{erlang, apply, [_, []], _} | _]}}} = Called
    end.

%% ------------------------------------------------------ by the node under test

'it calls a function here'(C) ->
    P = probe(C),
    {ok, 3} = ask(P, {erpc, node(), erlang, '+', [1, 2], 5000}),
    Here = node(),
    {ok, Here} = ask(P, {erpc, node(), erlang, node, [], 5000}).

'it gets large results'(C) ->
    {ok, Got} = ask(probe(C), {erpc, node(), binary, copy, [<<"0123456789">>, 100000], 5000}),
    true = Got =:= binary:copy(<<"0123456789">>, 100000).

'it gets what a function threw'(C) ->
    {error, throw, {a, "ball"}} = ask(probe(C), {erpc, node(), erlang, throw, [{a, "ball"}], 5000}).

'it gets how a function exited'(C) ->
    {error, exit, {exception, {my, reason}}} = ask(probe(C), {erpc, node(), erlang, exit, [{my, reason}], 5000}).

'it gets how a function failed'(C) ->
    {error, error, {exception, {my, error}, [_ | _]}} =
        ask(probe(C), {erpc, node(), erlang, error, [{my, error}], 5000}),
    {error, error, {exception, badarg, [{erlang, hd, [[]], _} | _]}} =
        ask(probe(C), {erpc, node(), erlang, hd, [[]], 5000}).

'it calls a function that does not exist'(C) ->
    {error, error, {exception, undef, [{no_such_module, f, [1], _} | _]}} =
        ask(probe(C), {erpc, node(), no_such_module, f, [1], 5000}).

'its call times out'(C) ->
    {error, error, {erpc, timeout}} = ask(probe(C), {erpc, node(), timer, sleep, [500], 20}).

'its call to where nobody is'(C) ->
    {error, error, {erpc, noconnection}} = ask(probe(C), {erpc, 'nobody@127.0.0.1', erlang, node, [], 5000}).

'the process it called ends by a signal'(C) ->
    Name = name(),
    Request = gen_server:send_request(probe(C), {erpc, node(), cnode_conf_rpc, park, [Name], 5000}),
    eventually(fun() -> is_pid(whereis(Name)) end),
    exit(whereis(Name), {a, signal}),
    {reply, {error, exit, {signal, {a, signal}}}} = gen_server:receive_response(Request, 5000).

'it goes on while it waits for a call'(C) ->
    P = probe(C),
    Request = gen_server:send_request(P, {erpc, node(), timer, sleep, [100], 5000}),
    x = ask(P, {echo, x}),
    {reply, {ok, ok}} = gen_server:receive_response(Request, 5000).

'it calls a third node'(#{third := Third} = C) ->
    {ok, Third} = ask(probe(C), {erpc, Third, erlang, node, [], 5000}).

'it calls its own node'(#{node := Node} = C) ->
    P = probe(C),
    {ok, Node} = ask(P, {erpc, Node, erlang, node, [], 5000}),
    {error, error, {exception, undef, _}} = ask(P, {erpc, Node, no_such_module, f, [], 5000}).

park(Name) ->
    register(Name, self()),
    receive never -> ok end.
