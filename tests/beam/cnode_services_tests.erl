%% SPDX-License-Identifier: Apache-2.0
%%
%% What tools ask of a node and its processes: OTP's sys, rpc and erpc,
%% process_info, the calls of observer and etop, supervisors.
-module(cnode_services_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, eventually/2, name/1]).

-define(CONFIG, #{
    services => #{echo => #{behaviour => echo}, counter => #{behaviour => counter}},
    pools => #{'Elixir.Counters' => #{behaviour => counter, registry => none}}
}).

suite(Tests) -> cnode_peer:suite(?CONFIG, Tests).

%% ----------------------------------------------------------------------- sys

sys_test_() ->
    suite([
        {"get_state gives the state of every kind of process", fun get_state/1},
        {"get_status is as of a gen_server", fun get_status/1},
        {"replace_state raises an error that says who refused", fun replace_state/1},
        {"suspended, a process keeps its messages until it is resumed", fun suspend/1},
        {"stop ends a worker with exactly that reason", fun stop/1},
        {"debug functions are accepted", fun debug/1},
        {"an unknown request is an error", fun unknown/1},
        {"malformed ones do no harm", fun malformed/1},
        {"gen_event calls do not hang", fun event_calls/1}
    ]).

%% All processes that a peer can get hold of.
processes_of(Node) ->
    Pool = {'Elixir.Counters', name(Node)},
    Children = [Pid || {_, Pid, _, _} <- supervisor:which_children(Pool)],
    [{echo, name(Node)}, {net_kernel, name(Node)}, Pool, cnode_peer:worker(Node, 1) | Children].

%% Releases before 26.1 show the tuple around the state.
state({ok, State}) -> State;
state(State) -> State.

