%% SPDX-License-Identifier: Apache-2.0
%%
%% A C node as a member of a cluster: joining, being seen, leaving, being lost.
-module(cnode_cluster_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, eventually/2, name/1]).

-define(CONFIG, #{
    services => #{echo => #{behaviour => echo}},
    pools => #{'Elixir.Counters' => #{behaviour => counter, registry => none}}
}).

member_test_() ->
    cnode_peer:suite(?CONFIG, [
        {"net_adm:ping says pong", fun pong/1},
        {"it is in nodes(), not among the hidden", fun visible/1},
        {"global:sync returns", fun global_sync/1},
        {"names and locks of global work beside it", fun global_names/1},
        {"a C worker can have a global name", fun global_name_of_worker/1},
        {"it comes back after disconnect_node", fun reconnect/1},
        {"a hidden BEAM can call it", fun hidden_caller/1},
        {"several BEAMs call it at once", fun several/1},
        {"a spawned function that is not there exits with undef", fun spawns_nothing/1},
        {"what erpc and rpc may not call fails clearly", fun remote_calls/1},
        {"what nobody waits for is dropped, the connection stays", fun stray_messages/1}
    ]).

pong(Node) -> ?assertEqual(pong, net_adm:ping(name(Node))).

visible(Node) ->
    connect(Node),
    ?assert(lists:member(name(Node), nodes())),
    ?assertNot(lists:member(name(Node), nodes(hidden))).

global_sync(Node) ->
    connect(Node),
    ?assertEqual(ok, within(5000, fun global:sync/0)),
    ok = reconnected(Node),
    ?assertEqual(ok, within(5000, fun global:sync/0)).

global_names(Node) ->
    connect(Node),
    {_, Beam} = Peer = cnode_peer:start_beam(),
    true = net_kernel:connect_node(Beam),
    ?assertEqual(yes, within(5000, fun() -> global:register_name(cnode_name, whereis(kernel_sup)) end)),
    eventually(fun() -> erpc:call(Beam, global, whereis_name, [cnode_name]) =:= whereis(kernel_sup) end),
    Lock = {cnode_lock, self()},
    ?assert(within(5000, fun() -> global:set_lock(Lock, [node() | nodes()], 2) end)),
    global:del_lock(Lock),
    global:unregister_name(cnode_name),
    cnode_peer:stop_beam(Peer).

global_name_of_worker(Node) ->
    Pid = cnode_peer:worker(Node, global),
    ?assertEqual(yes, within(5000, fun() -> global:register_name(cnode_worker, Pid) end)),
    ?assertEqual(1, gen_server:call({global, cnode_worker}, increment)),
    ok = cnode_pool:kill(cnode_peer:counters(Node), global),
    eventually(fun() -> global:whereis_name(cnode_worker) =:= undefined end).

reconnect(Node) ->
    [
        begin
            ok = reconnected(Node),
            ?assertEqual({round, N}, gen_server:call({echo, name(Node)}, {round, N}))
        end
     || N <- lists:seq(1, 20)
    ].

hidden_caller(Node) ->
    {_, Beam} = Peer = cnode_peer:start_beam(["-hidden"]),
    ?assertEqual(hi, erpc:call(Beam, gen_server, call, [{echo, name(Node)}, hi])),
    ?assert(lists:member(name(Node), erpc:call(Beam, erlang, nodes, [hidden]))),
    cnode_peer:stop_beam(Peer).

several(Node) ->
    Peers = [cnode_peer:start_beam() || _ <- lists:seq(1, 3)],
    Calls = [
        erpc:send_request(Beam, cnode_pool, call, [cnode_peer:counters(Node), several, increment])
     || _ <- lists:seq(1, 50), {_, Beam} <- Peers
    ],
    Counts = [erpc:receive_response(Call) || Call <- Calls],
    ?assertEqual(lists:seq(1, 150), lists:sort(Counts)),
    [cnode_peer:stop_beam(Peer) || Peer <- Peers].

