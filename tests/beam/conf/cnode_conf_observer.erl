%% SPDX-License-Identifier: Apache-2.0
%%
%% What observer, etop and their kind ask a node, in the form they ask it.
-module(cnode_conf_observer).

-include("cnode_conf.hrl").

'observer asks what the node can do'(#{node := Node}) ->
    {module, observer_backend} = rpc:call(Node, code, ensure_loaded, [observer_backend]),
    true = rpc:call(Node, erlang, function_exported, [observer_backend, procs_info, 1]).

'observer_backend:sys_info/0'(#{node := Node}) ->
    Info = rpc:call(Node, observer_backend, sys_info, []),
    [
        true = is_integer(proplists:get_value(K, Info))
     || K <- [
            process_count, process_limit, uptime, run_queue, logical_processors, logical_processors_online,
            logical_processors_available, schedulers, schedulers_online, schedulers_available,
            total, processes, atom, binary, code, ets
        ],
        proplists:get_value(K, Info) =/= unknown
    ],
    true = is_list(proplists:get_value(otp_release, Info)),
    true = is_list(proplists:get_value(version, Info)),
    true = is_list(proplists:get_value(system_architecture, Info)),
    {{input, _}, {output, _}} = proplists:get_value(io_input_output(Info), Info, {{input, 0}, {output, 0}}).

io_input_output(_) -> io.

%% Rows as observer_procs reads them: #etop_proc_info{}.
'observer_backend:procs_info/1 sends a row per process'(#{node := Node} = C) ->
    Name = name(),
    {P, Q} = {probe(C, Name), probe(C)},
    Collector = spawn_link(Node, observer_backend, procs_info, [self()]),
    Rows = rows(Collector),
    [
        begin
            {etop_proc_info, Pid, Memory, Reductions, Shown, Runtime, Function, Queue} = Row,
            true = is_pid(Pid) andalso is_integer(Memory) andalso is_integer(Reductions),
            true = is_integer(Queue) andalso is_tuple(Function) orelse is_atom(Function),
            _ = {Shown, Runtime}
        end
     || Row <- Rows
    ],
    true = lists:keymember(P, 2, Rows),
    true = lists:keymember(Q, 2, Rows),
    Name = element(5, lists:keyfind(P, 2, Rows)).

%% From OTP 26 they come in parts.
rows(Collector) ->
    Monitor = monitor(process, Collector),
    rows(Collector, Monitor, []).

rows(Collector, Monitor, Rows) ->
    receive
        {procs_info, Collector, More} -> rows(Collector, Monitor, Rows ++ More);
        {'DOWN', Monitor, _, _, Reason} when Reason =:= normal; Reason =:= noproc -> Rows
    after 5000 -> error({no_rows, Rows})
    end.

'ports and tables'(#{node := Node}) ->
    true = is_list(rpc:call(Node, observer_backend, get_port_list, [])),
    true = is_list(rpc:call(Node, observer_backend, get_table_list, [ets, [{sys_hidden, true}, {unread_hidden, true}]])).

'the window of a process'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    Items = [
        initial_call, current_function, registered_name, status, message_queue_len, group_leader, priority,
        trap_exit, reductions, binary, last_calls, catchlevel, trace, suspending, sequential_trace_token,
        error_handler, links, monitors, monitored_by, memory, total_heap_size, heap_size, stack_size,
        min_heap_size, garbage_collection, dictionary
    ],
    [
        begin
            Answer = rpc:call(Node, erlang, process_info, [P, Item]),
            true = Item =:= element(1, Answer)
        end
     || Item <- [I || I <- Items, I =/= binary, I =/= last_calls]
    ],
    {registered_name, Name} = rpc:call(Node, erlang, process_info, [P, registered_name]),
    {dictionary, Dictionary} = rpc:call(Node, erlang, process_info, [P, dictionary]),
    true = is_list(proplists:get_value('$ancestors', Dictionary)),
    {M, F, A} = rpc:call(Node, proc_lib, translate_initial_call, [P]),
    true = is_atom(M) andalso is_atom(F) andalso is_integer(A).

'the messages of a process'(#{node := Node} = C) ->
    P = probe(C),
    {messages, []} = rpc:call(Node, erlang, process_info, [P, messages]),
    {message_queue_len, 0} = rpc:call(Node, erlang, process_info, [P, message_queue_len]).

'the state of a process'(C) ->
    P = probe(C),
    {status, P, {module, _}, [_, running, _, _, _]} = sys:get_status(P, 200).

'reductions grow with what is handled'(#{node := Node} = C) ->
    P = probe(C),
    {reductions, Before} = rpc:call(Node, erlang, process_info, [P, reductions]),
    [x = ask(P, {echo, x}) || _ <- lists:seq(1, 1000)],
    {reductions, After} = rpc:call(Node, erlang, process_info, [P, reductions]),
    true = After >= Before + 1000.

'etop collects'(#{node := Node} = C) ->
    P = probe(C),
    Collector = spawn_link(Node, observer_backend, etop_collect, [self()]),
    {Collector, Info} = receive {_, I} = M when element(1, I) =:= etop_info -> M after 5000 -> error(messages()) end,
    Rows = lists:last(tuple_to_list(Info)),
    true = is_list(Rows),
    true = lists:keymember(P, 2, Rows).