get_state(Node) ->
    Worker = cnode_peer:worker(Node, state),
    1 = gen_server:call(Worker, increment),
    ?assertEqual(1, state(sys:get_state(Worker))),
    ?assertEqual(0, state(sys:get_state({counter, name(Node)}))),
    ?assertMatch(#{behaviour := echo}, state(sys:get_state({echo, name(Node)}))),
    ?assertMatch(#{workers := 1, segments := _},
        state(sys:get_state({'Elixir.Counters', name(Node)}))),
    [sys:get_state(Process) || Process <- processes_of(Node)].

get_status(Node) ->
    Worker = cnode_peer:worker(Node, status),
    ok = gen_server:cast(Worker, {add, 5}),
    {status, Worker, {module, gen_server}, [Dictionary, running, Parent, [], Misc]} =
        sys:get_status(Worker),
    ?assertEqual({'Elixir.Counters.Worker', init, 1},
        proplists:get_value('$initial_call', Dictionary)),
    ?assertEqual([Parent, 'Elixir.Counters'], proplists:get_value('$ancestors', Dictionary)),
    [{header, Header}, {data, First}, {data, [{"State", 5}]}] = Misc,
    ?assertMatch("Status for generic server <" ++ _, Header),
    ?assertEqual(running, proplists:get_value("Status", First)),
    ?assertEqual(Parent, proplists:get_value("Parent", First)),
    [{status, _, {module, _}, [_, _, _, _, _]} = sys:get_status(P) || P <- processes_of(Node)].

replace_state(Node) ->
    [
        ?assertError({callback_failed, {gen_server, system_replace_state}, {error, notsup}},
            sys:replace_state(Process, fun(State) -> State end))
     || Process <- processes_of(Node)
    ].

suspend(Node) ->
    Worker = cnode_peer:worker(Node, suspended),
    ok = sys:suspend(Worker),
    Request = gen_server:send_request(Worker, increment),
    ok = gen_server:cast(Worker, {add, 10}),
    {status, _, _, [_, suspended | _]} = sys:get_status(Worker),
    ?assertEqual(timeout, gen_server:wait_response(Request, 100)),
    ?assertEqual(0, state(sys:get_state(Worker))),
    ok = sys:resume(Worker),
    ?assertEqual({reply, 1}, gen_server:wait_response(Request, 5000)),
    ?assertEqual(11, gen_server:call(Worker, get)),
    [
        begin
            ok = sys:suspend(Process),
            ok = sys:resume(Process)
        end
     || Process <- processes_of(Node)
    ].

stop(Node) ->
    Reasons = [normal, shutdown, {shutdown, <<"why">>}, kill, {any, [term]}],
    [
        begin
            Worker = cnode_peer:worker(Node, {stop, Reason}),
            Ref = monitor(process, Worker),
            ok = gen_server:stop(Worker, Reason, 5000),
            ?assertEqual(Reason,
                receive {'DOWN', Ref, process, Worker, Why} -> Why after 5000 -> none end)
        end
     || Reason <- Reasons
    ],
    ok = gen_server:stop({counter, name(Node)}, shutdown, 5000),
    eventually(fun() ->
        try gen_server:call({counter, name(Node)}, get) =:= 0
        catch exit:{noproc, _} -> false
        end
    end),
    ?assertExit(noproc, gen_server:stop({nobody, name(Node)})).

debug(Node) ->
    Echo = {echo, name(Node)},
    ok = sys:trace(Echo, true),
    ok = sys:trace(Echo, false),
    ok = sys:log(Echo, true),
    {ok, []} = sys:log(Echo, get),
    ok = sys:statistics(Echo, true),
    {ok, no_statistics} = sys:statistics(Echo, get),
    ok = sys:no_debug(Echo),
    ok = sys:install(Echo, {fun(_, _, _) -> done end, state}).

unknown(Node) ->
    {ok, Answer} = gen:call({echo, name(Node)}, system, {what, is, this}, 5000),
    ?assertEqual({error, {unknown_system_msg, {what, is, this}}}, Answer).

malformed(Node) ->
    Worker = cnode_peer:worker(Node, malformed),
    [
        [Process ! Message || Process <- [Worker, {'Elixir.Counters', name(Node)}]]
     || Message <- [
            {system, x, get_state},
            {system, {self()}, get_state},
            {system, {x, make_ref()}, {terminate, normal}},
            {system, [], []},
            {system}
        ]
    ],
    ?assertEqual(0, gen_server:call(Worker, get)).

event_calls(Node) ->
    [
        begin
            ?assertEqual([], gen_event:which_handlers(Process)),
            ?assertEqual({error, bad_module}, gen_event:call(Process, handler, query)),
            ?assertEqual(ok, gen_event:sync_notify(Process, event)),
            ?assertEqual({error, notsup}, gen_event:add_handler(Process, handler, args)),
            ?assertEqual({error, module_not_found},
                gen_event:delete_handler(Process, handler, args)),
            ok = gen_event:notify(Process, event)
        end
     || Process <- processes_of(Node)
    ].

%% ------------------------------------------------------------- the end of all

%% Each with a node of its own. Some end with others.
end_test_() ->
    cnode_peer:tests([
        {"every process there is ends when it is killed, and the node works again", fun() ->
            all_end(fun(Pid) -> exit(Pid, kill) end)
        end},
        {"every process there is can be stopped, and the node works again", fun() ->
            all_end(fun(Pid) -> catch proc_lib:stop(Pid, shutdown, 10000) end)
        end}
    ]).

all_end(End) ->
    Node = cnode_peer:start(?CONFIG),
    C = name(Node),
    [_ = cnode_peer:worker(Node, N) || N <- lists:seq(1, 20)],
    [
        begin
            Ref = monitor(process, Pid),
            End(Pid),
            ?assertEqual(ended, receive {'DOWN', Ref, process, Pid, _} -> ended after 10000 -> {lives, Pid} end)
        end
     || Pid <- erpc:call(C, erlang, processes, [])
    ],
    eventually(fun() ->
        try {gen_server:call({echo, C}, hello), gen_server:call(cnode_peer:worker(Node, 1), get)} =:= {hello, 0}
        catch _:_ -> false
        end
    end),
    ?assertEqual(C, erpc:call(C, erlang, node, [])),
    ?assertEqual(0, cnode_peer:stop(Node)).

%% ------------------------------------------------------------- rpc and erpc

rpc_test_() ->
    suite([
        {"rpc and erpc call functions of the list", fun calls/1},
        {"anything else is undef, in every way to ask", fun undef/1},
        {"multicall, send_request, multicast", fun requests/1},
        {"a spawn of a function ends normally", fun spawns/1},
        {"rex answers what is sent to it by name", fun rex/1},
        {"rex comes back when it is killed", fun rex_is_killed/1},
        {"wrong arguments are badarg", fun bad_arguments/1}
    ]).

calls(Node) ->
    C = name(Node),
    ?assertEqual(C, rpc:call(C, erlang, node, [])),
    ?assertEqual(C, erpc:call(C, erlang, node, [])),
    ?assertEqual(C, erpc:call(C, fun erlang:node/0)),
    ?assertEqual(C, rpc:call(C, erlang, apply, [erlang, node, []])),
    ?assertEqual(C, rpc:block_call(C, erlang, node, [])),
    ?assertEqual([node()], erpc:call(C, erlang, nodes, [])),
    ?assertEqual([node()], erpc:call(C, erlang, nodes, [connected])),
    ?assertEqual([C, node()], lists:sort(erpc:call(C, erlang, nodes, [[this, visible]]))),
    ?assertEqual([], erpc:call(C, erlang, nodes, [hidden])),
    ?assert(erpc:call(C, erlang, is_alive, [])),
    Names = erpc:call(C, erlang, registered, []),
    [?assert(lists:member(N, Names)) || N <- [net_kernel, rex, echo, 'Elixir.Counters']],
    Echo = erpc:call(C, erlang, whereis, [echo]),
    ?assertEqual(C, node(Echo)),
    ?assertEqual(hello, gen_server:call(Echo, hello)),
    ?assertEqual(undefined, erpc:call(C, erlang, whereis, [nobody])),
    ?assert(erpc:call(C, erlang, is_process_alive, [Echo])),
    Pids = erpc:call(C, erlang, processes, []),
    ?assert(lists:member(Echo, Pids)),
    ?assert(erpc:call(C, erlang, function_exported, [erlang, node, 0])),
    ?assertNot(erpc:call(C, erlang, function_exported, [erlang, halt, 0])),
    ?assertEqual({module, observer_backend},
        rpc:call(C, code, ensure_loaded, [observer_backend])),
    ?assertEqual({error, nofile}, rpc:call(C, code, ensure_loaded, [rb])).

undef(Node) ->
    C = name(Node),
    ?assertEqual({badrpc, {'EXIT', {undef, [{os, cmd, ["id"], []}]}}},
        rpc:call(C, os, cmd, ["id"])),
    ?assertEqual({badrpc, {'EXIT', {undef, [{os, cmd, ["id"], []}]}}},
        rpc:block_call(C, os, cmd, ["id"])),
    ?assertError({exception, undef, [{os, cmd, ["id"], []}]}, erpc:call(C, os, cmd, ["id"])),
    ?assertError({exception, undef, [{erlang, halt, [], []}]}, erpc:call(C, erlang, halt, [])),
    ?assertError({exception, undef, _}, erpc:call(C, fun() -> ok end)),
    ?assertMatch({badrpc, {'EXIT', {undef, _}}},
        rpc:call(C, application, which_applications, [])),
    ?assertMatch({badrpc, {'EXIT', {undef, _}}}, rpc:call(C, erlang, node, [1, 2, 3, 4])).

requests(Node) ->
    C = name(Node),
    ?assertEqual([{ok, C}, {ok, node()}], erpc:multicall([C, node()], erlang, node, [])),
    ?assertEqual({[C, node()], ['nobody@127.0.0.1']},
        rpc:multicall([C, node(), 'nobody@127.0.0.1'], erlang, node, [])),
    Ids = [erpc:send_request(C, erlang, node, []) || _ <- lists:seq(1, 100)],
    [?assertEqual(C, erpc:receive_response(Id, 5000)) || Id <- Ids],
    Key = rpc:async_call(C, erlang, node, []),
    ?assertEqual(C, rpc:yield(Key)),
    ok = erpc:multicast([C, node()], erlang, node, []),
    ok = erpc:cast(C, os, cmd, ["id"]),
    true = rpc:cast(C, erlang, node, []),
    abcast = rpc:abcast([C], echo, hello),
    rpc:eval_everywhere([C], erlang, node, []),
    ?assertEqual({[C], []}, rpc:sbcast([C], echo, hello)),
    ?assertEqual({[], [C]}, rpc:sbcast([C], nobody, hello)),
    Everywhere = rpc:parallel_eval(lists:duplicate(4, {erlang, node, []})),
    ?assertEqual([C, node()], lists:usort(Everywhere)).

spawns(Node) ->
    C = name(Node),
    {Pid, Ref} = spawn_monitor(C, erlang, node, []),
    ?assertEqual(C, node(Pid)),
    ?assertEqual(normal, receive {'DOWN', Ref, process, Pid, R} -> R after 5000 -> none end),
    {_, Ref2} = spawn_monitor(C, erlang, whereis, [1]),
    ?assertMatch({badarg, [{erlang, whereis, [1], []}]},
        receive {'DOWN', Ref2, process, _, R2} -> R2 after 5000 -> none end),
    {_, Ref3} = spawn_monitor(C, os, cmd, ["id"]),
    ?assertMatch({undef, [{os, cmd, ["id"], []}]},
        receive {'DOWN', Ref3, process, _, R3} -> R3 after 5000 -> none end).

rex(Node) ->
    C = name(Node),
    {rex, C} ! {self(), features_request},
    ?assertEqual([erpc], receive {features_reply, C, F} -> F after 5000 -> none end),
    {rex, C} ! {self(), {call, erlang, node, [], user}},
    ?assertEqual(C, receive {rex, N} -> N after 5000 -> none end),
    {rex, C} ! {self(), {call, os, cmd, ["id"], user}},
    ?assertEqual({badrpc, {'EXIT', {undef, [{os, cmd, ["id"], []}]}}},
        receive {rex, B} -> B after 5000 -> none end),
    ok = gen_server:cast({rex, C}, {cast, erlang, node, [], user}),
    ?assertMatch({error, {unsupported, what}}, gen_server:call({rex, C}, what)),
    {rex, C} ! {self(), {send, nobody, hello}},
    ?assertEqual({nonexisting_name, nobody},
        receive {rex, C, Why} -> Why after 5000 -> none end),
    [{rex, C} ! M || M <- [x, {}, {self()}, {x, y}, {self(), {sbcast, x}}, {self(), {call, 1, 2, 3, 4}}]],
    ?assertEqual(C, rpc:block_call(C, erlang, node, [])).

rex_is_killed(Node) ->
    C = name(Node),
    Rex = erpc:call(C, erlang, whereis, [rex]),
    exit(Rex, kill),
    eventually(fun() -> erpc:call(C, erlang, whereis, [rex]) =/= Rex end),
    ?assertEqual(C, rpc:block_call(C, erlang, node, [])).

bad_arguments(Node) ->
    C = name(Node),
    [
        ?assertError({exception, badarg, [{erlang, F, A, []}]}, erpc:call(C, erlang, F, A))
     || {F, A} <- [
            {nodes, [everything]},
            {whereis, ["echo"]},
            {system_info, [colour]},
            {statistics, [colour]},
            {memory, [colour]},
            {memory, [[total, colour]]},
            {process_info, [self()]},
            {process_info, [self(), status]},
            {is_process_alive, [x]},
            {function_exported, [x, y, -1]}
        ]
    ],
    ?assertEqual({badrpc, {'EXIT', {badarg, [{erlang, whereis, [1], []}]}}},
        rpc:call(C, erlang, whereis, [1])).

%% -------------------------------------------------------------- process_info

process_info_test_() ->
    suite([
        {"links, monitors, names and messages are true", fun process_info_ties/1},
        {"reductions count the messages handled", fun process_info_reductions/1},
        {"process_info/1 has what a BEAM has, in its order", fun process_info_all/1},
        {"a process that is gone is undefined", fun process_info_dead/1},
        {"every item of this release is known", fun process_info_items/1}
    ]).

info(Pid, What) -> erpc:call(node(Pid), erlang, process_info, [Pid, What]).

process_info_ties(Node) ->
    Worker = cnode_peer:worker(Node, ties),
    Me = self(),
    link(Worker),
    Ref = monitor(process, Worker),
    ?assertEqual({links, [Me]}, info(Worker, links)),
    ?assertEqual({monitored_by, [Me]}, info(Worker, monitored_by)),
    ?assertEqual({monitors, []}, info(Worker, monitors)),
    demonitor(Ref),
    unlink(Worker),
    eventually(fun() ->
        info(Worker, [links, monitored_by]) =:= [{links, []}, {monitored_by, []}]
    end),
    ?assertEqual([], info(Worker, registered_name)),
    ?assertEqual([{registered_name, []}], info(Worker, [registered_name])),
    Echo = erpc:call(name(Node), erlang, whereis, [echo]),
    ?assertEqual({registered_name, echo}, info(Echo, registered_name)),
    ok = sys:suspend(Worker),
    [Worker ! {message, N} || N <- lists:seq(1, 3)],
    ?assertEqual(
        [{message_queue_len, 3}, {messages, [{message, N} || N <- lists:seq(1, 3)]}],
        info(Worker, [message_queue_len, messages])
    ),
    ok = sys:resume(Worker),
    eventually(fun() -> info(Worker, message_queue_len) =:= {message_queue_len, 0} end).

process_info_reductions(Node) ->
    Worker = cnode_peer:worker(Node, reductions),
    {reductions, Before} = info(Worker, reductions),
    [gen_server:call(Worker, increment) || _ <- lists:seq(1, 10)],
    ?assertEqual({reductions, Before + 10}, info(Worker, reductions)).

process_info_all(Node) ->
    Worker = cnode_peer:worker(Node, all),
    All = erpc:call(name(Node), erlang, process_info, [Worker]),
    Ours = [Item || {Item, _} <- All],
    Theirs = [Item || {Item, _} <- erlang:process_info(self()), Item =/= registered_name],
    ?assertEqual(Theirs, Ours),
    Dictionary = proplists:get_value(dictionary, All),
    ?assertEqual({'Elixir.Counters.Worker', init, 1},
        proplists:get_value('$initial_call', Dictionary)),
    [Segment, 'Elixir.Counters'] = proplists:get_value('$ancestors', Dictionary),
    ?assert(is_pid(Segment)),
    ?assertEqual({all, 'Elixir.Counters'},
        proplists:get_value('$process_label', Dictionary)),
    ?assert(is_pid(proplists:get_value(group_leader, All))).

process_info_dead(Node) ->
    Worker = cnode_peer:worker(Node, dead),
    ok = gen_server:stop(Worker),
    C = name(Node),
    ?assertEqual(undefined, erpc:call(C, erlang, process_info, [Worker])),
    ?assertEqual(undefined, info(Worker, status)),
    ?assertNot(erpc:call(C, erlang, is_process_alive, [Worker])),
    ?assertExit({exception, {noproc, _}}, erpc:call(C, sys, get_status, [Worker, 200])).

%% Those that a BEAM of this release takes it must take as well, and no others.
process_info_items(Node) ->
    Worker = cnode_peer:worker(Node, items),
    Items = [
        async_dist, backtrace, binary, catchlevel, current_function, current_location,
        current_stacktrace, dictionary, error_handler, garbage_collection,
        garbage_collection_info, group_leader, heap_size, initial_call, label, last_calls,
        links, memory, message_queue_data, message_queue_len, messages, min_bin_vheap_size,
        min_heap_size, monitored_by, monitors, parent, priority, reductions, registered_name,
        sequential_trace_token, stack_size, status, suspending, total_heap_size, trace,
        trap_exit, fullsweep_after, max_heap_size, {dictionary, '$initial_call'}
    ],
    Known = fun(Item) ->
        try erlang:process_info(self(), [Item]) of
            [{Item, _}] -> true
        catch
            error:badarg -> false
        end
    end,
    [?assertMatch([{Item, _}], info(Worker, [Item])) || Item <- Items, Known(Item)],
    ?assertError({exception, badarg, _}, info(Worker, [status, colour])).

%% ------------------------------------------------------------------ observer
%% The calls that the processes of observer and etop make, without windows.

observer_test_() ->
    suite([
        {"system tab", fun system_tab/1},
        {"load charts and memory allocators tabs", fun charts_tabs/1},
        {"applications tab", fun applications_tab/1},
        {"the window of a process", fun process_window/1},
        {"processes tab", 120, fun processes_tab/1},
        {"ports, sockets and tables tabs", fun other_tabs/1},
        {"etop", 60, fun etop/1},
        {"the trace port of etop", fun trace_port/1},
        {"a trace of ttb starts and stops", fun ttb/1},
        {"what observer asks of every node", fun observer_modules/1}
    ]).

system_tab(Node) ->
    Info = rpc:call(name(Node), observer_backend, sys_info, []),
    Ours = [Key || {Key, _} <- Info],
    Theirs = [Key || {Key, _} <- observer_backend:sys_info()],
    ?assertEqual([], lists:usort(Theirs) -- Ours),
    Get = fun(Key) -> proplists:get_value(Key, Info) end,
    [?assert(is_list(Get(Key)) andalso Get(Key) =/= [], Key)
     || Key <- [otp_release, version, system_architecture]],
    [?assert(is_integer(Get(Key)) andalso Get(Key) > 0, Key)
     || Key <- [
            logical_processors, logical_processors_online, logical_processors_available,
            schedulers, schedulers_online, schedulers_available, process_count, process_limit,
            atom_count, atom_limit, port_limit, ets_limit, dist_buf_busy_limit, wordsize_internal, total, atom, code,
            io_input, io_output
        ]],
    ?assertEqual(Get(total), Get(processes) + Get(system)),
    Uptime = Get(uptime),
    eventually(fun() ->
        proplists:get_value(uptime, rpc:call(name(Node), observer_backend, sys_info, [])) > Uptime
    end).

charts_tabs(Node) ->
    process_flag(trap_exit, true),
    Pid = spawn_link(name(Node), observer_backend, fetch_stats, [self(), 50]),
    Stats = fun() -> receive {stats, 1, W, Io, M} -> {W, Io, M} after 5000 -> none end end,
    {[{1, Active, Total} | _], {{input, In}, {output, Out}}, Memory} = Stats(),
    ?assert(Active =< Total),
    ?assert(In > 0 andalso Out > 0),
    [?assert(is_integer(proplists:get_value(K, Memory)), K)
     || K <- [total, processes, atom, binary, code, ets]],
    {[{1, Later, _} | _], _, _} = Stats(),
    ?assert(Later >= Active),
    ?assertEqual(0, rpc:call(name(Node), erlang, system_info, [dirty_cpu_schedulers])),
    Pid ! exit,
    ?assertEqual(normal, receive {'EXIT', Pid, R} -> R after 5000 -> none end),
    Sizes = proplists:get_value(alloc_info, rpc:call(name(Node), observer_backend, sys_info, [])),
    [{libc_malloc, [{instance, 0, [{mbcs, [{blocks, [{_, [{size, _, _, _}]}]},
        {carriers_size, _, _, _}]}]}]}] = Sizes.

%% #etop_proc_info{}
rows(Node) ->
    process_flag(trap_exit, true),
    Pid = spawn_link(name(Node), observer_backend, procs_info, [self()]),
    Collect = fun Collect(Rows) ->
        receive
            {procs_info, Pid, More} -> Collect(More ++ Rows);
            {'EXIT', Pid, normal} -> Rows
        after 5000 -> error(no_rows)
        end
    end,
    Collect([]).

processes_tab(Node) ->
    C = name(Node),
    _ = rpc:call(C, code, ensure_loaded, [observer_backend]),
    ?assert(rpc:call(C, erlang, function_exported, [observer_backend, procs_info, 1])),
    Worker = cnode_peer:worker(Node, row),
    [gen_server:call(Worker, increment) || _ <- lists:seq(1, 7)],
    Rows = rows(Node),
    Missing = erpc:call(C, erlang, processes, []) -- [element(2, Row) || Row <- Rows],
    ?assertEqual([], [P || P <- Missing, erpc:call(C, erlang, is_process_alive, [P])]),
    {etop_proc_info, Worker, Memory, Reductions, Name, _, {_, _, _}, 0} =
        lists:keyfind(Worker, 2, Rows),
    ?assert(Memory > 0),
    ?assert(Reductions >= 7),
    ?assertEqual("{row,'Elixir.Counters'}", Name),
    [?assert(lists:keymember(N, 5, Rows), N) || N <- [echo, net_kernel, rex, 'Elixir.Counters']],
    %% more than goes into one message
    [cnode_pool:cast(cnode_peer:counters(Node), N, increment) || N <- lists:seq(1, 12000)],
    eventually(fun() -> length(rows(Node)) > 12000 end, 30000).

process_window(Node) ->
    C = name(Node),
    Worker = cnode_peer:worker(Node, window),
    2 = begin gen_server:call(Worker, increment), gen_server:call(Worker, increment) end,
    ?assertEqual(8, rpc:call(C, erlang, system_info, [wordsize])),
    Fields = [
        binary, catchlevel, current_function, error_handler, garbage_collection, group_leader,
        heap_size, initial_call, last_calls, links, memory, message_queue_len, monitored_by,
        monitors, priority, reductions, registered_name, sequential_trace_token, stack_size,
        status, suspending, total_heap_size, trace, trap_exit
    ],
    Info = rpc:call(C, erlang, process_info, [Worker, Fields]),
    ?assertEqual(Fields, [F || {F, _} <- Info]),
    Collection = proplists:get_value(garbage_collection, Info),
    [?assert(is_integer(proplists:get_value(K, Collection)), K)
     || K <- [min_heap_size, fullsweep_after]],
    {messages, []} = rpc:call(C, erlang, process_info, [Worker, messages]),
    {dictionary, [_ | _]} = rpc:call(C, erlang, process_info, [Worker, dictionary]),
    {current_stacktrace, [{_, _, _, _} | _]} =
        rpc:call(C, erlang, process_info, [Worker, current_stacktrace]),
    {M, init, 1} = rpc:call(C, proc_lib, translate_initial_call, [Worker]),
    {behaviour, [gen_server]} =
        lists:keyfind(behaviour, 1, rpc:call(C, M, module_info, [attributes])),
    {status, Worker, {module, _}, [_, running, _, _, [_, {data, _}, {data, Second} | _]]} =
        rpc:call(C, sys, get_status, [Worker, 200]),
    ?assertEqual([{"State", 2}], Second),
    ?assertEqual({window, 'Elixir.Counters'}, rpc:call(C, proc_lib, get_label, [Worker])),
    ?assertEqual(true, rpc:call(C, erlang, garbage_collect, [Worker])),
    %% and of everything else
    [
        begin
            {M2, F2, 1} = rpc:call(C, proc_lib, translate_initial_call, [Pid]),
            ?assert(is_list(rpc:call(C, M2, module_info, [attributes])), {M2, F2}),
            {status, Pid, _, _} = rpc:call(C, sys, get_status, [Pid, 200])
        end
     || Pid <- rpc:call(C, erlang, processes, []),
        rpc:call(C, erlang, is_process_alive, [Pid])
    ].

applications_tab(Node) ->
    process_flag(trap_exit, true),
    C = name(Node),
    _ = cnode_peer:worker(Node, app),
    Start = fun() -> rpc:call(C, appmon_info, start_link2, [self(), self(), []]) end,
    {ok, Pid} = Start(),
    {ok, Pid} = Start(),
    gen_server:cast(Pid, {self(), app_ctrl, C, true, []}),
    Apps = receive {delivery, Pid, app_ctrl, C, A} -> A after 5000 -> none end,
    ?assertEqual(['Elixir.Counters', counter, echo], lists:sort([N || {_, N, {N, _, _}} <- Apps])),
    gen_server:cast(Pid, {self(), app, 'Elixir.Counters', true, []}),
    Tree = fun() -> receive {delivery, Pid, app, 'Elixir.Counters', T} -> T after 5000 -> none end end,
    {"Elixir.Counters", Processes, Links, []} = Tree(),
    Names = [N || {P, N} <- Processes, node(P) =:= C],
    ?assertEqual(length(Names), length(lists:usort(Names))),
    ?assertEqual(length(Processes) - 1, length(Links)),
    [?assert(lists:member(From, Names) andalso lists:member(To, Names)) || {From, To} <- Links],
    %% what changes is told again
    _ = cnode_peer:worker(Node, another_app),
    {_, More, _, _} = Tree(),
    ?assertEqual(length(Processes) + 1, length(More)),
    gen_server:cast(Pid, {self(), app, nothing_of_that_name_here, true, []}),
    [Pid ! M || M <- [x, {'EXIT', x, y}, {'$gen_cast', {self(), app, [], true, []}}]],
    exit(Pid, normal),
    ?assertEqual(normal, receive {'EXIT', Pid, R} -> R after 5000 -> none end),
    eventually(fun() -> rpc:call(C, erlang, whereis, [appmon_info]) =:= undefined end).

other_tabs(Node) ->
    C = name(Node),
    [?assert(rpc:call(C, erlang, function_exported, [observer_backend, F, 0]), F)
     || F <- [get_port_list, get_socket_list]],
    ?assertEqual([], rpc:call(C, observer_backend, get_port_list, [])),
    ?assertEqual([], rpc:call(C, observer_backend, get_socket_list, [])),
    ?assert(is_list(rpc:call(C, observer_backend, socket_info, []))),
    Options = [{sys_hidden, true}, {unread_hidden, true}],
    ?assertEqual([], rpc:call(C, observer_backend, get_table_list, [ets, Options])),
    ?assertEqual({error, "Mnesia is not running on: " ++ atom_to_list(C)},
        rpc:call(C, observer_backend, get_table_list, [mnesia, Options])),
    %% the log of sasl cannot be had: observer is told so
    ?assertEqual([], rpc:block_call(C, application, which_applications, [])),
    ?assertMatch({badrpc, {'EXIT', {undef, _}}}, rpc:block_call(C, rb, start, [])).

%% What dbg spawns for etop, which names a port, and for ttb, which asks where it
%% is: one connection, which stays and is silent.
trace_port(Node) -> [trace_port(Node, Number) || Number <- [cnode_peer:free_port(), 0]].

trace_port(Node, Number) ->
    Fun = dbg:trace_port(ip, {Number, 5000}),
    Relay = spawn(name(Node), dbg, do_relay, [self(), {port, Fun}]),
    Tracer = receive {started, Started} -> Started after 5000 -> error(not_started) end,
    ?assert(is_port(Tracer)),
    <<0, Port:16>> = rpc:call(name(Node), erlang, port_control, [Tracer, $p, ""]),
    ?assert(Number =:= 0 orelse Number =:= Port),
    ?assertMatch({badrpc, {'EXIT', {badarg, _}}}, rpc:call(name(Node), erlang, port_control, [Tracer, $x, ""])),
    Connect = fun() -> gen_tcp:connect("127.0.0.1", Port, [{active, false}]) end,
    {ok, Socket} = Connect(),
    cnode_peer:eventually(fun() -> {error, econnrefused} =:= Connect() end),
    ?assertEqual({error, timeout}, gen_tcp:recv(Socket, 1, 100)),
    Relay ! {'EXIT', self(), normal},
    ?assertMatch({error, _}, gen_tcp:recv(Socket, 1, 5000)).

%% As observer starts and stops a trace.
ttb(Node) ->
    C = name(Node),
    case code:which(ttb) of
        non_existing ->
            ok;
        _ ->
            File = filename:join(cnode_peer:tmp_dir(), atom_to_list(cnode_peer:unique_atom("ttb"))),
            ?assertEqual({ok, [C]}, ttb:tracer([C], [{file, {local, File}}, {shell, {only, fun(_) -> ok end}}])),
            ?assertEqual({ok, [{all, [{matched, C, 0}]}]}, ttb:p(all, [send])),
            ?assertEqual(stopped, ttb:stop(nofetch)),
            file:delete("ttb_last_config")
    end.

etop(Node) ->
    process_flag(trap_exit, true),
    ?assertMatch({ok, _}, rpc:call(name(Node), observer_backend, vsn, [])),
    Pid = spawn_link(name(Node), observer_backend, etop_collect, [self()]),
    Info = receive {Pid, I} -> I after 5000 -> none end,
    {etop_info, {_, _, _}, Count, _, [{1, _, _} | _], RunQueue, _, Memory, Rows} = Info,
    ?assertEqual(Count, length(Rows)),
    ?assert(is_integer(RunQueue)),
    [?assert(is_integer(proplists:get_value(K, Memory)), K)
     || K <- [total, processes, ets, atom, code, binary]],
    [{etop_proc_info, _, _, _, _, 0, {_, _, _}, _} = Row || Row <- Rows],
    ?assertEqual(normal, receive {'EXIT', Pid, R} -> R after 5000 -> none end),
    etop_prints(name(Node)).

%% etop itself, where it is installed.
etop_prints(C) ->
    case code:which(etop) of
        non_existing ->
            ok;
        _ ->
            Me = self(),
            %% with its defaults it traces, and wants to be sent what it traced
            Port = cnode_peer:free_port(),
            Etop = spawn(fun() ->
                group_leader(Me, self()),
                etop:start([{node, C}, {output, text}, {interval, 1}, {port, Port}])
            end),
            Printed = printed([]),
            ok = dbg:stop(),
            exit(Etop, kill),
            ?assertMatch({match, _}, re:run(Printed, "gen_server:loop")),
            ?assertMatch({match, _}, re:run(Printed, atom_to_list(C)))
    end.

%% What is written to us as a group leader, until the last line of a page.
printed(Text) ->
    receive
        {io_request, From, Ref, {put_chars, _, M, F, A}} ->
            From ! {io_reply, Ref, ok},
            More = unicode:characters_to_binary([Text, apply(M, F, A)]),
            case re:run(More, "^=+$", [global, multiline]) of
                {match, [_, _ | _]} -> More;
                _ -> printed(More)
            end;
        {io_request, From, Ref, {put_chars, _, Chars}} ->
            From ! {io_reply, Ref, ok},
            printed([Text, Chars]);
        {io_request, From, Ref, getopts} ->
            From ! {io_reply, Ref, [{encoding, unicode}]},
            printed(Text);
        {io_request, From, Ref, _} ->
            From ! {io_reply, Ref, {error, enotsup}},
            printed(Text)
    after 5000 -> unicode:characters_to_binary(Text)
    end.

observer_modules(Node) ->
    C = name(Node),
    Modules = [M || {M, _} <- rpc:call(C, code, all_loaded, [])],
    [
        begin
            Functions = rpc:call(C, M, module_info, [functions]),
            ?assert(lists:member({module_info, 1}, Functions)),
            ?assertEqual(M, rpc:call(C, M, module_info, [module])),
            ?assertMatch([{module, M} | _], rpc:call(C, M, module_info, []))
        end
     || M <- Modules
    ],
    ?assertMatch({badrpc, {'EXIT', {undef, _}}}, rpc:call(C, lists, module_info, [])).

%% --------------------------------------------------------------- supervisors

supervisor_test_() ->
    suite([
        {"which_children, count_children, get_childspec of a pool", fun pool_children/1},
        {"the same of a worker supervisor and a segment", fun worker_children/1},
        {"children that are there cannot be restarted or deleted", fun refused_children/1},
        {"what Task.Supervisor and Agent ask for fails, and does not hang", fun strangers/1}
    ]).

pool_children(Node) ->
    Pool = {'Elixir.Counters', name(Node)},
    Children = supervisor:which_children(Pool),
    Counts = supervisor:count_children(Pool),
    ?assertEqual(length(Children), proplists:get_value(specs, Counts)),
    ?assertEqual(length(Children), proplists:get_value(supervisors, Counts)),
    [
        begin
            {ok, Spec} = supervisor:get_childspec(Pool, Id),
            ?assertMatch(#{id := Id, type := supervisor, restart := permanent,
                start := {_, _, _}, shutdown := infinity, modules := Modules}, Spec)
        end
     || {Id, Pid, supervisor, Modules} <- Children,
        is_pid(Pid)
    ],
    ?assertEqual({error, not_found}, supervisor:get_childspec(Pool, nobody)),
    ?assertEqual({error, not_found}, supervisor:get_childspec(Pool, {segment, 1 bsl 70})).

