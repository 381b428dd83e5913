%% SPDX-License-Identifier: Apache-2.0
%%
%% A process in C as its peers see it: gen calls of every shape, monitors,
%% links, exit signals, order.
-module(cnode_process_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, name/1]).

-define(CONFIG, #{
    services => #{echo => #{behaviour => echo}},
    pools => #{'Elixir.Counters' => #{behaviour => counter, registry => none}}
}).

calls_test_() ->
    cnode_peer:suite(?CONFIG, [
        {"a call by name, by pid, and with a plain reference as its tag", fun call_shapes/1},
        {"send_request and receive_response", fun send_request/1},
        {"multi_call, with nodes that are not there", fun multi_call/1},
        {"any tag is echoed as it came", fun tags/1},
        {"a reply goes to the caller in From, not to the sender", fun other_caller/1},
        {"a cast and abcast", fun casts/1},
        {"a name that nobody has is noproc", fun unknown_name/1},
        {"a reply that comes too late does not litter the mailbox", fun late_reply/1},
        {"callers that died leave nothing behind", 120, fun dead_callers/1},
        {"a large call does not hold up small ones", fun head_of_line/1},
        {"messages of one sender arrive in their order, large ones included", fun order/1}
    ]).

call_shapes(Node) ->
    ?assertEqual({a, 1}, gen_server:call({echo, name(Node)}, {a, 1})),
    Pid = cnode_peer:worker(Node, shapes),
    ?assertEqual(1, gen_server:call(Pid, increment)),
    Ref = make_ref(),
    Pid ! {'$gen_call', {self(), Ref}, increment},
    ?assertEqual(2, receive {Ref, Reply} -> Reply after 5000 -> none end).

send_request(Node) ->
    Pid = cnode_peer:worker(Node, requests),
    Requests = [gen_server:send_request(Pid, increment) || _ <- lists:seq(1, 100)],
    ?assertEqual([{reply, N} || N <- lists:seq(1, 100)], [
        gen_server:receive_response(R, 5000)
     || R <- Requests
    ]).

multi_call(Node) ->
    Nodes = [name(Node), 'nobody@127.0.0.1', node()],
    {Replies, Bad} = gen_server:multi_call(Nodes, echo, x, 5000),
    ?assertEqual([{name(Node), x}], Replies),
    ?assertEqual(lists:sort(['nobody@127.0.0.1', node()]), lists:sort(Bad)),
    ?assertEqual({[], [name(Node)]}, gen_server:multi_call([name(Node)], nobody, x)).

