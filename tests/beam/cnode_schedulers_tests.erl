%% SPDX-License-Identifier: Apache-2.0
%%
%% Four schedulers under load: probes on all of them send to each other and to
%% another BEAM, watch and link each other, are told to end and are killed, while
%% connections are lost. Each probe has a driver here, which is told everything
%% that its probe gets, and holds the node to this:
%%
%%   - of what one probe sends another, what arrives is the beginning of it, in
%%     order, nothing twice; and all of it if both live to the end
%%   - what is sent to a name never arrives twice, nor in another order
%%   - a monitor gives one DOWN when its target ends or is lost, none before that
%%     and none when it was stopped
%%   - a call between probes is answered, or fails since the other one ended
%%   - in the end two probes agree on whether they are linked
%%   - what has ended leaves nothing, and the node stops
%%
%% CNODE_STRESS_MS: how long; CNODE_STRESS_SEED: again as it was, as far as that
%% goes.
-module(cnode_schedulers_tests).

-include_lib("eunit/include/eunit.hrl").

-define(SCHEDULERS, 4).
-define(DRIVERS, 24).
-define(SYNC_EVERY, 25).
-define(PATIENCE, 60000).

-record(driver, {
    parent, node, slot, service, table,
    calm,                      % of so many ends only one is made
    probe, monitor,            % of this life
    life = 0,
    sent = #{},                % probe => how many numbers went there
    seen = #{},                % {Slot, Life} => the last number from there
    named = #{},               % the same, of what was sent to our name
    count = 0,
    ties = #{},                % reference of a monitor => its target
    stopping = #{}             % demonitored; the end of it has not come back
}).

load_test_() ->
    cnode_peer:tests([
        {"what is spawned from outside is on all of them", {timeout, 60, fun spawned/0}},
        {"order, ends and links hold under load", {timeout, 300, fun stress/0}},
        {"it stops in the middle of it", {timeout, 120, fun stops_under_load/0}}
    ], 3).

spawned() ->
    Node = start(),
    Name = cnode_peer:name(Node),
    process_flag(trap_exit, true),
    Children = [spawn_opt(Name, probe, start, [], [link, monitor]) || _ <- lists:seq(1, 2 * ?SCHEDULERS)],
    ?assertEqual(?SCHEDULERS, length(lists:usort([scheduler(Pid) || {Pid, _} <- Children]))),
    [
        begin
            [gen_server:cast(Pid, {send, self(), N}) || N <- lists:seq(1, 100)],
            gen_server:cast(Pid, {exit, {bye, Pid}}),
            [receive N -> ok after ?PATIENCE -> error({missing, N}) end || N <- lists:seq(1, 100)],
            ?assertEqual({bye, Pid}, receive {'EXIT', Pid, Why} -> Why after ?PATIENCE -> none end),
            ?assertEqual({bye, Pid}, receive {'DOWN', M, process, Pid, Why} -> Why after ?PATIENCE -> none end)
        end
     || {Pid, M} <- Children
    ],
    ?assertEqual(0, cnode_peer:stop(Node)).

stress() ->
    Ms = number("CNODE_STRESS_MS", 5000),
    Seed = number("CNODE_STRESS_SEED", erlang:unique_integer([positive]) + erlang:system_time()),
    io:format(user, "  stress: CNODE_STRESS_SEED=~b CNODE_STRESS_MS=~b~n", [Seed, Ms]),
    Node = start(),
    Name = cnode_peer:name(Node),
    {_, Beam} = Peer = cnode_peer:start_beam(),
    ?assertEqual(?SCHEDULERS, length(lists:usort([scheduler(spawn_on(S, Name)) || S <- services()]))),
    Before = process_count(Name),
    Table = ets:new(probes, [public, {read_concurrency, true}]),
    Others = [spawn(Beam, fun other/0) || _ <- lists:seq(1, 4)],
    [ets:insert(Table, {{other, N}, Pid}) || {N, Pid} <- lists:enumerate(Others)],
    Self = self(),
    Drivers = [
        spawn_monitor(fun() ->
            rand:seed(exsss, {Seed, Slot, 0}),
            Driver = #driver{parent = Self, node = Name, slot = Slot, table = Table,
                calm = 1 + Seed rem 8, service = service(Slot rem ?SCHEDULERS + 1)},
            driver(begin_life(Driver), erlang:monotonic_time(millisecond) + Ms)
        end)
     || Slot <- lists:seq(1, ?DRIVERS)
    ],
    Cutter = spawn_link(fun() -> cut(Beam, Name) end),
    wait_for(Drivers, idle),
    unlink(Cutter), exit(Cutter, kill),
    %% nothing is under way when all have answered twice in a row
    [rounds(Drivers) || _ <- lists:seq(1, 6)],
    disconnect(Beam, Name),
    [rounds(Drivers) || _ <- lists:seq(1, 3)],
    States = [ask(D, state) || D <- Drivers],
    check(Name, States),
    [P ! stop || P <- Others],
    [ask(D, finish) || D <- Drivers],
    cnode_peer:eventually(fun() -> process_count(Name) =:= Before end, ?PATIENCE),
    cnode_peer:stop_beam(Peer),
    ?assertEqual(0, cnode_peer:stop(Node)).