worker_children(Node) ->
    Workers = [cnode_peer:worker(Node, {child, N}) || N <- lists:seq(1, 20)],
    Children = supervisor:which_children({'Elixir.Counters', name(Node)}),
    [Face | _] = [Pid || {{worker_supervisor, _}, Pid, _, _} <- Children],
    Segments = [Pid || {{segment, _}, Pid, _, _} <- Children],
    Of = fun(Sup) -> [Pid || {undefined, Pid, worker, _} <- supervisor:which_children(Sup)] end,
    ?assertEqual([], Workers -- Of(Face)),
    ?assertEqual([], Workers -- lists:append([Of(S) || S <- Segments])),
    [
        ?assertMatch({ok, #{type := worker, restart := permanent,
            start := {'Elixir.Counters.Worker', start_link, [{ref, _, {child, _}}]}}},
            supervisor:get_childspec(Face, Worker))
     || Worker <- Workers
    ],
    ?assertEqual({error, not_found}, supervisor:get_childspec(Face, self())),
    ?assertEqual(length(Of(Face)),
        proplists:get_value(active, supervisor:count_children(Face))),
    [Worker | _] = Workers,
    ok = supervisor:terminate_child(Face, Worker),
    ?assertNot(erpc:call(name(Node), erlang, is_process_alive, [Worker])),
    ?assertEqual({error, not_found}, supervisor:terminate_child(Face, Worker)).