tags(Node) ->
    Tags = [make_ref(), {make_ref(), node()}, tag, 1, [list], #{map => 1}, <<"binary">>, {}, [a | b]],
    [
        begin
            {echo, name(Node)} ! {'$gen_call', {self(), Tag}, {tagged, Tag}},
            ?assertEqual({tagged, Tag}, receive {Tag, Reply} -> Reply after 5000 -> none end)
        end
     || Tag <- Tags
    ].

other_caller(Node) ->
    Me = self(),
    Ref = make_ref(),
    spawn(fun() -> {echo, name(Node)} ! {'$gen_call', {Me, Ref}, hello} end),
    ?assertEqual(hello, receive {Ref, Reply} -> Reply after 5000 -> none end).

casts(Node) ->
    Pid = cnode_peer:worker(Node, casts),
    ok = gen_server:cast(Pid, increment),
    ok = gen_server:cast(Pid, {add, 10}),
    ?assertEqual(11, gen_server:call(Pid, get)),
    abcast = gen_server:abcast([name(Node)], echo, hello),
    abcast = gen_server:abcast([name(Node)], nobody, hello),
    ?assertEqual(still_here, gen_server:call({echo, name(Node)}, still_here)).

unknown_name(Node) ->
    ?assertExit({noproc, _}, gen_server:call({nobody, name(Node)}, x)),
    Monitor = monitor(process, {nobody, name(Node)}),
    Dest = {nobody, name(Node)},
    ?assertEqual(noproc, receive {'DOWN', Monitor, process, Dest, R} -> R after 5000 -> none end).

late_reply(Node) ->
    %% The node is stopped while we wait, and answers after we gave up.
    cnode_peer:signal(Node, "STOP"),
    ?assertExit({timeout, _}, gen_server:call({echo, name(Node)}, late, 50)),
    cnode_peer:signal(Node, "CONT"),
    ?assertEqual(now, gen_server:call({echo, name(Node)}, now)),
    ?assertEqual(nothing, receive Any -> Any after 50 -> nothing end).

dead_callers(Node) ->
    round_of_dead_callers(Node),
    Before = cnode_peer:resident_kib(Node),
    [round_of_dead_callers(Node) || _ <- lists:seq(1, 10)],
    Growth = cnode_peer:resident_kib(Node) - Before,
    ?assert(Growth < 4096).

round_of_dead_callers(Node) ->
    Pid = cnode_peer:worker(Node, dead_callers),
    Callers = [
        spawn_monitor(fun() ->
            _ = gen_server:send_request(Pid, get),
            _ = gen_server:send_request({echo, name(Node)}, {big, binary:copy(<<"x">>, 1000)}),
            exit(self(), kill)
        end)
     || _ <- lists:seq(1, 1000)
    ],
    [receive {'DOWN', M, process, _, _} -> ok end || {_, M} <- Callers],
    ?assertEqual(done, gen_server:call({echo, name(Node)}, done)).

head_of_line(Node) ->
    Big = binary:copy(<<"0123456789">>, 2000000),
    Me = self(),
    spawn_link(fun() -> Me ! {big, gen_server:call({echo, name(Node)}, Big, 30000) =:= Big} end),
    Times = [
        element(1, timer:tc(fun() -> N = gen_server:call({echo, name(Node)}, N, 30000) end))
     || N <- lists:seq(1, 200)
    ],
    ?assertEqual(true, receive {big, Same} -> Same after 30000 -> none end),
    ?assert(lists:max(Times) < 2000000).

order(Node) ->
    Pid = cnode_peer:worker(Node, order),
    Padding = binary:copy(<<"x">>, 300000),
    [
        begin
            %% An unhandled cast of many fragments, then a small one.
            ok = gen_server:cast(Pid, {unknown, Padding}),
            ok = gen_server:cast(Pid, increment),
            ?assertEqual(N, gen_server:call(Pid, get))
        end
     || N <- lists:seq(1, 50)
    ].

%% ------------------------------------------------------------------ monitors

monitors_test_() ->
    cnode_peer:suite(?CONFIG, [
        {"a monitor tells the worker's own reason", fun reasons/1},
        {"every monitor of a worker fires, once", fun many_monitors/1},
        {"a monitor that was taken back does not fire", fun taken_back/1},
        {"a monitor by name names the name", fun by_name/1},
        {"a pid that never was is noproc", fun never_was/1},
        {"monitor and demonitor without end do not grow the node", 120, fun churn/1}
    ]).

down(Monitor) ->
    receive
        {'DOWN', Monitor, process, _, Reason} -> Reason
    after 5000 -> none
    end.

reasons(Node) ->
    Pool = cnode_peer:counters(Node),
    Killed = monitor(process, cnode_peer:worker(Node, 1)),
    ok = cnode_pool:kill(Pool, 1),
    ?assertEqual(shutdown, down(Killed)),
    Crashed = monitor(process, cnode_peer:worker(Node, 2)),
    ?assertExit({{bad_return_value, <<"User Initiated Crash">>}, _}, cnode_pool:crash(Pool, 2)),
    ?assertEqual({bad_return_value, <<"User Initiated Crash">>}, down(Crashed)).

many_monitors(Node) ->
    Pid = cnode_peer:worker(Node, many),
    Monitors = [monitor(process, Pid) || _ <- lists:seq(1, 5000)],
    ok = cnode_pool:kill(cnode_peer:counters(Node), many),
    ?assertEqual([shutdown], lists:usort([down(M) || M <- Monitors])),
    ?assertEqual(nothing, receive {'DOWN', _, _, _, _} -> again after 50 -> nothing end).

taken_back(Node) ->
    Pid = cnode_peer:worker(Node, demonitor),
    Kept = monitor(process, Pid),
    Gone = monitor(process, Pid),
    true = erlang:demonitor(Gone, [flush]),
    ok = cnode_pool:kill(cnode_peer:counters(Node), demonitor),
    ?assertEqual(shutdown, down(Kept)),
    ?assertEqual(nothing, receive {'DOWN', Gone, _, _, _} -> fired after 50 -> nothing end).

by_name(Node) ->
    Dest = {echo, name(Node)},
    Monitor = monitor(process, Dest),
    ?assertEqual(alive, gen_server:call(Dest, alive)),
    ?assertEqual(ended, gen_server:call(Dest, ended)),
    true = erlang:demonitor(Monitor, [flush]).

%% A pid of the node with a number that it never gave.
never_was(Node) ->
    Pid = cnode_peer:worker(Node, never_was),
    <<131, 88, Rest/binary>> = term_to_binary(Pid),
    Size = byte_size(Rest) - 12,
    <<Atom:Size/binary, _Id:32, _Serial:32, Creation:32>> = Rest,
    [
        begin
            Ghost = binary_to_term(<<131, 88, Atom/binary, Id:32, Serial:32, C:32>>),
            ?assertEqual(noproc, down(monitor(process, Ghost))),
            ?assertExit({noproc, _}, gen_server:call(Ghost, get)),
            Ghost ! hello,
            exit(Ghost, kill)
        end
     || {Id, Serial, C} <- [
            {0, 0, Creation}, {16#FFFFFFF, 16#FFFFFFF, Creation},
            {16#FFFFFFFF, 16#FFFFFFFF, Creation}, {7, 7, Creation + 1}, {7, 7, 0}
        ]
    ],
    ?assertEqual(0, gen_server:call(Pid, get)).

churn(Node) ->
    Pid = cnode_peer:worker(Node, churn),
    rounds(Pid, 20000),
    Before = cnode_peer:resident_kib(Node),
    rounds(Pid, 100000),
    ?assert(cnode_peer:resident_kib(Node) - Before < 2048),
    ?assertEqual(0, gen_server:call(Pid, get)).

rounds(_Pid, 0) ->
    ok;
rounds(Pid, N) ->
    true = erlang:demonitor(monitor(process, Pid)),
    N rem 1000 =:= 0 andalso gen_server:call(Pid, get),
    rounds(Pid, N - 1).

%% --------------------------------------------------------- links and exits

links_test_() ->
    cnode_peer:suite(?CONFIG, [
        {"a link to a pid that is gone is noproc", fun link_noproc/1},
        {"a linked caller learns the worker's reason", fun link_reason/1},
        {"link and unlink, again and again, leave nothing", fun link_unlink/1},
        {"a linked caller that dies harms no other worker", fun linked_caller/1},
        {"an exit signal ends that worker only, with its reason", fun exit_signal/1},
        {"exit normal does not end a worker", fun exit_normal/1}
    ]).

trapping(Fun) ->
    Old = process_flag(trap_exit, true),
    Fun(),
    process_flag(trap_exit, Old).

exit_of(Pid) ->
    receive
        {'EXIT', Pid, Reason} -> Reason
    after 5000 -> none
    end.

link_noproc(Node) ->
    Pid = cnode_peer:worker(Node, gone),
    ok = cnode_pool:kill(cnode_peer:counters(Node), gone),
    _ = down(monitor(process, Pid)),
    ?assertEqual(noproc, down(monitor(process, Pid))),
    trapping(fun() ->
        link(Pid),
        ?assertEqual(noproc, exit_of(Pid))
    end).

link_reason(Node) ->
    trapping(fun() ->
        Killed = cnode_peer:worker(Node, 1),
        link(Killed),
        ok = cnode_pool:kill(cnode_peer:counters(Node), 1),
        ?assertEqual(shutdown, exit_of(Killed)),
        Crashed = cnode_peer:worker(Node, 2),
        link(Crashed),
        ?assertExit(_, cnode_pool:crash(cnode_peer:counters(Node), 2)),
        ?assertEqual({bad_return_value, <<"User Initiated Crash">>}, exit_of(Crashed))
    end).

link_unlink(Node) ->
    trapping(fun() ->
        Pid = cnode_peer:worker(Node, unlink),
        [begin link(Pid), unlink(Pid) end || _ <- lists:seq(1, 2000)],
        ?assertEqual(0, gen_server:call(Pid, get)),
        Monitor = monitor(process, Pid),
        ok = cnode_pool:kill(cnode_peer:counters(Node), unlink),
        ?assertEqual(shutdown, down(Monitor)),
        ?assertEqual(nothing, receive {'EXIT', Pid, _} -> signalled after 50 -> nothing end)
    end).

linked_caller(Node) ->
    Pool = cnode_peer:counters(Node),
    Other = cnode_peer:worker(Node, other),
    [
        begin
            {Caller, Monitor} = spawn_monitor(fun() ->
                link(cnode_peer:worker(Node, linked)),
                1 = cnode_pool:call(Pool, other, get) + 1,
                exit(Reason)
            end),
            receive {'DOWN', Monitor, process, Caller, _} -> ok end
        end
     || Reason <- [normal, shutdown, crash, kill, {shutdown, because}]
    ],
    ?assertEqual(0, cnode_pool:call(Pool, other, get)),
    ?assertEqual(Other, cnode_peer:worker(Node, other)),
    eventually(fun() -> cnode_pool:ping(Pool, linked) =:= {ok, true} end).

exit_signal(Node) ->
    [
        begin
            Pid = cnode_peer:worker(Node, {exit, Reason}),
            Monitor = monitor(process, Pid),
            exit(Pid, Reason),
            ?assertEqual(Seen, down(Monitor)),
            eventually(fun() -> cnode_peer:worker(Node, {exit, Reason}) =/= Pid end)
        end
     || {Reason, Seen} <- [{boom, boom}, {kill, killed}, {{a, <<"b">>}, {a, <<"b">>}}]
    ].

exit_normal(Node) ->
    Pid = cnode_peer:worker(Node, normal),
    exit(Pid, normal),
    ?assertEqual(0, gen_server:call(Pid, get)).