spawns_nothing(Node) ->
    connect(Node),
    Request = spawn_request(name(Node), erlang, halt, [7], [monitor, {priority, low}]),
    Pid = receive {spawn_reply, Request, ok, Spawned} -> Spawned after 5000 -> timeout end,
    ?assertEqual(name(Node), node(Pid)),
    Reason = {undef, [{erlang, halt, [7], []}]},
    ?assertEqual(Reason, receive {'DOWN', Request, process, Pid, Down} -> Down after 5000 -> timeout end),
    {Pid2, Monitor} = spawn_monitor(name(Node), erlang, halt, [7]),
    ?assertEqual(Reason, receive {'DOWN', Monitor, process, Pid2, Why} -> Why after 5000 -> timeout end),
    process_flag(trap_exit, true),
    Pid3 = spawn_link(name(Node), erlang, halt, [7]),
    ?assertEqual(Reason, receive {'EXIT', Pid3, Exit} -> Exit after 5000 -> timeout end),
    process_flag(trap_exit, false),
    pong(Node).

remote_calls(Node) ->
    connect(Node),
    ?assertMatch({'EXIT', _}, catch erpc:call(name(Node), erlang, halt, [], 5000)),
    ?assertEqual(name(Node), rpc:call(name(Node), erlang, node, [], 5000)),
    ?assertMatch({badrpc, _}, rpc:call(name(Node), erlang, halt, [], 5000)),
    ?assertMatch({badrpc, _}, rpc:block_call(name(Node), erlang, halt, [], 5000)),
    pong(Node).

stray_messages(Node) ->
    connect(Node),
    erlang:monitor_node(name(Node), true),
    Pid = cnode_peer:worker(Node, stray),
    Junk = [junk, {}, {self(), features_request}, {'$gen_call', x, y}, {'$gen_call'}, {'$gen_cast'},
        {'$gen_call', {self(), make_ref()}}, {system, {self(), make_ref()}, nonsense},
        {'$gen_call', {self(), [alias | nonsense]}, x}, {io_request, self(), make_ref(), x},
        {discover, self()}, {nodeup, node()}, [a | b]],
    Dests = [Pid | [{To, name(Node)} || To <- [echo, rex, pg, global_name_server, net_kernel,
        'Elixir.Counters', init, logger, nobody]]],
    [erlang:send(Dest, Message) || Dest <- Dests, Message <- Junk],
    true = erlang:group_leader(group_leader(), Pid),
    seq_trace:set_token(label, 17),
    ?assertEqual(traced, gen_server:call({echo, name(Node)}, traced)),
    seq_trace:set_token([]),
    pong(Node),
    ?assertEqual(1, cnode_pool:call(cnode_peer:counters(Node), stray, increment)),
    ?assertEqual(up, receive {nodedown, _} -> down after 0 -> up end),
    erlang:monitor_node(name(Node), false).

%% ------------------------------------------------------------- who may join

cookie_test_() ->
    cnode_peer:suite(?CONFIG, #{cookie => correct}, [
        {"a wrong cookie is refused, the right one then accepted", fun(Node) ->
            true = erlang:set_cookie(name(Node), wrong),
            ?assertEqual(false, net_kernel:connect_node(name(Node))),
            ?assertNot(lists:member(name(Node), nodes())),
            true = erlang:set_cookie(name(Node), correct),
            ?assertEqual(true, net_kernel:connect_node(name(Node)))
        end}
    ]).

wrong_cookie_test_() ->
    cnode_peer:tests([
        {"a node that dials with a wrong cookie never gets in", fun() ->
            Node = cnode_peer:start(?CONFIG, #{
                cookie => wrong, args => ["--join", join_us()]
            }),
            eventually(fun() -> lists:any(has(["level=warn"]), cnode_peer:lines(Node)) end),
            ?assertNot(lists:member(name(Node), nodes(connected))),
            ?assertEqual(0, cnode_peer:stop(Node))
        end}
    ]).

