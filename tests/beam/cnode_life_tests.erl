%% SPDX-License-Identifier: Apache-2.0
%%
%% The life of a connection between a BEAM and a C node: found with and without
%% epmd, let in or not, dialled by sending or not, kept by ticks, made twice at
%% once, attacked.
-module(cnode_life_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, eventually/2, name/1]).

-define(CONFIG, #{services => #{echo => #{behaviour => echo}}}).

config(Node) -> (?CONFIG)#{node => Node}.

hello(Peer, Node) -> peer:call(Peer, gen_server, call, [{echo, name(Node)}, hello, 5000], 10000).

%% Ours sees the C node, or some BEAM does.
sees(Peer, Node) -> lists:member(name(Node), peer:call(Peer, erlang, nodes, [])).

logged(Node, Words) ->
    lists:any(
        fun(Line) -> lists:all(fun(Word) -> string:find(Line, Word) =/= nomatch end, Words) end,
        cnode_peer:lines(Node)
    ).

text(Atom) -> atom_to_binary(Atom, utf8).

at(Host) -> list_to_atom(hd(string:lexemes(atom_to_list(cnode_peer:unique("n")), "@")) ++ "@" ++ Host).

%% ----------------------------------------------------------------- without epmd

epmdless_test_() ->
    cnode_peer:tests([
        {"nodes that all listen on one port find each other", fun one_port/0},
        {"a static map says where to dial", fun static_map/0},
        {"it registers again when another node gave its name back", fun name_taken/0}
    ]).

%% As BEAMs with -erl_epmd_port do: one node for each address.
one_port() ->
    Port = cnode_peer:free_port(),
    {Beam, Name} = {at("127.0.0.2"), at("127.0.0.3")},
    {Peer, Beam} = start_without_epmd(Beam, [
        "-erl_epmd_port", integer_to_list(Port), "-kernel", "inet_dist_use_interface", "{127,0,0,2}"
    ]),
    Node = cnode_peer:start(
        config(#{epmd => false, listen => <<"127.0.0.3">>, port => Port, peer_port => Port}), #{name => Name}
    ),
    ?assertEqual(hello, hello(Peer, Node)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    %% And the other way round.
    eventually(fun() -> not sees(Peer, Node) end),
    Other = cnode_peer:start(
        config(#{epmd => false, listen => <<"127.0.0.3">>, port => Port, peer_port => Port, join => [text(Beam)]}),
        #{name => Name}
    ),
    eventually(fun() -> sees(Peer, Other) end),
    ?assertEqual(hello, hello(Peer, Other)),
    ?assert(list_to_integer(maps:get("creation", cnode_peer:info(Other))) > 3),
    ?assertEqual(0, cnode_peer:stop(Other)),
    peer:stop(Peer).

%% The BEAM is registered at an epmd of its own, which the C node does not ask.
static_map() ->
    Port = integer_to_list(cnode_peer:free_port()),
    EpmdPort = cnode_peer:free_port(),
    Epmd = cnode_peer:start_epmd(EpmdPort),
    {Peer, Beam} = start_at_epmd(EpmdPort, cnode_peer:unique("b"), [
        "-kernel", "inet_dist_listen_min", Port, "-kernel", "inet_dist_listen_max", Port
    ]),
    Where = list_to_binary("127.0.0.1:" ++ Port),
    Node = cnode_peer:start(config(#{epmd => false, static => #{Beam => Where}, join => [text(Beam)]})),
    eventually(fun() -> sees(Peer, Node) end),
    ?assertEqual(hello, hello(Peer, Node)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    peer:stop(Peer),
    _ = cnode_peer:stop_epmd(Epmd).

%% A BEAM at an epmd port where nobody listens.
start_without_epmd(Name, Args) -> start_at_epmd(cnode_peer:free_port(), Name, Args).

start_at_epmd(EpmdPort, Name, Args) ->
    cnode_peer:start_distribution(),
    [Alive, Host] = string:lexemes(atom_to_list(Name), "@"),
    {ok, Peer, Name} = peer:start_link(#{
        name => Alive, host => Host, longnames => true, connection => standard_io,
        env => [{"ERL_EPMD_PORT", integer_to_list(EpmdPort)}],
        args => ["-setcookie", atom_to_list(erlang:get_cookie()), "-start_epmd", "false",
            "-kernel", "logger_level", "emergency" | Args]
    }),
    {Peer, Name}.

%% epmd goes, another node has our name when it is back, then that one goes.
name_taken() ->
    Port = cnode_peer:free_port(),
    Epmd = cnode_peer:start_epmd(Port),
    Env = [{"ERL_EPMD_PORT", integer_to_list(Port)}],
    {ok, Node} = cnode_peer:try_start(?CONFIG, #{env => Env}),
    _ = cnode_peer:stop_epmd(Epmd),
    {ok, Listen} = gen_tcp:listen(Port, [binary, {active, false}, {reuseaddr, true}, {ip, {127, 0, 0, 1}}]),
    [refuse_name(Listen) || _ <- lists:seq(1, 3)],
    gen_tcp:close(Listen),
    eventually(fun() -> logged(Node, ["event=epmd_lost", "error=name_in_use"]) end),
    Back = cnode_peer:start_epmd(Port),
    eventually(fun() -> length(cnode_peer:epmd_names(Port)) =:= 1 end, 15000),
    eventually(fun() -> logged(Node, ["event=epmd_registered_again"]) end),
    ?assertEqual(0, cnode_peer:stop(Node)),
    _ = cnode_peer:stop_epmd(Back).

refuse_name(Listen) ->
    {ok, Socket} = gen_tcp:accept(Listen, 10000),
    {ok, <<_:16, 120, _/binary>>} = gen_tcp:recv(Socket, 0, 5000),
    ok = gen_tcp:send(Socket, <<118, 1, 99:32>>),
    gen_tcp:close(Socket).

%% ----------------------------------------------------------------- who is let in

admission_test_() ->
    cnode_peer:tests([
        {"a list of nodes: others are refused, and not dialled", fun allow/0},
        {"a BEAM that does not allow it refuses it", fun not_allowed_there/0},
        {"a cookie of its own for one node, whoever dials", fun own_cookie/0}
    ]).

allow() ->
    cnode_peer:start_distribution(),
    {_, Beam} = Peer = cnode_peer:start_beam(),
    {_, Stranger} = Other = cnode_peer:start_beam(),
    Node = cnode_peer:start(config(#{allow => [text(node()), text(Beam)]})),
    ?assert(erpc:call(Beam, net_kernel, connect_node, [name(Node)])),
    ?assertNot(erpc:call(Stranger, net_kernel, connect_node, [name(Node)])),
    eventually(fun() -> logged(Node, ["event=handshake_failed", atom_to_list(Stranger), "error=not_allowed"]) end),
    ?assertEqual(hi, gen_server:call({echo, name(Node)}, hi)),
    ?assertEqual([], [N || N <- erpc:call(Stranger, erlang, nodes, []), N =:= name(Node)]),
    ?assertEqual(0, cnode_peer:stop(Node)),
    [cnode_peer:stop_beam(P) || P <- [Peer, Other]].

not_allowed_there() ->
    {_, Beam} = Peer = cnode_peer:start_beam(),
    ok = erpc:call(Beam, net_kernel, allow, [[node()]]),
    Node = cnode_peer:start(config(#{join => [text(Beam)]})),
    eventually(fun() -> logged(Node, [atom_to_list(Beam), "error=refused"]) end),
    ok = erpc:call(Beam, net_kernel, allow, [[name(Node)]]),
    eventually(fun() -> lists:member(name(Node), erpc:call(Beam, erlang, nodes, [])) end, 15000),
    ?assertEqual(0, cnode_peer:stop(Node)),
    cnode_peer:stop_beam(Peer).

own_cookie() ->
    {Peer, Beam} = cnode_peer:start_beam(),
    true = peer:call(Peer, erlang, set_cookie, [pineapple]),
    _ = peer:call(Peer, erlang, disconnect_node, [node()]),
    %% It dials the C node, which knows that cookie or does not.
    Plain = cnode_peer:start(?CONFIG),
    ?assertNot(peer:call(Peer, net_kernel, connect_node, [name(Plain)])),
    eventually(fun() -> logged(Plain, [atom_to_list(Beam), "error=bad_cookie"]) end),
    ?assertEqual(0, cnode_peer:stop(Plain)),
    Node = cnode_peer:start(config(#{cookies => #{Beam => pineapple}})),
    ?assert(peer:call(Peer, net_kernel, connect_node, [name(Node)])),
    ?assertEqual(hello, hello(Peer, Node)),
    ?assertEqual(hi, gen_server:call({echo, name(Node)}, hi)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    %% The C node dials.
    Wrong = cnode_peer:start(config(#{join => [text(Beam)]})),
    eventually(fun() -> logged(Wrong, [atom_to_list(Beam), "connect_failed"]) end),
    ?assertEqual(0, cnode_peer:stop(Wrong)),
    Right = cnode_peer:start(config(#{join => [text(Beam)], cookies => #{Beam => pineapple}})),
    eventually(fun() -> sees(Peer, Right) end),
    ?assertEqual(hello, hello(Peer, Right)),
    ?assertEqual(0, cnode_peer:stop(Right)),
    peer:stop(Peer).

%% ------------------------------------------------- whether sending to it dials

auto_connect_test_() ->
    cnode_peer:tests([
        {"a BEAM that never dials is dialled", fun never/0},
        {"a BEAM that dials once", fun once/0},
        {"a C node that never dials", fun never_here/0},
        {"a C node that dials once", fun once_here/0},
        {"a C node dials nobody whom it does not allow", fun not_allowed_here/0}
    ]).

never() ->
    {Peer, Beam} = cnode_peer:start_beam(["-kernel", "dist_auto_connect", "never"]),
    First = cnode_peer:start(?CONFIG),
    ?assertMatch({'EXIT', {{nodedown, _}, _}}, caught(Peer, First)),
    ?assertEqual(0, cnode_peer:stop(First)),
    Node = cnode_peer:start(config(#{join => [text(Beam)]})),
    eventually(fun() -> sees(Peer, Node) end),
    ?assertEqual(hello, hello(Peer, Node)),
    %% Cut off, the C node comes back by itself.
    true = peer:call(Peer, erlang, disconnect_node, [name(Node)]),
    eventually(fun() -> sees(Peer, Node) end),
    ?assertEqual(hello, hello(Peer, Node)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    peer:stop(Peer).

once() ->
    {Peer, _} = cnode_peer:start_beam(["-kernel", "dist_auto_connect", "once"]),
    Node = cnode_peer:start(?CONFIG),
    ?assertEqual(hello, hello(Peer, Node)),
    true = peer:call(Peer, erlang, disconnect_node, [name(Node)]),
    eventually(fun() -> not sees(Peer, Node) end),
    ?assertMatch({'EXIT', {{nodedown, _}, _}}, caught(Peer, Node)),
    ?assert(peer:call(Peer, net_kernel, connect_node, [name(Node)])),
    ?assertEqual(hello, hello(Peer, Node)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    peer:stop(Peer).

%% A probe sends to a process of ours on a BEAM that is not connected.
probe(Node, Request) -> gen_server:call({probe, name(Node)}, Request).

probing(Node) -> cnode_peer:start(#{services => #{probe => #{behaviour => probe}}, node => Node}).

%% A BEAM with a process called sink that tells us what it gets.
sink() ->
    {_, Beam} = Peer = cnode_peer:start_beam(),
    Me = self(),
    _ = erpc:call(Beam, fun() ->
        Pid = spawn(fun() -> tell(Me) end),
        register(sink, Pid)
    end),
    Peer.

tell(To) ->
    receive
        Message -> To ! {sink, Message}
    end,
    tell(To).

got(Message) ->
    receive
        {sink, Message} -> true
    after 5000 -> false
    end.

is_connected(Node, Beam) -> lists:member(Beam, probe(Node, nodes)).

never_here() ->
    {_, Beam} = Peer = sink(),
    Node = probing(#{auto_connect => never}),
    ?assertEqual(ok, probe(Node, {send, {sink, Beam}, lost})),
    ?assertMatch({error, _}, probe(Node, {call, {sink, Beam}, lost, 1000})),
    ?assertNot(is_connected(Node, Beam)),
    ?assert(probe(Node, {connect, Beam})),
    ?assertEqual(ok, probe(Node, {send, {sink, Beam}, hello})),
    ?assert(got(hello)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    cnode_peer:stop_beam(Peer).

once_here() ->
    {_, Beam} = Peer = sink(),
    Node = probing(#{auto_connect => once}),
    ?assertEqual(ok, probe(Node, {send, {sink, Beam}, first})),
    ?assert(got(first)),
    true = erpc:call(Beam, erlang, disconnect_node, [name(Node)]),
    eventually(fun() -> not is_connected(Node, Beam) end),
    ?assertEqual(ok, probe(Node, {send, {sink, Beam}, lost})),
    ?assertMatch({error, _}, probe(Node, {call, {sink, Beam}, lost, 1000})),
    ?assertNot(is_connected(Node, Beam)),
    ?assert(probe(Node, {connect, Beam})),
    ?assertEqual(ok, probe(Node, {send, {sink, Beam}, second})),
    ?assert(got(second)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    cnode_peer:stop_beam(Peer).

not_allowed_here() ->
    {_, Beam} = Peer = sink(),
    Node = probing(#{allow => [text(node())]}),
    ?assertEqual(ok, probe(Node, {send, {sink, Beam}, lost})),
    ?assertNot(probe(Node, {connect, Beam})),
    ?assertNot(is_connected(Node, Beam)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    cnode_peer:stop_beam(Peer).

caught(Peer, Node) ->
    try hello(Peer, Node) catch exit:Reason -> {'EXIT', Reason} end.

%% ------------------------------------------------------------------------ ticks

%% A BEAM with a shorter ticktime, which it announces nowhere.
ticktime_test_() ->
    cnode_peer:tests([{"a BEAM of a short ticktime keeps it, idle or talking", fun short_ticktime/0}]).

short_ticktime() ->
    Node = cnode_peer:start(?CONFIG),
    Args = ["-kernel", "net_ticktime", "4"],
    [{Idle, _}, {Talking, _}] = Peers = [cnode_peer:start_beam(Args) || _ <- [1, 2]],
    [?assertEqual(hello, hello(P, Node)) || {P, _} <- Peers],
    [ok = peer:call(P, net_kernel, monitor_nodes, [true]) || {P, _} <- Peers],
    %% We write all the time and read nothing: it sends no ticks to answer.
    _ = peer:call(Talking, timer, apply_interval, [50, erlang, send, [{nobody, name(Node)}, hello]]),
    timer:sleep(9000),
    [?assert(sees(P, Node)) || P <- [Idle, Talking]],
    ?assertNot(logged(Node, ["event=nodedown"])),
    ?assertEqual(0, cnode_peer:stop(Node)),
    [peer:stop(P) || {P, _} <- Peers].

%% ------------------------------------------------------- both dial at once, again

collision_test_() ->
    cnode_peer:tests([
        {"both dial at once, its name is less", fun() -> collide("a") end},
        {"both dial at once, its name is greater", fun() -> collide("z") end},
        {"a BEAM that restarts under its name is another one", fun reborn/0}
    ]).

%% A node that is joined is dialled 100 ms after it was lost; so do we.
collide(Prefix) ->
    cnode_peer:start_distribution(),
    Node = cnode_peer:start(config(#{join => [text(node())]}), #{name => cnode_peer:unique(Prefix)}),
    Name = name(Node),
    eventually(fun() -> lists:member(Name, nodes()) end),
    ok = net_kernel:monitor_nodes(true),
    [
        begin
            true = erlang:disconnect_node(Name),
            receive {nodedown, Name} -> ok after 5000 -> error(no_nodedown) end,
            timer:sleep(90 + N rem 20),
            ?assert(net_kernel:connect_node(Name)),
            ?assertEqual({round, N}, gen_server:call({echo, Name}, {round, N})),
            receive {nodeup, Name} -> ok after 5000 -> error(no_nodeup) end
        end
     || N <- lists:seq(1, 25)
    ],
    %% One connection each time: nobody went up and down again.
    ?assertEqual([], [M || {_, N} = M <- messages(), N =:= Name]),
    ok = net_kernel:monitor_nodes(false),
    ?assertEqual(0, cnode_peer:stop(Node)).

messages() ->
    receive
        Message -> [Message | messages()]
    after 0 -> []
    end.

reborn() ->
    Node = cnode_peer:start(?CONFIG),
    Name = cnode_peer:unique("b"),
    [
        begin
            {Peer, Name} = cnode_peer:start_beam_as(Name, []),
            ?assertEqual(hello, hello(Peer, Node)),
            Os = peer:call(Peer, os, getpid, []),
            unlink(Peer),
            [] = os:cmd("kill -KILL " ++ Os)
        end
     || _ <- lists:seq(1, 3)
    ],
    Ups = fun(Event) -> [L || L <- cnode_peer:lines(Node), string:find(L, Event) =/= nomatch,
                              string:find(L, atom_to_list(Name)) =/= nomatch] end,
    eventually(fun() -> length(Ups("event=nodedown")) =:= 3 end),
    ?assertEqual(3, length(Ups("event=nodeup"))),
    ?assertEqual(0, cnode_peer:stop(Node)).

%% ------------------------------------------------------------------- strangers

strangers_test_() ->
    Config = config(#{setup_time => <<"2s">>}),
    cnode_peer:suite(Config, [
        {"ten thousand handshakes that nobody finishes", 120, fun unfinished/1},
        {"a peer that says one byte at a time", 60, fun byte_by_byte/1},
        {"a peer that only ticks", 60, fun only_ticks/1},
        {"fragments of a thousand messages that are never finished", 60, fun unfinished_fragments/1}
    ]).

port(Node) -> list_to_integer(maps:get("port", cnode_peer:info(Node))).

%% Half of them say a name first. Nobody else notices, and they cost nothing that
%% stays.
unfinished(Node) ->
    Port = port(Node),
    ?assertEqual(hi, gen_server:call({echo, name(Node)}, hi)),
    ok = net_kernel:monitor_nodes(true),
    Name = <<"stranger@127.0.0.1">>,
    Hello = <<(15 + byte_size(Name)):16, $N, (cnode_raw:flags()):64, 1:32, (byte_size(Name)):16, Name/binary>>,
    _ = open_many(100, Port, Hello),
    Before = cnode_peer:resident_kib(Node),
    Me = self(),
    Flood = spawn_link(fun() -> Me ! {self(), [open_many(500, Port, Hello) || _ <- lists:seq(1, 20)]} end),
    Slowest = lists:max([ask_us(Node) || _ <- lists:seq(1, 500)]),
    receive {Flood, _} -> ok end,
    {_, Beam} = Peer = cnode_peer:start_beam(),
    ?assertEqual(hi, erpc:call(Beam, gen_server, call, [{echo, name(Node)}, hi])),
    ?assert(Slowest < 1000000),
    %% Under the sanitizers what is freed stays for a while.
    ?assert(cnode_peer:resident_kib(Node) - Before < 131072),
    ?assertEqual([], [N || {nodedown, N} <- messages(), N =:= name(Node)]),
    ok = net_kernel:monitor_nodes(false),
    cnode_peer:stop_beam(Peer).

ask_us(Node) ->
    {Us, hi} = timer:tc(gen_server, call, [{echo, name(Node)}, hi]),
    Us.

%% They are closed from the other side, or when this process has done with them.
open_many(Count, Port, Hello) ->
    Sockets = [
        begin
            {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
            _ = N rem 2 =:= 0 andalso gen_tcp:send(Socket, Hello),
            Socket
        end
     || N <- lists:seq(1, Count)
    ],
    [gen_tcp:close(Socket) || Socket <- Sockets],
    ok.

byte_by_byte(Node) ->
    Peer = cnode_raw:connect(port(Node), cnode_peer:unique("raw")),
    Frame = cnode_raw:whole(Peer, {
        cnode_raw:ext({6, cnode_raw:pid(Peer, 1), '', echo}),
        cnode_raw:ext({'$gen_call', {cnode_raw:pid(Peer, 1), tag}, slowly})
    }),
    [
        begin
            ok = cnode_raw:say(Peer, <<Byte>>),
            ?assertEqual(N, gen_server:call({echo, name(Node)}, N))
        end
     || {N, Byte} <- lists:enumerate(binary_to_list(Frame))
    ],
    ?assertEqual(ok, cnode_raw:await(Peer, fun({_, {tag, slowly}}) -> ok; (_) -> false end)),
    cnode_raw:close(Peer).

only_ticks(Node) ->
    Peer = cnode_raw:connect(port(Node), cnode_peer:unique("raw")),
    Before = cnode_peer:resident_kib(Node),
    [ok = cnode_raw:say(Peer, binary:copy(cnode_raw:tick(), 10000)) || _ <- lists:seq(1, 100)],
    ?assertEqual(up, cnode_raw:state(Peer)),
    ?assert(cnode_peer:resident_kib(Node) - Before < 4096),
    cnode_raw:close(Peer).

unfinished_fragments(Node) ->
    Peer = cnode_raw:connect(port(Node), cnode_peer:unique("raw")),
    Before = cnode_peer:resident_kib(Node),
    Control = cnode_raw:ext({6, cnode_raw:pid(Peer, 1), '', echo}),
    [
        ok = cnode_raw:say(Peer, cnode_raw:frame(
            <<131, 69, N:64, 1000:64, 0, Control/binary, 109, 1000000:32, "the beginning">>
        ))
     || N <- lists:seq(1, 1000)
    ],
    ?assertEqual(up, cnode_raw:state(Peer)),
    ?assert(cnode_peer:resident_kib(Node) - Before < 8192),
    cnode_raw:close(Peer),
    ?assertEqual(fine, gen_server:call({echo, name(Node)}, fine)).
