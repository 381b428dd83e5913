%% SPDX-License-Identifier: Apache-2.0
%%
%% Messages find their worker while it crashes, is stopped for idleness, or has
%% another pid by now: each once, and those of one sender in order.
%%
%% The workers are probes: a cast {send, Collector, {Sender, N}} makes one tell
%% what it has handled, in the order in which it did.
-module(cnode_reroute_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [name/1]).

-define(POOL, 'Elixir.Probes').

suite(Worker, Tests) ->
    cnode_peer:suite(
        #{
            pools => #{
                ?POOL => #{
                    behaviour => probe,
                    registry => none,
                    worker => Worker,
                    supervisors => #{segments => 8, max_restarts => 100000}
                }
            }
        },
        Tests
    ).

reroute_test_() ->
    suite(#{idle_timeout => <<"1s">>}, [
        {"casts by name survive crashes: once, in order", 120, fun casts_by_name/1},
        {"casts to pids survive crashes: once, in order", 120, fun casts_to_pids/1},
        {"casts survive being stopped for idleness", 120, fun idle_casts/1},
        {"calls by name are answered once, or lost with the one they died of", 120,
            fun calls_by_name/1},
        {"what is cast while its worker is killed is handled by the next one", 120, fun killed/1}
    ]).

overload_test_() ->
    suite(#{mailbox_limit => 100}, [
        {"what is too much is refused, and readable afterwards", 60, fun overload/1}
    ]).

elsewhere_test_() ->
    cnode_peer:tests([
        {"casts by the name of one node reach workers on another: once, in order", fun elsewhere/0},
        {"so do those to workers that crash meanwhile", fun elsewhere_with_crashes/0}
    ]).

%% ----------------------------------------------------------------- envelopes

ref(Id) -> {ref, 'Elixir.Probes.Worker', Id}.

settings(Timeout) -> {settings, nil, true, nil, nil, nil, Timeout}.

cast(Dest, Id, Message) ->
    gen_server:cast(Dest,
        {msg_envelope, {self(), 0}, cast, ref(Id), settings(60000), {s, Message, nil, nil}}).

call(Dest, Id, Message) ->
    gen_server:call(Dest,
        {msg_envelope, {self(), 0}, call, ref(Id), settings(60000), {s, Message, nil, nil}}, 60000).

pool(Node) -> {?POOL, name(Node)}.

whereis_worker(Node, Id) ->
    {ok, Pid} = gen_server:call({cnode_admin, name(Node)}, {whereis, ?POOL, Id}),
    Pid.

