%% SPDX-License-Identifier: Apache-2.0
%%
%% Nodes: seen, connected, lost, restarted. A case that breaks something has a
%% node of its own.
-module(cnode_conf_net).

-include("cnode_conf.hrl").

%% ------------------------------------------------------------------- being seen

'net_adm:ping says pong'(#{node := Node} = C) ->
    pong = within(5000, fun() -> net_adm:ping(Node) end),
    quiet(probe(C)).

'a ping from a third node says pong'(#{node := Node, third := Third}) ->
    pong = erpc:call(Third, net_adm, ping, [Node], 5000).

'epmd knows its name'(#{name := Name}) ->
    {ok, Names} = net_adm:names("127.0.0.1"),
    true = is_integer(proplists:get_value(Name, Names)).

'it is among the nodes of its kind'(#{node := Node, visible := Visible} = C) ->
    _ = probe(C),
    Visible = lists:member(Node, nodes()),
    Visible = not lists:member(Node, nodes(hidden)),
    true = lists:member(Node, nodes(connected)),
    true = lists:member(Node, nodes(known)).

'it knows who is visible'(#{visible := Visible} = C) ->
    P = probe(C),
    Here = node(),
    true = lists:member(Here, ask(P, nodes)) orelse not Visible andalso lists:member(Here, ask(P, {nodes, hidden})).

'it knows who is hidden'(#{node := Node} = C) ->
    P = probe(C),
    {_, Beam} = start_beam(["-hidden"]),
    x = erpc:call(Beam, gen_server, call, [P, {echo, x}]),
    true = lists:member(Beam, ask(P, {nodes, hidden})),
    false = lists:member(Beam, ask(P, nodes)),
    true = lists:member(Node, erpc:call(Beam, erlang, nodes, [hidden])),
    Here = ask(P, node),
    Node = Here.

'it knows its own name'(#{node := Node} = C) -> Node = ask(probe(C), node).

'it does not list itself'(#{node := Node} = C) ->
    P = probe(C),
    false = lists:member(Node, ask(P, nodes)),
    false = lists:member(Node, ask(P, {nodes, hidden})).

'net_kernel answers is_auth'(#{node := Node}) ->
    yes = gen_server:call({net_kernel, Node}, {is_auth, node()}, 5000).

'node_info of it'(#{node := Node, visible := Visible} = C) ->
    _ = probe(C),
    {ok, Info} = net_kernel:node_info(Node),
    up = proplists:get_value(state, Info),
    Type = proplists:get_value(type, Info),
    true = Type =:= case Visible of true -> normal; false -> hidden end.

%% ---------------------------------------------------------------- up and down

'nodeup and nodedown are told'(C) ->
    ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
    Own = #{node := Node, visible := Visible} = start_target(C),
    true = net_kernel:connect_node(Node),
    {nodeup, Node, Info} = ?GOT({nodeup, Node, _}),
    true = proplists:get_value(node_type, Info) =:= case Visible of true -> visible; false -> hidden end,
    kill_target(Own),
    _ = ?GOT({nodedown, Node, _}),
    false = connected(Node).

'nodedown tells why'(C) ->
    Own = #{node := Node} = start_target(C),
    true = net_kernel:connect_node(Node),
    ok = net_kernel:monitor_nodes(true, [nodedown_reason, {node_type, all}]),
    kill_target(Own),
    {nodedown, Node, Info} = ?GOT({nodedown, Node, _}),
    %% Over TLS a process of ours that ended is the reason.
    true = lists:member(proplists:get_value(nodedown_reason, Info), [connection_closed, shutdown]).

'monitor_node tells that it is gone'(C) ->
    Own = #{node := Node} = start_target(C),
    true = erlang:monitor_node(Node, true),
    pong = net_adm:ping(Node),
    kill_target(Own),
    _ = ?GOT({nodedown, Node}).

'a node that stops is gone at once, and its name is free'(C) ->
    Own = #{node := Node, name := Name} = start_target(C),
    P = probe(Own),
    Monitor = monitor(process, P),
    _ = stop_target(Own),
    true = lists:member(down(Monitor), [noconnection, shutdown, killed]),
    eventually(fun() -> not connected(Node) end),
    eventually(fun() ->
        {ok, Names} = net_adm:names("127.0.0.1"),
        not lists:keymember(Name, 1, Names)
    end),
    pang = net_adm:ping(Node).

'who calls a node that is gone learns it'(C) ->
    Own = #{node := Node, probe := Service} = start_target(C),
    x = ask(Service, {echo, x}),
    kill_target(Own),
    {exit, {{nodedown, Node}, _}} = fails(fun() -> gen_server:call(Service, x) end).

'who waits for a node that goes learns it'(C) ->
    Own = #{node := Node} = start_target(C),
    P = probe(Own),
    Call = gen_server:send_request(P, noreply),
    Rpc = erpc:send_request(Node, no_such_module, f, []),
    {error, {exception, undef, _}} = fails(fun() -> erpc:receive_response(Rpc, 5000) end),
    kill_target(Own),
    {error, {noconnection, P}} = gen_server:receive_response(Call, 5000).

%% ------------------------------------------------------- a connection is lost

'monitors and links are told noconnection'(C) ->
    process_flag(trap_exit, true),
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    Name = name(),
    Q = probe(Own, Name),
    Monitors = [monitor(process, P), monitor(process, Q), monitor(process, {Name, Node})],
    link(P),
    barrier(P),
    true = disconnect_node(Node),
    [noconnection = down(M) || M <- Monitors],
    noconnection = exit_of(P),
    [] = messages().

'those of processes there too'(C) ->
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    false = ask(P, {trap_exit, true}),
    {Q, R} = {puppet(), puppet()},
    Name = name(),
    register(Name, R),
    A = ask(P, {monitor, Q}),
    B = ask(P, {monitor, {Name, node()}}),
    true = ask(P, {link, Q}),
    on(R, fun() -> link(P) end),
    barrier(P),
    true = disconnect_node(Node),
    Order = flushed(P, 4),
    ['EXIT', 'EXIT', 'DOWN', 'DOWN'] = [element(1, M) || M <- Order],
    Here = node(),
    true = lists:sort(Order) =:= lists:sort([
        {'DOWN', A, process, Q, noconnection}, {'DOWN', B, process, {Name, Here}, noconnection},
        {'EXIT', Q, noconnection}, {'EXIT', R, noconnection}
    ]).

'a linked process there that does not trap ends'(C) ->
    #{node := Node} = Own = start_target(C),
    {P, Other} = {probe(Own), probe(Own)},
    Q = puppet(),
    on(Q, fun() -> process_flag(trap_exit, true), link(P) end),
    barrier(P),
    true = disconnect_node(Node),
    eventually(fun() -> noproc =:= down(monitor(process, P)) end),
    barrier(Other).

'nothing of it is there when it is connected again'(C) ->
    process_flag(trap_exit, true),
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    M = monitor(process, P),
    link(P),
    barrier(P),
    true = disconnect_node(Node),
    noconnection = down(M),
    noconnection = exit_of(P),
    %% It does not trap, so the link ended it. Another did not link:
    Q = probe(Own),
    M2 = monitor(process, Q),
    true = disconnect_node(Node),
    noconnection = down(M2),
    barrier(Q),
    M3 = monitor(process, Q),
    exit(Q, boom),
    boom = down(M3),
    quiet(probe(Own)).

'monitors there are not carried over'(C) ->
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    Q = puppet(),
    A = ask(P, {monitor, Q}),
    true = disconnect_node(Node),
    [{'DOWN', A, process, Q, noconnection}] = flushed(P, 1),
    exit(Q, boom),
    barrier(P),
    [] = flush(P).

'names and aliases outlive a connection'(C) ->
    #{node := Node} = Own = start_target(C),
    Name = name(),
    P = probe(Own, Name),
    Alias = ask(P, alias),
    true = disconnect_node(Node),
    Alias ! {by, alias},
    {Name, Node} ! {by, name},
    [{by, alias}, {by, name}] = flushed(P, 2),
    Mine = alias(),
    true = disconnect_node(Node),
    ok = ask(P, {send, Mine, {my, alias}}),
    _ = ?GOT({my, alias}).

'a call there is told noconnection'(#{third := Third} = C) ->
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    x = erpc:call(Third, gen_server, call, [P, {echo, x}]),
    Request = erpc:send_request(Third, gen_server, call, [P, {call, self(), x, 10000}, 12000]),
    _ = ?GOT({'$gen_call', _, x}),
    true = disconnect_node(Node),
    {error, Reason} = erpc:receive_response(Request, 5000),
    true = lists:member(Reason, [noconnection, {nodedown, node()}]).

'it disconnects, and we are told'(#{third := Third} = C) ->
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    M = monitor(process, P),
    barrier(P),
    true = erlang:monitor_node(Node, true),
    true = erpc:call(Third, gen_server, call, [P, {disconnect, node()}]),
    noconnection = down(M),
    _ = ?GOT({nodedown, Node}).

'to disconnect from nobody is false'(C) -> false = ask(probe(C), {disconnect, 'nobody@127.0.0.1'}).

'it can be connected and disconnected again and again'(C) ->
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    [
        begin
            {round, I} = ask(P, {echo, {round, I}}),
            true = disconnect_node(Node)
        end
     || I <- lists:seq(1, 30)
    ].

'what is sent while it is connected again arrives in order'(C) ->
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    true = disconnect_node(Node),
    [P ! {n, I} || I <- lists:seq(1, 200)],
    true = [{n, I} || I <- lists:seq(1, 200)] =:= flushed(P, 200).

%% nodes() has a node a moment before net_kernel takes it for up (dist_util:
%% do_setnode, then mark_nodeup), also between two BEAMs: to disconnect in between
%% is false. What is sent just then may go to the old connection and be lost: over
%% TLS one message in some hundred, between two BEAMs as well.
'all kinds of first signals connect'(C) ->
    process_flag(trap_exit, true),
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    Name = name(),
    true = ask(P, {register, Name}),
    Alias = ask(P, alias),
    [
        begin
            eventually(fun() -> disconnect_node(Node) end),
            First(),
            eventually(fun() -> connected(Node) end)
        end
     || First <- [
            fun() -> P ! x end,
            fun() -> {Name, Node} ! x end,
            fun() -> Alias ! x end,
            fun() -> demonitor(monitor(process, P), [flush]) end,
            fun() -> true = link(P), unlink(P) end,
            fun() -> exit(P, normal) end,
            fun() -> group_leader(self(), P) end,
            fun() -> {undef, _} = down(element(2, spawn_monitor(Node, no_such_module, f, []))) end,
            fun() -> Node = erpc:call(Node, erlang, node, []) end
        ]
    ],
    barrier(P),
    Came = flush(P),
    true = lists:member(length(Came), [2, 3]),
    [x] = lists:usort(Came).

'a process there that sends connects'(C) ->
    P = probe(C),
    {_, Beam} = start_beam(),
    {ok, Q} = erpc:call(Beam, cnode_conf_probe, start, []),
    ok = ask(P, {burst, Q, 100}),
    true = [{burst, I} || I <- lists:seq(1, 100)] =:= flushed(Q, 100).

'a process there that monitors or links connects'(C) ->
    P = probe(C),
    false = ask(P, {trap_exit, true}),
    {_, Beam} = start_beam(),
    {ok, Q} = erpc:call(Beam, cnode_conf_probe, start, []),
    M = ask(P, {monitor, Q}),
    {_, Beam2} = start_beam(),
    {ok, R} = erpc:call(Beam2, cnode_conf_probe, start, []),
    true = ask(P, {link, R}),
    eventually(fun() -> {monitored_by, [P]} =:= rpc:pinfo(Q, monitored_by) end),
    eventually(fun() -> {links, [P]} =:= rpc:pinfo(R, links) end),
    exit(Q, boom),
    exit(R, boom),
    true = lists:sort([{'DOWN', M, process, Q, boom}, {'EXIT', R, boom}]) =:= lists:sort(flushed(P, 2)).

'it connects when asked'(#{node := Node} = C) ->
    P = probe(C),
    {_, Beam} = start_beam(),
    true = ask(P, {connect, Beam}),
    true = lists:member(Node, erpc:call(Beam, erlang, nodes, [connected])),
    true = ask(P, {connect, Beam}),
    true = ask(P, {disconnect, Beam}),
    eventually(fun() -> not lists:member(Node, erpc:call(Beam, erlang, nodes, [connected])) end).

'it connects to nobody'(C) -> false = ask(probe(C), {connect, 'nobody@127.0.0.1'}).
'it is connected to itself'(#{node := Node} = C) -> true = ask(probe(C), {connect, Node}).

'connects from both sides at once give one connection'(C) ->
    #{node := Node} = Own = start_target(C),
    P = probe(Own),
    {_, Beam} = start_beam(["-hidden"]),
    [
        begin
            There = erpc:send_request(Beam, net_kernel, connect_node, [Node]),
            true = ask(P, {connect, Beam}),
            true = erpc:receive_response(There, 5000),
            %% Both hold for each other's calls.
            {ok, Beam} = ask(P, {erpc, Beam, erlang, node, [], 5000}),
            Node = erpc:call(Beam, erpc, call, [Node, erlang, node, []], 5000),
            true = erpc:call(Beam, erlang, disconnect_node, [Node]),
            eventually(fun() -> not lists:member(Beam, ask(P, nodes) ++ ask(P, {nodes, hidden})) end)
        end
     || _ <- lists:seq(1, 15)
    ].

%% ------------------------------------------------------------------- restarts

'a restarted node is another one'(C) ->
    #{node := Node, name := Name} = Own = start_target(C),
    P = probe(Own),
    Alias = ask(P, alias),
    M = monitor(process, P),
    kill_target(Own),
    noconnection = down(M),
    Again = #{node := Node, probe := Service} = eventually(fun() -> start_again(C, Name) end),
    Q = ask(Service, self),
    noproc = down(monitor(process, P)),
    {exit, {noproc, _}} = fails(fun() -> gen_server:call(P, x) end),
    Alias ! lost,
    P ! lost,
    exit(P, kill),
    process_flag(trap_exit, true),
    link(P),
    noproc = exit_of(P),
    Q = ask(Service, self),
    true = creation(P) =/= creation(Q),
    quiet(probe(Again)).

%% epmd may not have noticed yet that the name is free.
start_again(C, Name) ->
    try
        start_target(C, #{name => Name})
    catch
        _:_ -> false
    end.

creation(Pid) -> binary:decode_unsigned(binary:part(term_to_binary(Pid), byte_size(term_to_binary(Pid)), -4)).

'a BEAM that comes back under its name is another one for it'(C) ->
    P = probe(C),
    Name = "again_" ++ integer_to_list(erlang:unique_integer([positive])) ++ os:getpid(),
    Beam = {_, Node} = named_beam(Name),
    {ok, Q} = erpc:call(Node, cnode_conf_probe, start, []),
    M = ask(P, {monitor, Q}),
    stop_beam(Beam),
    [{'DOWN', M, process, Q, noconnection}] = flushed(P, 1),
    Again = {_, Node} = named_beam(Name),
    {ok, R} = erpc:call(Node, cnode_conf_probe, start, []),
    true = creation(Q) =/= creation(R),
    {ok, x} = ask(P, {call, R, {echo, x}, 5000}),
    {error, noproc} = ask(P, {call, Q, {echo, x}, 5000}),
    ok = ask(P, {send, Q, lost}),
    true = ask(P, {exit, Q, lost}),
    true = ask(P, {unlink, Q}),
    M2 = ask(P, {monitor, Q}),
    [{'DOWN', M2, process, Q, noproc}] = flushed(P, 1),
    {ok, y} = ask(P, {call, R, {echo, y}, 5000}),
    stop_beam(Again).

named_beam(Name) -> cnode_conf_host:start_beam(Name, [], cnode_conf:spec()).

'a node that stands still makes calls time out, and goes on'(C) ->
    Own = start_target(C),
    P = probe(Own),
    signal_target(Own, "STOP"),
    {exit, {timeout, _}} = fails(fun() -> gen_server:call(P, {echo, late}, 50) end),
    P ! {kept, 1},
    signal_target(Own, "CONT"),
    now = ask(P, {echo, now}),
    [{kept, 1}] = flush(P),
    [] = messages().

%% ------------------------------------------------------------------ admission

'a wrong cookie is refused, the right one then accepted'(C) ->
    Own = #{node := Node} = start_target(C, #{cookie => of_its_own}),
    true = erlang:set_cookie(Node, wrong),
    false = net_kernel:connect_node(Node),
    pang = net_adm:ping(Node),
    true = erlang:set_cookie(Node, of_its_own),
    true = net_kernel:connect_node(Node),
    x = ask(maps:get(probe, Own), {echo, x}),
    true = erlang:set_cookie(Node, erlang:get_cookie()).

'a BEAM that may not dial is dialled'(#{node := Node} = C) ->
    P = probe(C),
    {_, Beam} = start_beam(["-kernel", "dist_auto_connect", "never", "-hidden"]),
    call(Beam, {'EXIT', {nodedown, Node}}, P),
    true = ask(P, {connect, Beam}),
    call(Beam, {ok, x}, P),
    {ok, Beam} = ask(P, {erpc, Beam, erlang, node, [], 5000}).

%% What a call from that BEAM gives, without our connection to it mattering.
call(Beam, Expected, P) ->
    Expected = erpc:call(Beam, fun() ->
        try gen_server:call(P, {echo, x}, 5000) of
            Reply -> {ok, Reply}
        catch
            exit:{Reason, _} -> {'EXIT', Reason}
        end
    end).

'a BEAM that dials once does not dial again, but is dialled'(#{node := Node} = C) ->
    P = probe(C),
    {_, Beam} = start_beam(["-kernel", "dist_auto_connect", "once", "-hidden"]),
    call(Beam, {ok, x}, P),
    true = ask(P, {disconnect, Beam}),
    eventually(fun() -> not lists:member(Node, erpc:call(Beam, erlang, nodes, [connected])) end),
    call(Beam, {'EXIT', {nodedown, Node}}, P),
    true = ask(P, {connect, Beam}),
    call(Beam, {ok, x}, P).

%% ---------------------------------------------------------- what always comes

'kernel processes are not harmed by what we send them'(#{node := Node} = C) ->
    P = probe(C),
    true = erlang:monitor_node(Node, true),
    [
        erlang:send({To, Node}, Message)
     || To <- [rex, global_name_server, net_kernel, init, logger, kernel_sup, auth, user, nobody, application_controller],
        Message <- [junk, {}, {self(), junk}, [a | b], {nodeup, node()}]
    ],
    pong = net_adm:ping(Node),
    Node = erpc:call(Node, erlang, node, []),
    barrier(P),
    true = erlang:monitor_node(Node, false),
    [] = [M || {nodedown, _} = M <- messages()].

'ticks are nothing'(#{node := Node} = C) ->
    P = probe(C),
    {ok, Info} = net_kernel:node_info(Node),
    Controller = proplists:get_value(owner, Info),
    [Controller ! {self(), tick} || _ <- lists:seq(1, 100)],
    [Controller ! {self(), aux_tick} || _ <- lists:seq(1, 100)],
    barrier(P).
