%% SPDX-License-Identifier: Apache-2.0
%%
%% OTP's global with the node under test in the cluster. Whether that node takes
%% a full part in it or the smallest correct one, nobody may hang, and names and
%% locks work for all.
-module(cnode_conf_global).

-include("cnode_conf.hrl").

-define(SOON, 8000).
-define(ALONE, "a hidden node has a global of its own").

limit(_) -> 30000.

%% A cluster of its own: the node under test, this node, the third.
'global:sync returns'(#{third := Third} = C) ->
    _ = probe(C),
    ok = within(?SOON, fun global:sync/0),
    ok = within(?SOON, fun() -> erpc:call(Third, global, sync, []) end).

'global:sync returns right after it has come'(C) ->
    [
        begin
            Own = #{node := Node} = start_target(C),
            true = net_kernel:connect_node(Node),
            ok = within(?SOON, fun global:sync/0),
            kill_target(Own),
            ok = within(?SOON, fun global:sync/0)
        end
     || _ <- [1, 2, 3]
    ].

'global:sync returns after it was lost and came again'(C) ->
    #{node := Node} = Own = start_target(C),
    [
        begin
            x = ask(maps:get(probe, Own), {echo, x}),
            ok = within(?SOON, fun global:sync/0),
            true = disconnect_node(Node)
        end
     || _ <- [1, 2, 3]
    ].

'locks over all nodes'(#{node := Node, third := Third}) ->
    Lock = {name(), self()},
    true = global:set_lock(Lock, [node(), Third, Node], 2),
    true = global:del_lock(Lock, [node(), Third, Node]).

'locks exclude each other'(#{third := Third}) ->
    Resource = name(),
    Nodes = [node() | nodes()],
    %% A lock ends with its process: ours.
    true = global:set_lock({Resource, one}, Nodes, 2),
    Other = fun() -> erpc:call(Third, global, set_lock, [{Resource, two}, Nodes, 0], ?SOON) end,
    false = Other(),
    true = global:del_lock({Resource, one}, Nodes),
    eventually(Other).

'a transaction'(_) ->
    done = within(?SOON, fun() -> global:trans({name(), self()}, fun() -> done end) end).

'a name of a process there'(#{third := Third} = C) ->
    P = probe(C),
    Name = name(),
    yes = within(?SOON, fun() -> global:register_name(Name, P) end),
    P = global:whereis_name(Name),
    eventually(fun() -> P =:= erpc:call(Third, global, whereis_name, [Name]) end),
    x = gen_server:call({global, Name}, {echo, x}),
    ok = gen_server:cast({via, global, Name}, {send, self(), {by, cast}}),
    _ = ?GOT({by, cast}),
    P = global:send(Name, {kept, 1}),
    [{kept, 1}] = flush(P),
    _ = within(?SOON, fun() -> global:unregister_name(Name) end),
    eventually(fun() -> undefined =:= erpc:call(Third, global, whereis_name, [Name]) end).

'a name ends with its process there'(#{third := Third} = C) ->
    P = probe(C),
    Name = name(),
    yes = within(?SOON, fun() -> global:register_name(Name, P) end),
    eventually(fun() -> P =:= erpc:call(Third, global, whereis_name, [Name]) end),
    exit(P, boom),
    eventually(fun() -> undefined =:= global:whereis_name(Name) end),
    eventually(fun() -> undefined =:= erpc:call(Third, global, whereis_name, [Name]) end).

'a name ends with its node'(C) ->
    Own = start_target(C),
    P = probe(Own),
    Name = name(),
    yes = within(?SOON, fun() -> global:register_name(Name, P) end),
    kill_target(Own),
    eventually(fun() -> undefined =:= global:whereis_name(Name) end).

'a name that it was given comes back after a cut'(#{visible := false}) ->
    {skip, ?ALONE};
'a name that it was given comes back after a cut'(#{third := Third} = C) ->
    Own = #{node := Node} = start_target(C),
    P = probe(Own),
    Name = name(),
    true = erpc:call(Third, net_kernel, connect_node, [Node]),
    yes = ask(P, {global, register, Name}),
    There = fun() -> erpc:call(Third, global, whereis_name, [Name]) end,
    eventually(fun() -> P =:= There() end),
    true = erpc:call(Third, erlang, disconnect_node, [Node]),
    eventually(fun() -> undefined =:= There() end),
    true = erpc:call(Third, net_kernel, connect_node, [Node]),
    eventually(fun() -> P =:= There() end, 2 * ?SOON).

'a name moves from here to there'(#{third := Third} = C) ->
    P = probe(C),
    Name = name(),
    Me = self(),
    yes = within(?SOON, fun() -> global:register_name(Name, Me) end),
    no = within(?SOON, fun() -> global:register_name(Name, P) end),
    yes = within(?SOON, fun() -> global:re_register_name(Name, P) end),
    eventually(fun() -> P =:= erpc:call(Third, global, whereis_name, [Name]) end),
    _ = within(?SOON, fun() -> global:unregister_name(Name) end),
    ok.

'it looks names up'(#{visible := false}) ->
    {skip, ?ALONE};
'it looks names up'(#{third := Third} = C) ->
    P = probe(C),
    Name = name(),
    Q = puppet(),
    yes = within(?SOON, fun() -> global:register_name(Name, Q) end),
    eventually(fun() -> Q =:= ask(P, {global, whereis, Name}) end),
    _ = within(?SOON, fun() -> global:unregister_name(Name) end),
    eventually(fun() -> undefined =:= ask(P, {global, whereis, Name}) end),
    Other = erpc:call(Third, erlang, whereis, [init]),
    yes = within(?SOON, fun() -> erpc:call(Third, global, register_name, [Name, Other]) end),
    eventually(fun() -> Other =:= ask(P, {global, whereis, Name}) end),
    _ = within(?SOON, fun() -> erpc:call(Third, global, unregister_name, [Name]) end),
    ok.

'it looks up a name that nobody has'(C) -> undefined = ask(probe(C), {global, whereis, name()}).

'it registers itself'(#{visible := false}) ->
    {skip, ?ALONE};
'it registers itself'(#{third := Third} = C) ->
    P = probe(C),
    Name = name(),
    yes = gen_server:call(P, {global, register, Name}, ?SOON),
    eventually(fun() -> P =:= global:whereis_name(Name) end),
    eventually(fun() -> P =:= erpc:call(Third, global, whereis_name, [Name]) end),
    P = ask(P, {global, whereis, Name}),
    x = gen_server:call({global, Name}, {echo, x}),
    Me = self(),
    no = within(?SOON, fun() -> global:register_name(Name, Me) end),
    exit(P, boom),
    eventually(fun() -> undefined =:= global:whereis_name(Name) end).

'it registers itself under a name of any term'(#{visible := false}) ->
    {skip, ?ALONE};
'it registers itself under a name of any term'(C) ->
    P = probe(C),
    Name = {name(), "text", [self()], #{a => 1}},
    yes = gen_server:call(P, {global, register, Name}, ?SOON),
    eventually(fun() -> P =:= global:whereis_name(Name) end),
    P = ask(P, {global, whereis, Name}).

'it cannot register what others have'(#{visible := false}) ->
    {skip, ?ALONE};
'it cannot register what others have'(C) ->
    Name = name(),
    Me = self(),
    yes = within(?SOON, fun() -> global:register_name(Name, Me) end),
    no = gen_server:call(probe(C), {global, register, Name}, ?SOON),
    Me = global:whereis_name(Name),
    _ = within(?SOON, fun() -> global:unregister_name(Name) end),
    ok.

'it unregisters itself'(#{visible := false}) ->
    {skip, ?ALONE};
'it unregisters itself'(#{third := Third} = C) ->
    P = probe(C),
    Name = name(),
    yes = gen_server:call(P, {global, register, Name}, ?SOON),
    eventually(fun() -> P =:= erpc:call(Third, global, whereis_name, [Name]) end),
    _ = gen_server:call(P, {global, unregister, Name}, ?SOON),
    eventually(fun() -> undefined =:= erpc:call(Third, global, whereis_name, [Name]) end),
    eventually(fun() -> undefined =:= global:whereis_name(Name) end),
    barrier(P).

'of many who want a name one gets it'(#{visible := false}) ->
    {skip, ?ALONE};
'of many who want a name one gets it'(C) ->
    Name = name(),
    Requests = [gen_server:send_request(probe(C), {global, register, Name}) || _ <- lists:seq(1, 5)],
    Answers = [begin {reply, A} = gen_server:receive_response(R, ?SOON), A end || R <- Requests],
    [no, no, no, no, yes] = lists:sort(Answers).

%% Members of global cut others to prevent overlapping partitions; a node in C is
%% no member unless it is meant to be.
'to lose it cuts nobody else'(#{is_member := IsMember} = C) ->
    case IsMember of
        true ->
            {skip, "members of global do cut each other"};
        false ->
            Prevent = ["-kernel", "prevent_overlapping_partitions", "true"],
            #{node := Node} = start_target(C),
            {_, A} = start_beam(Prevent),
            {_, B} = start_beam(Prevent),
            [true = erpc:call(X, net_kernel, connect_node, [Y]) || {X, Y} <- [{A, B}, {A, Node}, {B, Node}]],
            ok = within(?SOON, fun() -> erpc:call(A, global, sync, []) end),
            [
                begin
                    true = erpc:call(A, erlang, disconnect_node, [Node]),
                    ok = within(?SOON, fun() -> erpc:call(B, global, sync, []) end),
                    true = lists:member(B, erpc:call(A, erlang, nodes, [])),
                    true = lists:member(Node, erpc:call(B, erlang, nodes, [connected])),
                    true = erpc:call(A, net_kernel, connect_node, [Node]),
                    ok = within(?SOON, fun() -> erpc:call(A, global, sync, []) end)
                end
             || _ <- [1, 2, 3]
            ]
    end.

%% ------------------------------------------------------------------- the mesh

'it learns of nodes through others, and dials them'(C) ->
    #{node := Node, visible := Visible} = Own = start_target(C),
    case Visible of
        false ->
            {skip, "a hidden node joins no mesh"};
        true ->
            P = probe(Own),
            {_, A} = start_beam(),
            {_, B} = start_beam(),
            true = erpc:call(A, net_kernel, connect_node, [B]),
            true = erpc:call(A, net_kernel, connect_node, [Node]),
            eventually(fun() -> lists:member(B, ask(P, nodes)) end, ?SOON),
            eventually(fun() -> lists:member(Node, erpc:call(B, erlang, nodes, [])) end, ?SOON),
            {_, Later} = start_beam(),
            true = erpc:call(B, net_kernel, connect_node, [Later]),
            eventually(fun() -> lists:member(Later, ask(P, nodes)) end, ?SOON)
    end.