dead_letters(Node) ->
    {ok, #{total := Total}} = gen_server:call({cnode_admin, name(Node)}, dead_letters),
    Total.

%% ----------------------------------------------------------------- collecting

%% All that came, {From, N}, until all of `Expected` are there, or a while
%% nothing comes.
collect(0, Sofar) -> lists:reverse(Sofar);
collect(Left, Sofar) ->
    receive
        {handled, From, N} -> collect(Left - 1, [{From, N} | Sofar])
    after 10000 -> lists:reverse(Sofar)
    end.

%% Nothing comes twice.
nothing_more() ->
    receive
        {handled, _, _} = More -> error({twice, More})
    after 200 -> ok
    end.

%% Of each sender 1..Count, in order, once.
check(Handled, Senders, Count) ->
    [
        ?assertEqual(lists:seq(1, Count), [N || {From, N} <- Handled, From =:= Sender])
     || Sender <- Senders
    ],
    nothing_more().

%% Senders that run Fun(N) for each number; they have ended when this returns.
senders(Number, Count, Fun) ->
    Self = self(),
    Senders = [
        spawn_monitor(fun() ->
            [Fun(Self, Sender, N) || N <- lists:seq(1, Count)]
        end)
     || Sender <- lists:seq(1, Number)
    ],
    [receive {'DOWN', Ref, _, _, Reason} -> ?assertEqual(normal, Reason) end || {_, Ref} <- Senders],
    lists:seq(1, Number).

%% Crashes the workers again and again until it is told to stop.
crasher(Node, Ids) ->
    spawn_link(fun() -> crash(Node, Ids, 1) end).

crash(Node, Ids, N) ->
    Id = lists:nth(N rem length(Ids) + 1, Ids),
    try call(pool(Node), Id, 'crash!') catch exit:_ -> ok end,
    receive
        {stop, From} -> From ! {crashed, N}
    after 1 -> crash(Node, Ids, N + 1)
    end.

stop(Crasher) ->
    Crasher ! {stop, self()},
    receive {crashed, N} -> N end.

%% -------------------------------------------------------------------- casts

casts_by_name(Node) ->
    Ids = lists:seq(1, 5),
    Letters = dead_letters(Node),
    Crasher = crasher(Node, Ids),
    Senders = senders(20, 500, fun(To, Sender, N) ->
        cast(pool(Node), Sender rem 5 + 1, {send, To, {handled, Sender, N}}),
        N rem 10 =:= 0 andalso timer:sleep(5)
    end),
    Handled = collect(20 * 500, []),
    ?assert(stop(Crasher) > 10),
    check(Handled, Senders, 500),
    ?assertEqual(Letters, dead_letters(Node)).

%% As AdvancedPool casts: to the pid that was looked up last, which may be a
%% stale one.
casts_to_pids(Node) ->
    Ids = [{pid, N} || N <- lists:seq(1, 5)],
    [call(pool(Node), Id, self) || Id <- Ids],
    Pids = [{Id, call(pool(Node), Id, self)} || Id <- Ids],
    Letters = dead_letters(Node),
    Crasher = crasher(Node, Ids),
    Senders = senders(10, 200, fun(To, Sender, N) ->
        Id = lists:nth(Sender rem 5 + 1, Ids),
        Pid = proplists:get_value(Id, Pids),
        cast(Pid, Id, {send, To, {handled, Sender, N}}),
        N rem 10 =:= 0 andalso timer:sleep(5)
    end),
    Handled = collect(10 * 200, []),
    ?assert(stop(Crasher) > 5),
    check(Handled, Senders, 200),
    ?assertEqual(Letters, dead_letters(Node)).

%% The pause is about as long as a worker may be idle.
idle_casts(Node) ->
    Senders = senders(30, 8, fun(To, Sender, N) ->
        cast(pool(Node), {idle, Sender}, {send, To, {handled, Sender, N}}),
        timer:sleep(900 + rand:uniform(500))
    end),
    check(collect(30 * 8, []), Senders, 8),
    {ok, #{workers_idle_stopped := Stopped}} =
        gen_server:call({cnode_admin, name(Node)}, counters),
    ?assert(Stopped > 0).

%% -------------------------------------------------------------------- calls

%% A call is answered once; one that is being handled when the worker crashes
%% gets the exit, all others wait for the next worker.
calls_by_name(Node) ->
    Ids = lists:seq(1, 3),
    Crasher = crasher(Node, Ids),
    Senders = senders(20, 200, fun(To, Sender, N) ->
        {echoed, Sender, N} = call(pool(Node), Sender rem 3 + 1, {echo, {echoed, Sender, N}}),
        To ! {handled, Sender, N}
    end),
    ?assert(stop(Crasher) > 10),
    check(collect(20 * 200, []), Senders, 200).

%% -------------------------------------------------------------------- kills

killed(Node) ->
    Id = killed,
    Senders = senders(1, 300, fun(To, Sender, N) ->
        cast(pool(Node), Id, {send, To, {handled, Sender, N}}),
        case N rem 10 of
            0 ->
                case whereis_worker(Node, Id) of
                    undefined -> ok;
                    Pid -> exit(Pid, kill)
                end;
            _ -> ok
        end
    end),
    check(collect(300, []), Senders, 300).

%% ------------------------------------------------------------------ overload

overload(Node) ->
    Id = full,
    Pid = call(pool(Node), Id, self),
    Before = dead_letters(Node),
    ok = sys:suspend(Pid),
    [cast(pool(Node), Id, {send, self(), {handled, me, N}}) || N <- lists:seq(1, 150)],
    ?assertEqual({error, overloaded}, call(pool(Node), Id, self)),
    ok = sys:resume(Pid),
    Handled = collect(100, []),
    ?assertEqual(lists:seq(1, 100), [N || {me, N} <- Handled]),
    nothing_more(),
    ?assertEqual(Before + 51, dead_letters(Node)),
    {ok, #{letters := Letters}} =
        gen_server:call({cnode_admin, name(Node)}, {dead_letters, [{limit, 51}]}),
    ?assert(lists:all(fun(#{reason := Reason, ref := Ref}) ->
        Reason =:= overloaded andalso Ref =:= ref(Id)
    end, Letters)),
    ?assertEqual(1, length([call || #{kind := call} <- Letters])).

%% ----------------------------------------------------------------- elsewhere

%% Two C nodes that host one pool.
two_nodes() ->
    Config = #{
        pools => #{
            ?POOL => #{behaviour => probe, supervisors => #{segments => 8, max_restarts => 100000}}
        }
    },
    One = cnode_peer:start(Config),
    Two = cnode_peer:start(Config, #{args => ["--join", atom_to_list(name(One))]}),
    cnode_peer:eventually(fun() ->
        {ok, Peers} = gen_server:call({cnode_admin, name(One)}, peers),
        lists:any(fun(#{node := Node, state := State}) ->
            Node =:= name(Two) andalso State =:= up
        end, Peers)
    end),
    {One, Two}.

with_two_nodes(Fun) ->
    {One, Two} = two_nodes(),
    try Fun([One, Two]) after [cnode_peer:stop(Node) || Node <- [One, Two]] end.

%% Each sender has a way of its own: the name on one of the nodes.
elsewhere() ->
    with_two_nodes(fun(Nodes) ->
        Senders = cast_through(Nodes, 20, 200),
        check(collect(20 * 200, []), Senders, 200),
        Totals = [
            begin
                {ok, #{total := Total}} = gen_server:call({cnode_admin, name(Node)}, {count, ?POOL}),
                Total
            end
         || Node <- Nodes
        ],
        ?assertEqual(10, lists:sum(Totals)),
        ?assertEqual([0, 0], [dead_letters(Node) || Node <- Nodes])
    end).

elsewhere_with_crashes() ->
    with_two_nodes(fun([One | _] = Nodes) ->
        [call(pool(One), {both, N}, self) || N <- lists:seq(0, 9)],
        Crasher = crasher(One, [{both, N} || N <- lists:seq(0, 9)]),
        Senders = cast_through(Nodes, 20, 200),
        Handled = collect(20 * 200, []),
        stop(Crasher),
        check(Handled, Senders, 200)
    end).

cast_through(Nodes, Number, Count) ->
    senders(Number, Count, fun(To, Sender, N) ->
        Node = lists:nth(Sender rem 2 + 1, Nodes),
        cast(pool(Node), {both, Sender rem 10}, {send, To, {handled, Sender, N}}),
        N rem 10 =:= 0 andalso timer:sleep(5)
    end).