refused_children(Node) ->
    Pool = {'Elixir.Counters', name(Node)},
    [{Id, Pid, _, _} | _] = supervisor:which_children(Pool),
    ?assertEqual({error, running}, supervisor:restart_child(Pool, Id)),
    ?assertEqual({error, running}, supervisor:delete_child(Pool, Id)),
    ?assertEqual({error, not_found}, supervisor:restart_child(Pool, nobody)),
    ?assertEqual({error, not_found}, supervisor:terminate_child(Pool, nobody)),
    ?assertMatch({error, {invalid_child_spec, _}}, supervisor:start_child(Pool, nothing)),
    ?assertEqual({error, simple_one_for_one}, supervisor:restart_child(Pid, Id)),
    ?assertMatch({error, {invalid_child_spec, _}}, supervisor:start_child(Pid, [])).

%% The calls that Elixir's modules make.
strangers(Node) ->
    C = name(Node),
    Worker = cnode_peer:worker(Node, stranger),
    Task = {start_task, [{C, self(), self()}, monitor], temporary, nil},
    [
        ?assertMatch({error, _}, gen_server:call(Process, Task))
     || Process <- [{'Elixir.Counters', C}, {net_kernel, C}, {rex, C}]
    ],
    Fun = fun(State) -> State end,
    [
        ?assertMatch({unhandled, _}, gen_server:call(Worker, Request))
     || Request <- [{get, Fun}, {update, Fun}, {get_and_update, Fun}, Task]
    ],
    ok = gen_server:cast(Worker, {cast, Fun}),
    ok = gen_server:stop(Worker).
