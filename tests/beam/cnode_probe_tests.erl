%% SPDX-License-Identifier: Apache-2.0
%%
%% Every row of the probe (docs/behaviours.md): what it returns, and what wrong
%% arguments get. What the same rows make of other nodes, of races and of losses
%% is the conformance suite's (conf/).
-module(cnode_probe_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [name/1, eventually/1]).

probe_test_() -> rows(#{}).

%% The services in front of it are on the first schedulers.
other_scheduler_test_() ->
    rows(#{runtime => #{schedulers => 3}, services => #{a => #{behaviour => echo}, b => #{behaviour => echo}}}).

rows(Config) ->
    Services = maps:get(services, Config, #{}),
    cnode_peer:suite(
        Config#{
            services => Services#{probe => #{behaviour => probe}},
            spawn => #{'probe:start' => probe, 'my.module:run' => probe}
        },
        [
            {"echo, self, node, nodes", fun about/1},
            {"anything else is a badarg", fun badarg/1},
            {"spawn makes probes, with and without a name", fun spawns/1},
            {"exit ends with exactly that reason", fun exits/1},
            {"the service comes back, spawned probes do not", fun restarts/1},
            {"defer answers later, other calls meanwhile", fun defers/1},
            {"send to pids, names, aliases", fun sends/1},
            {"casts and calls", fun calls/1},
            {"a call that fails says why", fun failed_calls/1},
            {"a late reply vanishes", fun late_replies/1},
            {"monitor and demonitor", fun monitors/1},
            {"link, unlink, exit, trap_exit", fun links/1},
            {"exit of itself", fun exits_itself/1},
            {"links between C processes", fun local_links/1},
            {"register, unregister, whereis", fun names/1},
            {"flush gives messages oldest first", fun flushes/1},
            {"casts and messages act without a reply", fun acts/1},
            {"report_to passes messages on", fun reports/1},
            {"send_after and burst", fun bursts/1},
            {"alias and unalias", fun aliases/1},
            {"spawn_request", fun spawn_requests/1},
            {"erpc", fun erpcs/1},
            {"connect and disconnect", fun connects/1},
            {"pg", fun groups/1},
            {"global", fun global_names/1},
            {"group leaders of what it spawns", fun leaders/1},
            {"a name of syn", fun syn/1},
            {"other nodes may spawn what is allowed", fun spawned/1},
            {"a supervisor shows what was spawned", fun supervised/1}
        ]
    ).

%% ------------------------------------------------------------------- helpers

ask(Node, Request) -> gen_server:call({probe, name(Node)}, Request).

%% A probe of its own for a test.
new(Node) -> ask(Node, {spawn, undefined}).

call(Probe, Request) -> gen_server:call(Probe, Request).

%% What it recorded, as soon as there are so many.
flush(Probe, Count) -> flush(Probe, Count, [], erlang:monotonic_time(millisecond) + 5000).

flush(_, Count, Seen, _) when length(Seen) >= Count -> Seen;
flush(Probe, Count, Seen, Deadline) ->
    More = call(Probe, flush),
    case More =:= [] andalso erlang:monotonic_time(millisecond) > Deadline of
        true -> error({recorded, Seen});
        false -> flush(Probe, Count, Seen ++ More, Deadline)
    end.

%% The next message of this process.
next() -> receive Message -> Message after 5000 -> timeout end.

down(Monitor) -> receive {'DOWN', Monitor, process, _, Reason} -> Reason after 5000 -> timeout end.

-define(BADARG, {error, badarg}).

%% ------------------------------------------------------------- about itself

about(Node) ->
    [?assertEqual(Term, ask(Node, {echo, Term})) || Term <- [a, "text", [1 | 2], #{{k} => fun lists:map/2}, make_ref()]],
    Pid = ask(Node, self),
    ?assertEqual(name(Node), node(Pid)),
    ?assertEqual(Pid, gen_server:call(Pid, self)),
    ?assertEqual(name(Node), ask(Node, node)),
    ?assertEqual([node()], ask(Node, nodes)),
    ?assertEqual([], ask(Node, {nodes, hidden})),
    ?assertEqual([node()], ask(Node, {nodes, connected})).

badarg(Node) ->
    Wrong = [
        nothing_like_it, {echo}, {echo, a, b}, {}, 7, "text", <<"bytes">>, #{}, {nodes, purple}, {spawn, 7},
        {defer, soon, x}, {send, 7, x}, {send, {a, b, c}, x}, {cast, "x", x}, {call, self, x, never}, {call, 7, x, 5},
        {monitor, 7}, {demonitor, x}, {demonitor, make_ref()}, {link, x}, {unlink, x}, {exit, x, y}, {trap_exit, maybe},
        {register, 7}, {register, undefined}, {unregister, no_such_name}, {whereis, 7}, {send_after, soon, self(), x},
        {burst, self(), -1}, {unalias, x}, {spawn_request, node(), {m, f}, []}, {spawn_request, node(), {m, f, x}, []},
        {spawn_request, node(), {m, f, []}, [a | b]}, {erpc, node(), m, f, x, 5}, {erpc, 7, m, f, [], 5}, {connect, 7},
        {disconnect, 7}, {report_to, x}, {pg, join, 7, g}, {pg, no_such, s, g}, {global, no_such, n}
    ],
    Probe = new(Node),
    [?assertEqual({Term, ?BADARG}, {Term, call(Probe, Term)}) || Term <- Wrong],
    ?assertEqual([], call(Probe, flush)).

spawns(Node) ->
    Probe = new(Node),
    ?assertNotEqual(Probe, new(Node)),
    ?assertEqual(ok, call(Probe, {echo, ok})),
    Named = ask(Node, {spawn, spawned_name}),
    ?assertEqual(Named, ask(Node, {whereis, spawned_name})),
    ?assertEqual(Named, gen_server:call({spawned_name, name(Node)}, self)),
    ?assertEqual(?BADARG, ask(Node, {spawn, spawned_name})),
    exit(Named, kill),
    eventually(fun() -> ask(Node, {whereis, spawned_name}) =:= undefined end).

exits(Node) ->
    Probe = new(Node),
    Monitor = monitor(process, Probe),
    Reason = {shutdown, #{why => [now]}},
    ?assertMatch({'EXIT', {Reason, _}}, catch call(Probe, {exit, Reason})),
    ?assertEqual(Reason, down(Monitor)),
    ?assertMatch({'EXIT', {noproc, _}}, catch call(Probe, self)).

restarts(Node) ->
    Pid = ask(Node, self),
    Monitor = monitor(process, {probe, name(Node)}),
    gen_server:cast(Pid, {exit, done}),
    ?assertEqual(done, down(Monitor)),
    ?assertNotEqual(Pid, ask(Node, self)),
    Named = ask(Node, {spawn, comes_not_back}),
    exit(Named, kill),
    eventually(fun() -> ask(Node, {whereis, comes_not_back}) =:= undefined end),
    ?assertMatch({'EXIT', {noproc, _}}, catch gen_server:call({comes_not_back, name(Node)}, self)).

defers(Node) ->
    Probe = new(Node),
    Slow = gen_server:send_request(Probe, {defer, 200, slow}),
    Fast = gen_server:send_request(Probe, {defer, 1, fast}),
    ?assertEqual(now, call(Probe, {echo, now})),
    ?assertEqual({reply, fast}, gen_server:receive_response(Fast, 5000)),
    ?assertEqual({reply, slow}, gen_server:receive_response(Slow, 5000)),
    Never = gen_server:send_request(Probe, noreply),
    ?assertEqual(timeout, gen_server:wait_response(Never, 50)).

%% ------------------------------------------------------------------ messages

sends(Node) ->
    Probe = new(Node),
    ?assertEqual(ok, call(Probe, {send, self(), one})),
    ?assertEqual(one, next()),
    register(probe_tests, self()),
    ?assertEqual(ok, call(Probe, {send, {probe_tests, node()}, two})),
    ?assertEqual(two, next()),
    unregister(probe_tests),
    Alias = alias([reply]),
    ?assertEqual(ok, call(Probe, {send, Alias, three})),
    ?assertEqual(three, next()),
    ?assertEqual(ok, call(Probe, {send, Alias, four})), % inactive by now
    ?assertEqual(ok, call(Probe, {send, Probe, five})),
    ?assertEqual([five], flush(Probe, 1)),
    Named = call(Probe, {spawn, send_here}),
    ?assertEqual(ok, call(Probe, {send, send_here, six})),
    ?assertEqual([six], flush(Named, 1)),
    [?assertEqual(ok, call(Probe, {send, Nobody, x})) || Nobody <- [nobody, {nobody, node()}, {x, 'nobody@127.0.0.1'}]],
    ?assertEqual(ok, call(Probe, {send, {via, syn, {s, nobody}}, x})).

calls(Node) ->
    Probe = new(Node),
    ?assertEqual(ok, call(Probe, {cast, self(), hello})),
    ?assertEqual({'$gen_cast', hello}, next()),
    Request = gen_server:send_request(Probe, {call, self(), question, 5000}),
    {'$gen_call', From, question} = next(),
    gen_server:reply(From, answer),
    ?assertEqual({reply, {ok, answer}}, gen_server:receive_response(Request, 5000)),
    Other = new(Node),
    ?assertEqual({ok, Other}, call(Probe, {call, Other, self, 5000})),
    ?assertEqual({ok, name(Node)}, call(Probe, {call, probe, node, 5000})),
    ?assertEqual({ok, name(Node)}, call(Probe, {call, {probe, name(Node)}, node, 5000})),
    ?assertEqual([], call(Probe, flush)).

failed_calls(Node) ->
    Probe = new(Node),
    ?assertEqual({error, noproc}, call(Probe, {call, nobody, q, 5000})),
    ?assertEqual({error, noproc}, call(Probe, {call, {nobody, node()}, q, 5000})),
    ?assertEqual({error, noconnection}, call(Probe, {call, {x, 'nobody@127.0.0.1'}, q, 5000})),
    ?assertEqual({error, timeout}, call(Probe, {call, self(), q, 10})),
    {'$gen_call', _, q} = next(),
    Dying = spawn(fun() -> receive {'$gen_call', _, _} -> exit({very, sorry}) end end),
    ?assertEqual({error, {very, sorry}}, call(Probe, {call, Dying, q, 5000})),
    ?assertEqual([], call(Probe, flush)).

late_replies(Node) ->
    Probe = new(Node),
    ?assertEqual({error, timeout}, call(Probe, {call, self(), q, 1})),
    {'$gen_call', From, q} = next(),
    gen_server:reply(From, late),
    ?assertEqual([], call(Probe, flush)).

%% -------------------------------------------------------- monitors and links

monitors(Node) ->
    Probe = new(Node),
    Target = spawn(fun() -> receive stop -> exit(bye) end end),
    Ref = call(Probe, {monitor, Target}),
    ?assert(is_reference(Ref)),
    Target ! stop,
    ?assertEqual([{'DOWN', Ref, process, Target, bye}], flush(Probe, 1)),
    Gone = call(Probe, {monitor, Target}),
    ?assertEqual([{'DOWN', Gone, process, Target, noproc}], flush(Probe, 1)),
    Name = call(Probe, {monitor, {nobody, node()}}),
    ?assertEqual([{'DOWN', Name, process, {nobody, node()}, noproc}], flush(Probe, 1)),
    Away = call(Probe, {monitor, {x, 'nobody@127.0.0.1'}}),
    ?assertEqual([{'DOWN', Away, process, {x, 'nobody@127.0.0.1'}, noconnection}], flush(Probe, 1)),
    Other = spawn(fun() -> receive stop -> ok end end),
    Stopped = call(Probe, {monitor, Other}),
    ?assertEqual(true, call(Probe, {demonitor, Stopped})),
    Other ! stop,
    Recorded = call(Probe, {monitor, Target}),
    ?assertEqual(true, eventually_recorded(Probe)),
    ?assertEqual(true, call(Probe, {demonitor, Recorded})),
    ?assertEqual([], call(Probe, flush)),
    ?assertEqual(?BADARG, call(Probe, {monitor, alias()})).

eventually_recorded(Probe) ->
    ok = eventually(fun() -> sys:get_state(Probe) =/= {ok, #{recorded => 0}} andalso sys:get_state(Probe) =/= #{recorded => 0} end),
    true.

links(Node) ->
    Probe = new(Node),
    ?assertEqual(false, call(Probe, {trap_exit, true})),
    ?assertEqual(true, call(Probe, {trap_exit, true})),
    Target = spawn(fun() -> receive stop -> exit(bye) end end),
    ?assertEqual(true, call(Probe, {link, Target})),
    Target ! stop,
    ?assertEqual([{'EXIT', Target, bye}], flush(Probe, 1)),
    ?assertEqual(true, call(Probe, {link, Target})),
    ?assertEqual([{'EXIT', Target, noproc}], flush(Probe, 1)),
    Other = spawn(fun() -> receive stop -> exit(bye) end end),
    ?assertEqual(true, call(Probe, {link, Other})),
    ?assertEqual(true, call(Probe, {unlink, Other})),
    Monitor = monitor(process, Other),
    ?assertEqual(true, call(Probe, {exit, Other, {because, 1}})),
    ?assertEqual({because, 1}, down(Monitor)),
    ?assertEqual([], call(Probe, flush)),
    exit(Probe, polite),
    ?assertEqual([{'EXIT', self(), polite}], flush(Probe, 1)),
    ?assertEqual(true, call(Probe, {trap_exit, false})),
    Watch = monitor(process, Probe),
    exit(Probe, normal),
    ?assertEqual(alive, call(Probe, {echo, alive})),
    exit(Probe, kill),
    ?assertEqual(killed, down(Watch)).

exits_itself(Node) ->
    [begin
        Probe = new(Node),
        Monitor = monitor(process, Probe),
        ?assertEqual(true, call(Probe, {exit, Probe, Reason})),
        ?assertEqual(End, down(Monitor))
     end || {Reason, End} <- [{normal, normal}, {kill, killed}, {{a, b}, {a, b}}]],
    Trapping = new(Node),
    false = call(Trapping, {trap_exit, true}),
    true = call(Trapping, {exit, Trapping, x}),
    ?assertEqual([{'EXIT', Trapping, x}], flush(Trapping, 1)).

local_links(Node) ->
    [A, B, C] = [new(Node) || _ <- [1, 2, 3]],
    true = call(A, {link, B}),
    false = call(C, {trap_exit, true}),
    true = call(C, {link, A}),
    Monitor = monitor(process, A),
    exit(B, {chain, 1}),
    ?assertEqual({chain, 1}, down(Monitor)),
    ?assertEqual([{'EXIT', A, {chain, 1}}], flush(C, 1)),
    D = new(Node),
    true = call(C, {link, D}),
    true = call(C, {unlink, D}),
    exit(D, kill),
    E = new(Node),
    true = call(C, {link, E}),
    exit(E, kill),
    ?assertEqual([{'EXIT', E, killed}], flush(C, 1)).

%% --------------------------------------------------------------------- names

names(Node) ->
    Probe = new(Node),
    ?assertEqual(undefined, call(Probe, {whereis, its_name})),
    ?assertEqual(true, call(Probe, {register, its_name})),
    ?assertEqual(Probe, call(Probe, {whereis, its_name})),
    ?assertEqual(Probe, gen_server:call({its_name, name(Node)}, self)),
    ?assertEqual(?BADARG, call(Probe, {register, another_name})), % it has one
    ?assertEqual(?BADARG, call(new(Node), {register, its_name})),
    ?assertEqual(true, call(Probe, {unregister, its_name})),
    ?assertEqual(?BADARG, call(Probe, {unregister, its_name})),
    ?assertEqual(true, call(Probe, {register, another_name})),
    exit(Probe, kill),
    eventually(fun() -> ask(Node, {whereis, another_name}) =:= undefined end).

%% --------------------------------------------------- what it gets and records

flushes(Node) ->
    Probe = new(Node),
    Messages = [one, {two}, "three", #{four => 4}, {self(), 5}, {'EXIT', self(), x}],
    [Probe ! Message || Message <- Messages],
    ?assertEqual(Messages, call(Probe, flush)),
    ?assertEqual([], call(Probe, flush)).

acts(Node) ->
    Probe = new(Node),
    Me = self(),
    [begin
        Send({send, Me, Row}),
        ?assertEqual(Row, next())
     end || {Row, Send} <- [{message, fun(T) -> Probe ! T end}, {cast, fun(T) -> gen_server:cast(Probe, T) end}]],
    Probe ! {echo, x},
    Probe ! self,
    Probe ! {register, acts_by_message},
    gen_server:cast(Probe, nothing_like_it),
    ?assertEqual([], call(Probe, flush)),
    ?assertEqual(Probe, ask(Node, {whereis, acts_by_message})),
    Probe ! {call, Me, question, 5000},
    {'$gen_call', From, question} = next(),
    gen_server:reply(From, answer),
    Probe ! {defer, 1, x},
    ?assertEqual([], call(Probe, flush)),
    Monitor = monitor(process, Probe),
    Probe ! {exit, by_message},
    ?assertEqual(by_message, down(Monitor)).

reports(Node) ->
    Probe = new(Node),
    ?assertEqual(ok, call(Probe, {report_to, self()})),
    Probe ! hello,
    ?assertEqual({report, Probe, hello}, next()),
    Ref = call(Probe, {monitor, {nobody, node()}}),
    ?assertMatch({report, Probe, {'DOWN', Ref, process, _, noproc}}, next()),
    Probe ! {echo, x}, % a row, so no info message
    ?assertEqual(2, length(call(Probe, flush))).

bursts(Node) ->
    Probe = new(Node),
    ?assertEqual(ok, call(Probe, {burst, self(), 1000})),
    [?assertEqual({burst, N}, next()) || N <- lists:seq(1, 1000)],
    ?assertEqual(ok, call(Probe, {send_after, 5, self(), later})),
    ?assertEqual(later, next()).

aliases(Node) ->
    Probe = new(Node),
    Alias = call(Probe, alias),
    ?assert(is_reference(Alias)),
    Alias ! one,
    Alias ! two,
    ?assertEqual([one, two], flush(Probe, 2)),
    Other = new(Node),
    ?assertEqual(ok, call(Other, {send, Alias, three})),
    ?assertEqual([three], flush(Probe, 1)),
    ?assertEqual(false, call(Other, {unalias, Alias})),
    ?assertEqual(true, call(Probe, {unalias, Alias})),
    ?assertEqual(false, call(Probe, {unalias, Alias})),
    Alias ! four,
    ?assertEqual([], call(Probe, flush)),
    ?assertEqual(false, call(Probe, {unalias, make_ref()})).

%% --------------------------------------------------------------- other nodes

spawn_requests(Node) ->
    Probe = new(Node),
    Request = call(Probe, {spawn_request, node(), {erlang, exit, [bye]}, [monitor]}),
    ?assertMatch(
        [{spawn_reply, Request, ok, Pid}, {'DOWN', Request, process, Pid, bye}],
        flush(Probe, 2)
    ),
    false = call(Probe, {trap_exit, true}),
    Linked = call(Probe, {spawn_request, node(), {erlang, exit, [bye]}, [link]}),
    ?assertMatch([{spawn_reply, Linked, ok, Pid}, {'EXIT', Pid, bye}], flush(Probe, 2)),
    Own = call(Probe, {spawn_request, name(Node), {probe, start, []}, [monitor]}),
    [{spawn_reply, Own, ok, Child}] = flush(Probe, 1),
    ?assertEqual(Child, call(Child, self)),
    exit(Child, kill),
    ?assertEqual([{'DOWN', Own, process, Child, killed}], flush(Probe, 1)),
    Away = call(Probe, {spawn_request, 'nobody@127.0.0.1', {m, f, []}, []}),
    ?assertEqual([{spawn_reply, Away, error, noconnection}], flush(Probe, 1)).

erpcs(Node) ->
    Erpc = fun(M, F, Args, Ms) -> ask(Node, {erpc, node(), M, F, Args, Ms}) end,
    ?assertEqual({ok, node()}, Erpc(erlang, node, [], 5000)),
    ?assertEqual({error, throw, x}, Erpc(erlang, throw, [x], 5000)),
    ?assertEqual({error, exit, {exception, x}}, Erpc(erlang, exit, [x], 5000)),
    ?assertMatch({error, error, {exception, x, [_ | _]}}, Erpc(erlang, error, [x], 5000)),
    ?assertMatch({error, error, {exception, undef, [{no, f, [], []} | _]}}, Erpc(no, f, [], 5000)),
    ?assertEqual({error, error, {erpc, timeout}}, Erpc(timer, sleep, [5000], 20)),
    ?assertEqual(
        {error, error, {erpc, noconnection}},
        ask(Node, {erpc, 'nobody@127.0.0.1', erlang, node, [], 5000})
    ),
    ?assertEqual({ok, name(Node)}, ask(Node, {erpc, name(Node), erlang, node, [], 5000})).

connects(Node) ->
    Beam = {_, Name} = cnode_peer:start_beam(),
    ?assertEqual(true, ask(Node, {connect, name(Node)})),
    ?assertEqual(true, ask(Node, {connect, Name})),
    ?assert(lists:member(Name, ask(Node, nodes))),
    ?assertEqual(true, ask(Node, {connect, Name})),
    ?assertEqual(true, ask(Node, {disconnect, Name})),
    ?assertNot(lists:member(Name, ask(Node, {nodes, connected}))),
    cnode_peer:stop_beam(Beam),
    ?assertEqual(false, ask(Node, {connect, 'nobody@127.0.0.1'})),
    ?assertEqual(false, ask(Node, {disconnect, 'nobody@127.0.0.1'})),
    ?assertEqual(false, ask(Node, {connect, not_a_node_name})).

groups(Node) ->
    _ = pg:start(pg),
    Probe = new(Node),
    Group = {group, make_ref()},
    ?assertEqual(not_joined, call(Probe, {pg, leave, pg, Group})),
    ?assertEqual(ok, call(Probe, {pg, join, pg, Group})),
    ?assertEqual([Probe], call(Probe, {pg, local_members, pg, Group})),
    eventually(fun() -> pg:get_members(Group) =:= [Probe] end),
    ok = pg:join(Group, self()),
    eventually(fun() -> lists:sort(call(Probe, {pg, members, pg, Group})) =:= lists:sort([Probe, self()]) end),
    ?assertEqual(ok, call(Probe, {pg, leave, pg, Group})),
    eventually(fun() -> pg:get_members(Group) =:= [self()] end),
    ok = pg:leave(Group, self()).

global_names(Node) ->
    Probe = new(Node),
    Name = {its, make_ref()},
    ?assertEqual(undefined, call(Probe, {global, whereis, Name})),
    ?assertEqual(yes, call(Probe, {global, register, Name})),
    ?assertEqual(Probe, global:whereis_name(Name)),
    ?assertEqual(Probe, call(new(Node), {global, whereis, Name})),
    ?assertEqual(no, call(new(Node), {global, register, Name})),
    call(Probe, {global, unregister, Name}),
    eventually(fun() -> global:whereis_name(Name) =:= undefined end),
    yes = global:register_name(Name, self()),
    eventually(fun() -> call(Probe, {global, whereis, Name}) =:= self() end),
    global:unregister_name(Name).

%% What it spawns here writes where this node writes, and not to the C node.
leaders(Node) ->
    Probe = new(Node),
    Me = self(),
    _ = call(Probe, {spawn_request, node(), {erlang, apply, [fun() -> Me ! {leader, group_leader()} end, []]}, []}),
    {leader, Leader} = next(),
    ?assertEqual(whereis(user), Leader),
    Child = spawn(name(Node), probe, start, []),
    group_leader(Me, Child),
    ?assertEqual(Child, call(Child, self)).

syn(Node) ->
    Self = ask(Node, self),
    ?assertEqual(ok, ask(Node, {syn, register, s, n, m})),
    ?assertEqual(1, ask(Node, {syn, count, s})),
    ?assertEqual({Self, m}, ask(Node, {syn, lookup, s, n})),
    ?assertEqual(ok, ask(Node, {syn, unregister, s, n})),
    ?assertEqual(undefined, ask(Node, {syn, lookup, s, n})).

%% -------------------------------------------------------------- spawned here

spawned(Node) ->
    Pid = spawn(name(Node), probe, start, []),
    ?assertEqual(Pid, call(Pid, self)),
    Named = spawn(name(Node), probe, start, [named_by_spawn]),
    eventually(fun() -> ask(Node, {whereis, named_by_spawn}) =:= Named end),
    Other = spawn(name(Node), 'my.module', run, []),
    ?assertEqual(ok, call(Other, {echo, ok})),
    process_flag(trap_exit, true),
    Linked = spawn_link(name(Node), probe, start, []),
    gen_server:cast(Linked, {exit, bye}),
    ?assertEqual({'EXIT', Linked, bye}, next()),
    process_flag(trap_exit, false),
    {Taken, Monitor} = spawn_monitor(name(Node), probe, start, [named_by_spawn]),
    ?assert(is_pid(Taken)),
    ?assertEqual(already_exists, down(Monitor)),
    {_, Unknown} = spawn_monitor(name(Node), probe, stop, []),
    ?assertMatch({undef, [{probe, stop, [], []} | _]}, down(Unknown)).

supervised(Node) ->
    Pid = spawn(name(Node), probe, start, []),
    Pid = call(Pid, self),
    %% each scheduler has one
    {dictionary, Dictionary} = erpc:call(name(Node), erlang, process_info, [Pid, dictionary]),
    [_, Name] = proplists:get_value('$ancestors', Dictionary),
    ?assertMatch("probe_sup" ++ _, atom_to_list(Name)),
    Supervisor = {Name, name(Node)},
    [Face | _] = [P || {_, P, supervisor, _} <- supervisor:which_children(Supervisor)],
    ?assert(lists:member({undefined, Pid, worker, [probe]}, supervisor:which_children(Face))),
    exit(Pid, kill),
    eventually(fun() -> not lists:keymember(Pid, 2, supervisor:which_children(Face)) end).
