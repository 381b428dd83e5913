%% SPDX-License-Identifier: Apache-2.0
%%
%% Three BEAM nodes and two nodes under test through kills, splits and restarts,
%% with global and pg in use. Nothing hangs, and the BEAM nodes, which prevent
%% overlapping partitions as OTP does by default, are never parted from each
%% other because of a node under test.
-module(cnode_conf_cluster).

-include("cnode_conf.hrl").

-define(SOON, 8000).

limit(_) -> 60000.

%% Hidden nodes are in no mesh.
applies(#{visible := true}) -> true;
applies(_) -> "a hidden node is in no such cluster".

%% {Beams, Under}: all connected, pg and a watcher on each BEAM.
cluster(C) ->
    Prevent = ["-kernel", "prevent_overlapping_partitions", "true"],
    Started = [start_beam(Prevent), start_beam(Prevent), start_like_third(Prevent)],
    Beams = [Node || {_, Node} <- Started],
    Under = [start_target(C), start_target(C)],
    join(Beams, Under),
    [erpc:call(B, ?MODULE, begin_watch, [Beams]) || B <- Beams],
    put(started, Started),
    {Beams, Under}.

join([A | Others] = Beams, Under) ->
    [true = erpc:call(A, net_kernel, connect_node, [B]) || B <- Others],
    [connect_to(Beams, Node) || #{node := Node} <- Under],
    eventually(fun() -> [[]] =:= lists:usort([Beams -- erpc:call(B, erlang, nodes, [[this, visible]]) || B <- Beams]) end, ?SOON),
    ok.

connect_to(Beams, Node) ->
    [eventually(fun() -> erpc:call(B, net_kernel, connect_node, [Node]) end, ?SOON) || B <- Beams].

%% What is lost between BEAMs is kept by a process of each.
begin_watch(Beams) ->
    _ = pg:start(pg),
    Caller = self(),
    Watcher = spawn(fun() ->
        register(cnode_conf_watcher, self()),
        ok = net_kernel:monitor_nodes(true),
        Caller ! {self(), ready},
        watch(Beams, [])
    end),
    receive {Watcher, ready} -> ok end.

watch(Beams, Lost) ->
    receive
        {nodedown, Node} ->
            watch(Beams, [Node || lists:member(Node, Beams)] ++ Lost);
        {lost, From} ->
            From ! {self(), Lost},
            watch(Beams, Lost);
        _ ->
            watch(Beams, Lost)
    end.

lost() ->
    cnode_conf_watcher ! {lost, self()},
    receive {_, Lost} -> Lost after 1000 -> error(no_watcher) end.

%% No BEAM lost another, and everything that is for all works.
all_is_well(Beams) ->
    [[] = erpc:call(B, ?MODULE, lost, []) || B <- Beams],
    works(Beams).

works(Beams) ->
    names_work(Beams),
    [done = within(?SOON, fun() -> erpc:call(B, ?MODULE, locked, [{name(), B}]) end) || B <- Beams],
    ok.

names_work(Beams) ->
    [ok = within(?SOON, fun() -> erpc:call(B, global, sync, []) end) || B <- Beams],
    [
        begin
            Name = {name(), B},
            Init = erpc:call(B, erlang, whereis, [init]),
            yes = within(?SOON, fun() -> erpc:call(B, global, register_name, [Name, Init]) end),
            [eventually(fun() -> Init =:= erpc:call(O, global, whereis_name, [Name]) end) || O <- Beams],
            _ = within(?SOON, fun() -> erpc:call(B, global, unregister_name, [Name]) end),
            grouped(maps:get(third, cnode_conf:spec()), {group, Name}, B, Init, Beams)
        end
     || B <- Beams
    ],
    ok.

%% Scopes of OTP 25 and 29 crash each other without our help.
grouped("29", _, _, _, _) ->
    ok;
grouped(_, Group, B, Init, Beams) ->
    ok = erpc:call(B, pg, join, [Group, Init]),
    [eventually(fun() -> [Init] =:= erpc:call(O, pg, get_members, [Group]) end) || O <- Beams],
    ok = erpc:call(B, pg, leave, [Group, Init]).

locked(Name) -> global:trans({Name, self()}, fun() -> done end).

called(#{probe := Service}, Beams) ->
    [x = erpc:call(B, gen_server, call, [Service, {echo, x}]) || B <- Beams].

%% ------------------------------------------------------------------------ cases

'a cluster of both kinds works'(C) ->
    {Beams, Under} = cluster(C),
    [called(U, Beams) || U <- Under],
    all_is_well(Beams).

'a killed node takes nobody with it'(C) ->
    {Beams, [X, Y]} = cluster(C),
    called(X, Beams),
    kill_target(X),
    all_is_well(Beams),
    called(Y, Beams).

'a node that comes and goes harms nobody'(C) ->
    {Beams, [X, Y]} = cluster(C),
    lists:foldl(
        fun(_, Own = #{name := Name}) ->
            kill_target(Own),
            Again = eventually(fun() -> again(C, Name) end),
            connect_to(Beams, maps:get(node, Again)),
            called(Again, Beams),
            Again
        end,
        X,
        [1, 2, 3]
    ),
    all_is_well(Beams),
    called(Y, Beams).

again(C, Name) ->
    try
        start_target(C, #{name => Name})
    catch
        _:_ -> false
    end.

'one that stops in order harms nobody'(C) ->
    {Beams, [X, Y]} = cluster(C),
    _ = stop_target(X),
    all_is_well(Beams),
    called(Y, Beams).

'links to it that break harm nobody'(#{is_member := IsMember} = C) ->
    case IsMember of
        true ->
            {skip, "members of global do cut each other then"};
        false ->
            {Beams, [#{node := X} = UnderX, UnderY]} = cluster(C),
            [
                begin
                    true = erpc:call(B, erlang, disconnect_node, [X]),
                    all_is_well(Beams),
                    called(UnderX, Beams),
                    called(UnderY, Beams)
                end
             || B <- Beams
            ]
    end.

'one that stands still holds nobody up'(#{is_member := IsMember} = C) ->
    case IsMember of
        true ->
            {skip, "members of global wait for each other then"};
        false ->
            {Beams, [X, Y]} = cluster(C),
            signal_target(X, "STOP"),
            %% Who asks for a lock on all of nodes() asks it too, and waits.
            names_work(Beams),
            [[] = erpc:call(B, ?MODULE, lost, []) || B <- Beams],
            called(Y, Beams),
            signal_target(X, "CONT"),
            called(X, Beams)
    end.

'a BEAM that is killed is missed by nobody'(C) ->
    {[_, B, D] = Beams, Under} = cluster(C),
    [called(U, Beams) || U <- Under],
    [First | _] = get(started),
    stop_beam(First),
    works([B, D]),
    [called(U, [B, D]) || U <- Under],
    [eventually(fun() -> [] =:= [N || N <- ask(maps:get(probe, U), nodes), N =:= hd(Beams)] end) || U <- Under].

'a BEAM that is parted comes together with the others again'(C) ->
    {[A, B, D] = Beams, Under} = cluster(C),
    [erpc:call(A, erlang, disconnect_node, [N]) || N <- [B, D]],
    [called(U, Beams) || U <- Under],
    join(Beams, []),
    eventually(fun() ->
        try
            works(Beams) =:= ok
        catch
            _:_ -> false
        end
    end, 20000),
    [called(U, Beams) || U <- Under].

'names and locks go on while nodes come and go'(C) ->
    {Beams, [#{name := Name} = X, Y]} = cluster(C),
    Me = self(),
    Workers = [
        spawn_link(fun() -> Me ! {self(), erpc:call(B, ?MODULE, names, [40], 50000)} end)
     || B <- Beams
    ],
    kill_target(X),
    Again = eventually(fun() -> again(C, Name) end),
    connect_to(Beams, maps:get(node, Again)),
    kill_target(Y),
    [receive {W, done} -> ok after 50000 -> error(hangs) end || W <- Workers],
    [[] = erpc:call(B, ?MODULE, lost, []) || B <- Beams].

names(N) ->
    [
        begin
            Name = {names, node(), I},
            yes = global:register_name(Name, self()),
            done = locked({shared, I}),
            true = self() =:= global:whereis_name(Name),
            _ = global:unregister_name(Name)
        end
     || I <- lists:seq(1, N)
    ],
    done.

'a C process with a name for all is gone with its node'(C) ->
    {[A, B, D] = Beams, [X, _]} = cluster(C),
    P = probe(X),
    Name = name(),
    yes = within(?SOON, fun() -> erpc:call(A, global, register_name, [Name, P]) end),
    [eventually(fun() -> P =:= erpc:call(N, global, whereis_name, [Name]) end) || N <- [B, D]],
    kill_target(X),
    [eventually(fun() -> undefined =:= erpc:call(N, global, whereis_name, [Name]) end, ?SOON) || N <- Beams],
    works(Beams).