%% Everybody sends to everybody, from outside as well.
stops_under_load() ->
    Node = start(),
    Name = cnode_peer:name(Node),
    Probes = [spawn_on(S, Name) || S <- services(), _ <- lists:seq(1, 3)],
    Pool = cnode_peer:counters(Node),
    Floods = [spawn(fun() -> flood(Probes, Pool, N) end) || N <- lists:seq(1, 6)],
    [P ! {burst, Q, 1000} || P <- Probes, Q <- Probes],
    cnode_peer:eventually(fun() -> is_integer(cnode_pool:call(Pool, 1, increment)) end, ?PATIENCE),
    ?assertEqual(0, cnode_peer:stop(Node)),
    [exit(F, kill) || F <- Floods].

%% As much as the node takes, no more; ends with it.
flood(Probes, Pool, N) ->
    [begin P ! {send, Q, N}, monitor(process, P) end || P <- Probes, Q <- Probes],
    [cnode_pool:cast(Pool, Id, increment) || Id <- lists:seq(1, 100)],
    [_ = catch gen_server:call(P, self, ?PATIENCE) || P <- Probes],
    flood(Probes, Pool, N + 1).

%% A probe on each scheduler.
start() ->
    Config = #{
        services => maps:from_list([{S, #{behaviour => probe}} || S <- services()]),
        pools => #{'Elixir.Counters' => #{behaviour => counter, registry => none}},
        spawn => #{'probe:start' => probe}
    },
    Set = "runtime.schedulers=" ++ integer_to_list(?SCHEDULERS),
    cnode_peer:start(Config, #{args => ["--set", Set]}).

services() -> [service(N) || N <- lists:seq(1, ?SCHEDULERS)].

number(Variable, Default) ->
    case os:getenv(Variable) of
        false -> Default;
        Text -> list_to_integer(Text)
    end.

service(N) -> list_to_atom("probe" ++ integer_to_list(N)).

%% The supervisor of what is spawned there comes with the first.
spawn_on(Service, Name) -> gen_server:call({Service, Name}, {spawn, undefined}).

%% The low bits of the serial.
scheduler(Pid) ->
    <<131, 88, Rest/binary>> = term_to_binary(Pid),
    Size = byte_size(Rest) - 12,
    <<_:Size/binary, _Id:32, Serial:32, _:32>> = Rest,
    Serial band 63.

process_count(Name) -> length(erpc:call(Name, erlang, processes, [])).

%% A process of the other BEAM: is linked to, watched and sent to.
other() ->
    process_flag(trap_exit, true),
    other_loop().

other_loop() ->
    receive
        stop -> ok;
        _ -> other_loop()
    end.

%% The other BEAM loses the node now and then.
cut(Beam, Name) ->
    timer:sleep(100 + rand:uniform(400)),
    disconnect(Beam, Name),
    cut(Beam, Name).

disconnect(Beam, Name) -> _ = erpc:call(Beam, erlang, disconnect_node, [Name]), ok.

%% ----------------------------------------------------------------- the parent

wait_for(Drivers, What) ->
    [receive
         {Pid, What} -> ok;
         {'DOWN', Ref, process, Pid, Reason} -> error({driver_ended, Reason})
     after ?PATIENCE -> error({no_answer_of_driver, Pid, process_info(Pid, current_stacktrace)})
     end || {Pid, Ref} <- Drivers].

rounds(Drivers) ->
    [Pid ! {self(), sync} || {Pid, _} <- Drivers],
    wait_for(Drivers, synced).

ask({Pid, Ref}, What) ->
    Pid ! {self(), What},
    receive
        {Pid, What, Answer} -> Answer;
        {'DOWN', Ref, process, Pid, Reason} -> error({driver_ended, Reason})
    after ?PATIENCE -> error({no_answer_of_driver, What})
    end.

check(Name, States) ->
    Alive = maps:from_list([{P, S} || #driver{probe = P} = S <- States, P =/= none]),
    ?assert(map_size(Alive) > 0),
    [check_sent(S, maps:get(To, Alive), N) || S <- maps:values(Alive),
        {To, N} <- maps:to_list(S#driver.sent), is_map_key(To, Alive)],
    [?assert(is_map_key(Target, Alive), {no_down, S#driver.probe, Target})
     || S <- maps:values(Alive), Target <- maps:values(S#driver.ties)],
    Links = maps:map(fun(P, _) -> links(Name, P) end, Alive),
    [?assert(lists:member(P, maps:get(Q, Links, [])), {one_sided, P, Q, Links})
     || {P, Linked} <- maps:to_list(Links), Q <- Linked].

check_sent(#driver{slot = Slot, life = Life, probe = P}, #driver{seen = Seen, probe = To}, N) ->
    ?assertEqual({P, To, N}, {P, To, maps:get({Slot, Life}, Seen, 0)}).

links(Name, Pid) ->
    {links, Links} = erpc:call(Name, erlang, process_info, [Pid, links]),
    Links.

%% ------------------------------------------------------------------ a driver

slot_name(Slot) -> list_to_atom("slot" ++ integer_to_list(Slot)).

begin_life(#driver{service = Service, node = Node, slot = Slot, table = Table, life = Life} = D) ->
    Probe =
        case Slot rem 2 of
            0 -> gen_server:call({Service, Node}, {spawn, slot_name(Slot)}, ?PATIENCE);
            1 -> spawn(Node, probe, start, [slot_name(Slot)])
        end,
    is_pid(Probe) orelse error({not_spawned, Probe}),
    Monitor = monitor(process, Probe),
    Probe ! {report_to, self()},
    rand:uniform(3) =:= 1 orelse (Probe ! {trap_exit, true}),
    ets:insert(Table, {Slot, Probe}),
    D#driver{probe = Probe, monitor = Monitor, life = Life + 1, sent = #{}, seen = #{},
        named = #{}, ties = #{}, stopping = #{}}.

driver(D0, Deadline) ->
    D = drain(D0),
    case erlang:monotonic_time(millisecond) < Deadline of
        true when D#driver.probe =:= none -> driver(begin_life(D), Deadline);
        true -> driver(act(D, rand:uniform(100)), Deadline);
        false ->
            D#driver.parent ! {self(), idle},
            over(D)
    end.

%% Takes what has come.
drain(D) ->
    receive
        {report, _, _} = Report -> drain(reported(Report, D));
        {stopped, _} = Stopped -> drain(reported(Stopped, D));
        {'DOWN', _, process, _, _} = Down -> drain(ended(Down, D))
    after 0 -> D
    end.

ended({'DOWN', Ref, process, Pid, _}, #driver{monitor = Ref, probe = Pid} = D) ->
    D#driver{probe = none};
ended(Down, D) ->
    error({what_is_this, Down, D}).

reported({report, P, {seq, From, N}}, #driver{probe = P, seen = Seen} = D) ->
    N =:= maps:get(From, Seen, 0) + 1 orelse error({order, From, P, N, Seen}),
    D#driver{seen = Seen#{From => N}};
reported({report, P, {named, From, N}}, #driver{probe = P, named = Named} = D) ->
    N > maps:get(From, Named, 0) orelse error({order_by_name, From, P, N, Named}),
    D#driver{named = Named#{From => N}};
reported({report, P, {'DOWN', Ref, process, _, _}}, #driver{probe = P} = D) ->
    #driver{ties = Ties, stopping = Stopping} = D,
    is_map_key(Ref, Ties) orelse is_map_key(Ref, Stopping) orelse error({down, Ref, D}),
    D#driver{ties = maps:remove(Ref, Ties), stopping = maps:remove(Ref, Stopping)};
reported({report, P, {'EXIT', _, _}}, #driver{probe = P} = D) ->
    D;
reported({stopped, Ref}, #driver{stopping = Stopping} = D) ->
    D#driver{stopping = maps:remove(Ref, Stopping)};
reported(Report, D) ->
    error({what_is_this, Report, D}).

act(#driver{count = Count} = D, _) when Count rem ?SYNC_EVERY =:= 0 -> call(self, D#driver{count = Count + 1});
act(#driver{count = Count} = D, Die) -> do(Die, someone(D), D#driver{count = Count + 1}).

someone(#driver{table = Table, probe = Probe}) ->
    Key = case rand:uniform(30) of
        N when N =< ?DRIVERS -> N;
        _ -> {other, rand:uniform(4)}
    end,
    case ets:lookup(Table, Key) of
        [{_, Pid}] -> Pid;
        [] -> Probe % not there yet
    end.

%% To the probe, as a message: it does it and does not answer.
tell(What, #driver{probe = Probe} = D) -> Probe ! What, D.

do(Die, To, #driver{slot = Slot, life = Life, sent = Sent} = D) when Die =< 55 ->
    N = maps:get(To, Sent, 0) + 1,
    tell({send, To, {seq, {Slot, Life}, N}}, D#driver{sent = Sent#{To => N}});
do(Die, _, #driver{slot = Slot, life = Life, count = Count} = D) when Die =< 62 ->
    Name = slot_name(rand:uniform(?DRIVERS)),
    tell({send, Name, {named, {Slot, Life}, Count}}, D);
do(Die, To, D) when Die =< 72 ->
    watch(To, D);
do(Die, _, #driver{ties = Ties} = D) when Die =< 77, map_size(Ties) > 0 ->
    {Ref, Target, _} = maps:next(maps:iterator(Ties)),
    tell({demonitor, Ref}, D),
    tell({send, self(), {stopped, Ref}}, D),
    D#driver{ties = maps:remove(Ref, Ties), stopping = (D#driver.stopping)#{Ref => Target}};
do(Die, To, D) when Die =< 84 -> tell({link, To}, D);
do(Die, To, D) when Die =< 92 -> tell({unlink, To}, D);
do(Die, To, D) when Die =< 95 -> call({call, To, {echo, D#driver.count}, ?PATIENCE}, D);
do(Die, _, D) when Die =< 97 -> tell(flush, D);
do(Die, To, #driver{calm = Calm} = D) when Die > 97, Calm > 1 ->
    case rand:uniform(Calm) of
        1 -> (do(Die, To, D#driver{calm = 1}))#driver{calm = Calm};
        _ -> D
    end;
do(98, To, D) -> node(To) =:= D#driver.node andalso exit(To, kill), D;
do(99, To, D) -> node(To) =:= D#driver.node andalso tell({exit, To, shutdown}, D), D;
do(_, _, D) -> tell({exit, lists:nth(rand:uniform(3), [normal, shutdown, boom])}, D).

watch(To, #driver{ties = Ties} = D0) ->
    case call_of({monitor, To}, D0) of
        {ok, Ref} when is_reference(Ref) -> drain(D0#driver{ties = Ties#{Ref => To}});
        {ended, D} -> D
    end.

call(Request, D0) ->
    case call_of(Request, D0) of
        {ok, Answer} -> answered(Request, Answer, D0), D0;
        {ended, D} -> D
    end.

answered(self, P, #driver{probe = P}) -> ok;
answered({call, _, {echo, T}, _}, {ok, T}, _) -> ok;
%% the others answer no calls: they are lost, as probes are
answered({call, To, _, _}, {error, Why}, _) ->
    Why =/= timeout orelse error({timeout, To});
answered(Request, Answer, D) ->
    error({answer, Request, Answer, D}).

%% No call to the other BEAM: nobody answers there.
call_of({call, To, _, _}, #driver{node = Node} = D) when node(To) =/= Node -> {ended, D};
call_of(Request, #driver{probe = Probe, monitor = Ref} = D) ->
    try gen_server:call(Probe, Request, ?PATIENCE) of
        Answer -> {ok, Answer}
    catch
        exit:{timeout, _} -> error({timeout, Request, D});
        exit:_ -> {ended, lost(Probe, Ref, D)}
    end.

%% It ended, and the monitor of this life says so too: what it reported before
%% comes first.
lost(Probe, Ref, D) ->
    receive
        {report, _, _} = Report -> lost(Probe, Ref, reported(Report, D));
        {stopped, _} = Stopped -> lost(Probe, Ref, reported(Stopped, D));
        {'DOWN', Ref, process, Probe, _} = Down -> ended(Down, D)
    after ?PATIENCE -> error({no_down_for, Probe})
    end.

%% Nothing more is begun.
over(#driver{parent = Parent} = D0) ->
    D = drain(D0),
    receive
        {Parent, sync} ->
            Next = case D#driver.probe of
                none -> D;
                _ -> call(self, D)
            end,
            Parent ! {self(), synced},
            over(drain(Next));
        {Parent, state} ->
            Parent ! {self(), state, D},
            over(D);
        {Parent, finish} ->
            D#driver.probe =:= none orelse exit(D#driver.probe, kill),
            Parent ! {self(), finish, ok};
        {report, _, _} = Report ->
            over(reported(Report, D));
        {stopped, _} = Stopped ->
            over(reported(Stopped, D));
        {'DOWN', _, process, _, _} = Down ->
            over(ended(Down, D))
    end.
