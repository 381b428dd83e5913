%% SPDX-License-Identifier: Apache-2.0
%%
%% C nodes find the rest of the cluster by themselves, and each other.
-module(cnode_mesh_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/2, name/1]).

-define(CONFIG, #{services => #{echo => #{behaviour => echo}}}).

mesh_test_() ->
    cnode_peer:tests([
        {"two C nodes that join two BEAMs are connected to all", fun joins_one_knows_all/0},
        {"a BEAM that comes later is found", fun later/0},
        {"a node that left is not dialled for ever", fun left/0},
        {"without mesh there is only who was joined", fun without/0},
        {"a hidden C node stays where it is", fun hidden/0}
    ]).

joins_one_knows_all() ->
    {_, One} = Peer1 = cnode_peer:start_beam(),
    {_, Two} = Peer2 = cnode_peer:start_beam(),
    true = erpc:call(One, net_kernel, connect_node, [Two]),
    A = start(One),
    B = start(Two),
    All = [One, Two, name(A), name(B)],
    [eventually(fun() -> All -- [N | sees(N)] =:= [] end, 15000) || N <- [One, Two]],
    %% Each C node is in the other's list, which only it knows.
    eventually(fun() -> has_line(A, name(B)) andalso has_line(B, name(A)) end, 15000),
    [?assertEqual(ok, erpc:call(N, global, sync, [], 5000)) || N <- [One, Two]],
    stop([A, B], [Peer1, Peer2]).

later() ->
    {_, One} = Peer1 = cnode_peer:start_beam(),
    A = start(One),
    {_, Two} = Peer2 = cnode_peer:start_beam(),
    true = erpc:call(One, net_kernel, connect_node, [Two]),
    eventually(fun() -> lists:member(name(A), sees(Two)) end, 15000),
    stop([A], [Peer1, Peer2]).

left() ->
    {_, One} = Peer1 = cnode_peer:start_beam(),
    {_, Two} = Peer2 = cnode_peer:start_beam(),
    true = erpc:call(One, net_kernel, connect_node, [Two]),
    A = start(One),
    eventually(fun() -> lists:member(name(A), sees(Two)) end, 15000),
    cnode_peer:stop_beam(Peer2),
    eventually(fun() -> has_line(A, "event=nodedown", Two) end, 5000),
    ?assertEqual(hi, erpc:call(One, gen_server, call, [{echo, name(A)}, hi])),
    ?assertNot(has_line(A, "event=connect_failed", Two)),
    stop([A], [Peer1]).

without() ->
    {_, One} = Peer1 = cnode_peer:start_beam(),
    {_, Two} = Peer2 = cnode_peer:start_beam(),
    true = erpc:call(One, net_kernel, connect_node, [Two]),
    A = start(One, #{node => #{mesh => false}}),
    B = start(One),
    eventually(fun() -> lists:member(name(B), sees(Two)) end, 15000),
    ?assertNot(lists:member(name(A), sees(Two))),
    stop([A, B], [Peer1, Peer2]).

hidden() ->
    {_, One} = Peer1 = cnode_peer:start_beam(),
    {_, Two} = Peer2 = cnode_peer:start_beam(),
    true = erpc:call(One, net_kernel, connect_node, [Two]),
    A = start(One, #{node => #{hidden => true}}),
    B = start(One),
    eventually(fun() -> lists:member(name(B), sees(Two)) end, 15000),
    ?assertEqual([name(A)], erpc:call(One, erlang, nodes, [hidden]) -- [node()]),
    ?assertNot(lists:member(name(A), erpc:call(Two, erlang, nodes, [connected]))),
    stop([A, B], [Peer1, Peer2]).

%% -------------------------------------------------------------------- helpers

%% One of the two BEAMs is its only way in.
start(Join) -> start(Join, #{}).

start(Join, More) ->
    cnode_peer:start(maps:merge(?CONFIG, More), #{args => ["--join", atom_to_list(Join)]}).

stop(Nodes, Peers) ->
    [?assertEqual(0, cnode_peer:stop(Node)) || Node <- Nodes],
    [cnode_peer:stop_beam(Peer) || Peer <- Peers].

%% Never from here: we would be one more that knows both.
sees(Beam) -> erpc:call(Beam, erlang, nodes, []).

has_line(Node, Peer) -> has_line(Node, "event=nodeup", Peer).

has_line(Node, Event, Peer) ->
    lists:any(
        fun(Line) ->
            string:find(Line, Event) =/= nomatch andalso
                string:find(Line, "peer=" ++ atom_to_list(Peer) ++ " ") =/= nomatch
        end,
        cnode_peer:lines(Node)
    ).