%% This BEAM needs its name before a command line can have it.
join_us() ->
    cnode_peer:start_distribution(),
    atom_to_list(node()).

hidden_test_() ->
    cnode_peer:suite(?CONFIG, #{args => ["--hidden"]}, [
        {"a hidden node is reached but not listed", fun(Node) ->
            pong(Node),
            ?assertNot(lists:member(name(Node), nodes())),
            ?assert(lists:member(name(Node), nodes(hidden))),
            ?assertEqual(1, cnode_pool:call(cnode_peer:counters(Node), 1, increment)),
            ?assertEqual(ok, within(5000, fun global:sync/0))
        end}
    ]).

%% Both dial at once: we from before the node is there, it from its start. Names
%% on either side of ours ("m_..."), as the greater one wins.
simultaneous_test_() ->
    cnode_peer:tests([
        {"both dial at once, its name is less", fun() -> simultaneous("a") end},
        {"both dial at once, its name is greater", fun() -> simultaneous("z") end}
    ]).

simultaneous(Prefix) ->
    Opts = #{args => ["--join", join_us()]},
    [
        begin
            Name = cnode_peer:unique(Prefix),
            Dialler = spawn_link(fun() -> dial(Name) end),
            Node = cnode_peer:start(?CONFIG, Opts#{name => Name}),
            eventually(fun() -> lists:member(Name, nodes()) end),
            ?assertEqual({round, N}, gen_server:call({echo, Name}, {round, N})),
            unlink(Dialler),
            exit(Dialler, kill),
            ?assertEqual(0, cnode_peer:stop(Node))
        end
     || N <- lists:seq(1, 25)
    ].

dial(Name) ->
    _ = net_kernel:connect_node(Name),
    dial(Name).

%% ------------------------------------------------------------ leaving, dying

leaving_test_() ->
    cnode_peer:tests([
        {"SIGTERM is nodedown and noconnection at once", fun() ->
            leaves(fun(Node) -> ?assertEqual(0, cnode_peer:stop(Node)) end)
        end},
        {"SIGKILL is too", fun() -> leaves(fun cnode_peer:kill/1) end},
        {"the same name again is another life", fun reborn/0}
    ]).

leaves(End) ->
    Node = cnode_peer:start(?CONFIG),
    Pid = cnode_peer:worker(Node, 1),
    ok = net_kernel:monitor_nodes(true),
    Worker = monitor(process, Pid),
    Name = monitor(process, {echo, name(Node)}),
    _ = process_flag(trap_exit, true),
    link(Pid),
    End(Node),
    ?assertEqual(noconnection, receive {'DOWN', Worker, process, Pid, R1} -> R1 after 2000 -> late end),
    ?assertEqual(
        noconnection,
        receive {'DOWN', Name, process, {echo, _}, R2} -> R2 after 2000 -> late end
    ),
    ?assertEqual(noconnection, receive {'EXIT', Pid, R3} -> R3 after 2000 -> late end),
    Gone = name(Node),
    ?assertEqual(down, receive {nodedown, Gone} -> down after 2000 -> late end),
    ok = net_kernel:monitor_nodes(false),
    [Alive, _] = string:lexemes(atom_to_list(Gone), "@"),
    eventually(fun() ->
        {ok, Names} = erl_epmd:names({127, 0, 0, 1}),
        not lists:keymember(Alive, 1, Names)
    end),
    ?assertEqual(pang, net_adm:ping(Gone)).

%% The same name again, at once: a new creation, and old pids stay dead.
reborn() ->
    First = cnode_peer:start(?CONFIG),
    Old = cnode_peer:worker(First, 1),
    _ = cnode_peer:kill(First),
    Second = cnode_peer:start(?CONFIG, #{name => name(First)}),
    New = cnode_peer:worker(Second, 1),
    ?assertNotEqual(Old, New),
    ?assertNotEqual(
        maps:get("creation", cnode_peer:info(First)), maps:get("creation", cnode_peer:info(Second))
    ),
    Monitor = monitor(process, Old),
    ?assertEqual(noproc, receive {'DOWN', Monitor, process, Old, R} -> R after 5000 -> late end),
    Old ! hello,
    exit(Old, kill),
    ?assertExit({noproc, _}, gen_server:call(Old, get)),
    ?assertEqual(0, gen_server:call(New, get)),
    ?assertEqual(0, cnode_peer:stop(Second)).

%% ---------------------------------------------------------------------- ticks

tick_test_() ->
    Config = maps:merge(?CONFIG, #{node => #{ticktime => <<"2s">>}}),
    cnode_peer:suite(Config, [
        {"ticks keep an idle connection, and one where only we talk", 60, fun ticks/1},
        {"we notice a C node that hangs, and it comes back", 60, fun hanging_node/1},
        {"it notices a BEAM that hangs", 60, fun hanging_beam/1}
    ]).

ticks(Node) ->
    connect(Node),
    _ = net_kernel:set_net_ticktime(2, 0),
    erlang:monitor_node(name(Node), true),
    ?assertEqual(up, receive {nodedown, _} -> down after 6000 -> up end),
    %% We write all the time, so we send no ticks that it could answer.
    Talker = spawn_link(fun() -> talk({nobody, name(Node)}) end),
    ?assertEqual(up, receive {nodedown, _} -> down after 6000 -> up end),
    unlink(Talker),
    exit(Talker, kill),
    erlang:monitor_node(name(Node), false),
    _ = net_kernel:set_net_ticktime(60, 0).

talk(To) ->
    To ! hello,
    timer:sleep(50),
    talk(To).

hanging_node(Node) ->
    connect(Node),
    _ = net_kernel:set_net_ticktime(2, 0),
    erlang:monitor_node(name(Node), true),
    cnode_peer:signal(Node, "STOP"),
    ?assertEqual(down, receive {nodedown, _} -> down after 10000 -> up end),
    cnode_peer:signal(Node, "CONT"),
    eventually(fun() -> net_kernel:connect_node(name(Node)) end),
    ?assertEqual(hi, gen_server:call({echo, name(Node)}, hi)),
    _ = net_kernel:set_net_ticktime(60, 0).

hanging_beam(Node) ->
    {Peer, Beam} = cnode_peer:start_beam(),
    Os = list_to_integer(peer:call(Peer, os, getpid, [])),
    hi = peer:call(Peer, gen_server, call, [{echo, name(Node)}, hi]),
    ?assert(lists:member(name(Node), peer:call(Peer, erlang, nodes, []))),
    cnode_peer:signal(#{os_pid => Os}, "STOP"),
    try
        eventually(fun() -> lists:any(has(["event=nodedown", atom_to_list(Beam)]), cnode_peer:lines(Node)) end, 10000)
    after
        %% Stopped, it would outlive us.
        cnode_peer:signal(#{os_pid => Os}, "CONT")
    end,
    eventually(fun() -> not lists:member(name(Node), peer:call(Peer, erlang, nodes, [])) end),
    ?assertEqual(hi, peer:call(Peer, gen_server, call, [{echo, name(Node)}, hi])),
    peer:stop(Peer).

%% -------------------------------------------------------------------- helpers

connect(Node) -> ?assertEqual(true, net_kernel:connect_node(name(Node))).

reconnected(Node) ->
    erlang:disconnect_node(name(Node)),
    eventually(fun() -> not lists:member(name(Node), nodes(connected)) end),
    connect(Node),
    ok.

within(Milliseconds, Fun) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit({result, Fun()}) end),
    receive
        {'DOWN', Monitor, process, Pid, {result, Result}} -> Result;
        {'DOWN', Monitor, process, Pid, Reason} -> {crashed, Reason}
    after Milliseconds ->
        exit(Pid, kill),
        too_late
    end.

%% Whether a line has all these words.
has(Words) ->
    fun(Line) -> lists:all(fun(Word) -> string:find(Line, Word) =/= nomatch end, Words) end.
