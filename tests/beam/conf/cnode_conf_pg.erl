%% SPDX-License-Identifier: Apache-2.0
%%
%% Process groups (pg), both directions. The node under test runs the scope `pg`.
-module(cnode_conf_pg).

-include("cnode_conf.hrl").

applies(#{third := "29"}) -> "scopes of OTP 25 and 29 crash each other without our help";
applies(#{visible := false}) -> "pg leaves hidden nodes out";
applies(_) -> true.

in_scope(C, F) ->
    {ok, _} = application:ensure_all_started(kernel),
    _ = pg:start(pg),
    P = probe(C),
    F(P, {group, name()}).

'who joins here is a member there'(C) ->
    in_scope(C, fun(P, Group) ->
        Me = self(),
        ok = pg:join(Group, Me),
        eventually(fun() -> [Me] =:= ask(P, {pg, members, pg, Group}) end),
        [] = ask(P, {pg, local_members, pg, Group}),
        ok = pg:leave(Group, Me),
        eventually(fun() -> [] =:= ask(P, {pg, members, pg, Group}) end)
    end).

'who joins there is a member here'(C) ->
    in_scope(C, fun(P, Group) ->
        ok = ask(P, {pg, join, pg, Group}),
        eventually(fun() -> [P] =:= pg:get_members(Group) end),
        [] = pg:get_local_members(Group),
        [P] = ask(P, {pg, members, pg, Group}),
        [P] = ask(P, {pg, local_members, pg, Group}),
        ok = ask(P, {pg, leave, pg, Group}),
        eventually(fun() -> [] =:= pg:get_members(Group) end),
        [] = ask(P, {pg, members, pg, Group})
    end).

'members of both sides'(C) ->
    in_scope(C, fun(P, Group) ->
        Q = puppet(),
        ok = ask(P, {pg, join, pg, Group}),
        ok = pg:join(Group, Q),
        All = lists:sort([P, Q]),
        eventually(fun() -> All =:= lists:sort(ask(P, {pg, members, pg, Group})) end),
        eventually(fun() -> All =:= lists:sort(pg:get_members(Group)) end)
    end).

'a member there that ends is gone here'(C) ->
    in_scope(C, fun(P, Group) ->
        ok = ask(P, {pg, join, pg, Group}),
        eventually(fun() -> [P] =:= pg:get_members(Group) end),
        exit(P, boom),
        eventually(fun() -> [] =:= pg:get_members(Group) end)
    end).

'a member here that ends is gone there'(C) ->
    in_scope(C, fun(P, Group) ->
        Q = puppet(),
        ok = pg:join(Group, Q),
        eventually(fun() -> [Q] =:= ask(P, {pg, members, pg, Group}) end),
        exit(Q, boom),
        eventually(fun() -> [] =:= ask(P, {pg, members, pg, Group}) end)
    end).

'to join twice is to be there twice'(C) ->
    in_scope(C, fun(P, Group) ->
        ok = ask(P, {pg, join, pg, Group}),
        ok = ask(P, {pg, join, pg, Group}),
        eventually(fun() -> [P, P] =:= pg:get_members(Group) end),
        ok = ask(P, {pg, leave, pg, Group}),
        eventually(fun() -> [P] =:= pg:get_members(Group) end),
        [P] = ask(P, {pg, members, pg, Group}),
        Me = self(),
        ok = pg:join(Group, [Me, Me]),
        eventually(fun() -> lists:sort([Me, Me, P]) =:= lists:sort(ask(P, {pg, members, pg, Group})) end),
        ok = pg:leave(Group, Me),
        eventually(fun() -> lists:sort([Me, P]) =:= lists:sort(ask(P, {pg, members, pg, Group})) end)
    end).

'who is no member cannot leave'(C) ->
    in_scope(C, fun(P, Group) -> not_joined = ask(P, {pg, leave, pg, Group}) end).

'members of several groups'(C) ->
    in_scope(C, fun(P, _) ->
        Groups = [{group, name(), I} || I <- lists:seq(1, 50)],
        [ok = ask(P, {pg, join, pg, G}) || G <- Groups],
        eventually(fun() -> [[P]] =:= lists:usort([pg:get_members(G) || G <- Groups]) end),
        exit(P, boom),
        eventually(fun() -> [[]] =:= lists:usort([pg:get_members(G) || G <- Groups]) end)
    end).

'a group is any term'(C) ->
    in_scope(C, fun(P, _) ->
        Groups = [name(), {a, make_ref()}, "text", <<"binary">>, 17, 1 bsl 70, #{make_ref() => {x}}, [a | b], self()],
        [ok = ask(P, {pg, join, pg, G}) || G <- Groups],
        [eventually(fun() -> [P] =:= pg:get_members(G) end) || G <- Groups],
        Q = puppet(),
        [ok = pg:join(G, Q) || G <- Groups],
        [eventually(fun() -> 2 =:= length(ask(P, {pg, members, pg, G})) end) || G <- Groups],
        [ok = ask(P, {pg, leave, pg, G}) || G <- Groups],
        [eventually(fun() -> [Q] =:= pg:get_members(G) end) || G <- Groups]
    end).

'monitors of a group see who joins and leaves there'(C) ->
    in_scope(C, fun(P, Group) ->
        {Ref, []} = pg:monitor(Group),
        ok = ask(P, {pg, join, pg, Group}),
        _ = ?GOT({Ref, join, Group, [P]}),
        ok = ask(P, {pg, leave, pg, Group}),
        _ = ?GOT({Ref, leave, Group, [P]}),
        ok = ask(P, {pg, join, pg, Group}),
        _ = ?GOT({Ref, join, Group, [P]}),
        exit(P, boom),
        _ = ?GOT({Ref, leave, Group, [P]}),
        ok = pg:demonitor(Ref)
    end).

'members of a third node'(#{third := Third} = C) ->
    in_scope(C, fun(P, Group) ->
        _ = erpc:call(Third, pg, start, [pg]),
        {ok, Q} = erpc:call(Third, cnode_conf_probe, start, []),
        ok = erpc:call(Third, pg, join, [Group, Q]),
        ok = ask(P, {pg, join, pg, Group}),
        All = lists:sort([P, Q]),
        eventually(fun() -> All =:= lists:sort(ask(P, {pg, members, pg, Group})) end),
        eventually(fun() -> All =:= lists:sort(erpc:call(Third, pg, get_members, [Group])) end),
        eventually(fun() -> All =:= lists:sort(pg:get_members(Group)) end),
        exit(Q, kill),
        eventually(fun() -> [P] =:= ask(P, {pg, members, pg, Group}) end)
    end).

'groups are gone with the connection and come back with it'(C) ->
    #{node := Node} = Own = start_target(C),
    in_scope(Own, fun(P, Group) ->
        Q = puppet(),
        ok = ask(P, {pg, join, pg, Group}),
        ok = pg:join(Group, Q),
        eventually(fun() -> 2 =:= length(ask(P, {pg, members, pg, Group})) end),
        eventually(fun() -> 2 =:= length(pg:get_members(Group)) end),
        true = disconnect_node(Node),
        eventually(fun() -> [Q] =:= pg:get_members(Group) end),
        true = net_kernel:connect_node(Node),
        eventually(fun() -> 2 =:= length(pg:get_members(Group)) end),
        eventually(fun() -> 2 =:= length(ask(P, {pg, members, pg, Group})) end)
    end).

'groups of a node that is gone are gone'(C) ->
    Own = start_target(C),
    in_scope(Own, fun(P, Group) ->
        ok = ask(P, {pg, join, pg, Group}),
        eventually(fun() -> [P] =:= pg:get_members(Group) end),
        kill_target(Own),
        eventually(fun() -> [] =:= pg:get_members(Group) end)
    end).

'a scope that restarts on a BEAM is in step again'(#{third := Third} = C) ->
    in_scope(C, fun(P, Group) ->
        _ = erpc:call(Third, pg, start, [pg]),
        {ok, Q} = erpc:call(Third, cnode_conf_probe, start, []),
        ok = erpc:call(Third, pg, join, [Group, Q]),
        ok = ask(P, {pg, join, pg, Group}),
        eventually(fun() -> 2 =:= length(ask(P, {pg, members, pg, Group})) end),
        exit(erpc:call(Third, erlang, whereis, [pg]), kill),
        eventually(fun() -> [P] =:= ask(P, {pg, members, pg, Group}) end),
        eventually(fun() -> {ok, true} =:= {ok, is_pid(started(Third))} end),
        eventually(fun() -> [P] =:= erpc:call(Third, pg, get_members, [Group]) end),
        ok = erpc:call(Third, pg, join, [Group, Q]),
        eventually(fun() -> 2 =:= length(ask(P, {pg, members, pg, Group})) end),
        exit(Q, kill)
    end).

started(Node) ->
    _ = erpc:call(Node, pg, start, [pg]),
    erpc:call(Node, erlang, whereis, [pg]).

'many joins and leaves end alike everywhere'(#{third := Third} = C) ->
    in_scope(C, fun(P, Group) ->
        _ = erpc:call(Third, pg, start, [pg]),
        Probes = [probe(C) || _ <- lists:seq(1, 20)],
        [Q ! {pg, join, pg, Group} || _ <- [1, 2, 3], Q <- Probes],
        [Q ! {pg, leave, pg, Group} || _ <- [1, 2], Q <- Probes],
        All = lists:sort(Probes),
        Same = fun(Members) -> All =:= lists:sort(Members) end,
        eventually(fun() -> Same(ask(P, {pg, members, pg, Group})) end),
        eventually(fun() -> Same(pg:get_members(Group)) end),
        eventually(fun() -> Same(erpc:call(Third, pg, get_members, [Group])) end)
    end).
