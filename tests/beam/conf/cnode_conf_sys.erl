%% SPDX-License-Identifier: Apache-2.0
%%
%% OTP's system messages: every process answers them.
-module(cnode_conf_sys).

-include("cnode_conf.hrl").

'sys:get_state gives a state'(C) ->
    P = probe(C),
    _ = sys:get_state(P),
    _ = sys:get_state(P, 5000),
    quiet(P).

'sys:get_state by name'(#{probe := Service} = C) ->
    _ = sys:get_state(Service),
    quiet(probe(C)).

'sys:get_state of nobody is noproc'(#{node := Node}) ->
    {exit, {noproc, _}} = fails(fun() -> sys:get_state({name(), Node}) end).

'sys:get_status has OTP\'s shape'(C) ->
    P = probe(C),
    {status, P, {module, Module}, [Dictionary, running, Parent, Debug, _Misc]} = sys:get_status(P),
    true = is_atom(Module),
    true = is_list(Dictionary),
    true = is_pid(Parent),
    true = is_list(Debug).

'sys:replace_state with a fun that fails'(C) ->
    P = probe(C),
    {error, {callback_failed, _, _}} = fails(fun() -> sys:replace_state(P, fun(_) -> error(no) end) end),
    barrier(P).

'a suspended process keeps what comes until it resumes'(C) ->
    P = probe(C),
    ok = sys:suspend(P),
    {status, P, _, [_, suspended | _]} = sys:get_status(P),
    P ! {kept, 1},
    Request = gen_server:send_request(P, {echo, answer}),
    timeout = gen_server:wait_response(Request, 50),
    ok = sys:resume(P),
    {reply, answer} = gen_server:receive_response(Request, 5000),
    [{kept, 1}] = flush(P).

'a suspended process answers system messages'(C) ->
    P = probe(C),
    ok = sys:suspend(P),
    _ = sys:get_state(P),
    ok = sys:suspend(P),
    ok = sys:resume(P),
    ok = sys:resume(P),
    barrier(P).

'a suspended process is ended by an exit'(C) ->
    P = probe(C),
    ok = sys:suspend(P),
    Monitor = monitor(process, P),
    exit(P, boom),
    boom = down(Monitor).

'order holds through a suspension'(C) ->
    P = probe(C),
    [P ! {n, I} || I <- lists:seq(1, 50)],
    ok = sys:suspend(P),
    [P ! {n, I} || I <- lists:seq(51, 100)],
    ok = sys:resume(P),
    true = [{n, I} || I <- lists:seq(1, 100)] =:= flush(P).

'gen_server:stop ends it normally'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    ok = gen_server:stop(P),
    normal = down(Monitor).

'gen_server:stop with a reason'(C) ->
    [
        begin
            P = probe(C),
            Monitor = monitor(process, P),
            ok = gen_server:stop(P, Reason, 5000),
            true = Reason =:= down(Monitor)
        end
     || Reason <- [shutdown, {shutdown, x}, boom, {a, "reason"}]
    ].

'gen_server:stop by name'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    Monitor = monitor(process, P),
    ok = gen_server:stop({Name, Node}, shutdown, 5000),
    shutdown = down(Monitor).

'gen_server:stop of nobody is noproc'(#{node := Node}) ->
    {exit, noproc} = fails(fun() -> gen_server:stop({name(), Node}) end).

'sys:terminate ends it with the reason'(C) ->
    P = probe(C),
    Monitor = monitor(process, P),
    ok = sys:terminate(P, {because, 1}),
    {because, 1} = down(Monitor).

'links are told the reason of a stop'(C) ->
    process_flag(trap_exit, true),
    P = probe(C),
    link(P),
    ok = gen_server:stop(P, shutdown, 5000),
    shutdown = exit_of(P).

'debug functions are accepted'(C) ->
    P = probe(C),
    ok = sys:statistics(P, true),
    ok = sys:statistics(P, false),
    ok = sys:no_debug(P),
    ok = sys:log(P, false),
    barrier(P).

'an unknown system message is told so'(C) ->
    P = probe(C),
    Ref = make_ref(),
    P ! {system, {self(), Ref}, {no_such, request}},
    {_, {error, {unknown_system_msg, {no_such, request}}}} = ?GOT({Ref, _}).

'code cannot be changed in a running process'(C) ->
    P = probe(C),
    {error, {unknown_system_msg, _}} = sys:change_code(P, some_module, undefined, extra),
    barrier(P).

'a system message with a plain tag is answered to the pid'(C) ->
    P = probe(C),
    P ! {system, {self(), {my, tag}}, get_state},
    _ = ?GOT({{my, tag}, _}).

'malformed system messages harm nobody'(#{node := Node} = C) ->
    {P, Other} = {probe(C), probe(C)},
    erlang:monitor_node(Node, true),
    [P ! M || M <- [system, {system}, {system, self()}, {system, self(), get_state, more}]],
    barrier(P),
    barrier(Other),
    true = erlang:monitor_node(Node, false).

'the services of the node answer system messages'(#{node := Node} = C) ->
    _ = probe(C),
    [
        begin
            {status, Pid, {module, _}, [_, running, _, _, _]} = sys:get_status({Name, Node}, 5000),
            Node = node(Pid),
            _ = sys:get_state({Name, Node}, 5000)
        end
     || Name <- [net_kernel, rex, pg, probe]
    ].
