%% SPDX-License-Identifier: Apache-2.0
%%
%% The process cnode_admin: what operators ask of a C node (docs/administration.md).
-module(cnode_admin_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, name/1]).

-define(POOL, 'Elixir.Counters').
-define(CONFIG, #{
    services => #{echo => #{behaviour => echo}},
    pools => #{
        ?POOL => #{
            behaviour => counter,
            registry => none,
            supervisors => #{count => 2, segments => 8},
            worker => #{max => 5000}
        }
    }
}).

suite(Tests) -> cnode_peer:suite(?CONFIG, Tests).

ask(Node, Request) -> gen_server:call({cnode_admin, name(Node)}, Request).

call(Node, Id, Call) ->
    Envelope =
        {msg_envelope, {self(), 0}, call, {ref, 'Elixir.Counters.Worker', Id},
            {settings, nil, true, nil, nil, nil, 5000}, {s, Call, nil, nil}},
    gen_server:call({?POOL, name(Node)}, Envelope).

ref(Id) -> {ref, 'Elixir.Counters.Worker', Id}.

%% ---------------------------------------------------------------------- node

node_test_() ->
    suite([
        {"status says what the node is", fun status/1},
        {"peers have their traffic", fun peers/1},
        {"counters are those of the node", fun counters/1},
        {"what nobody knows is an error", fun unknown/1},
        {"killed, it is there again", fun killed/1}
    ]).

status(Node) ->
    {ok, Status} = ask(Node, status),
    #{
        node := Name,
        version := <<_, _/binary>>,
        uptime_ms := Uptime,
        schedulers := Schedulers,
        pools := [?POOL],
        services := Services,
        peers := Peers,
        memory := Memory,
        hidden := false,
        os_pid := OsPid
    } = Status,
    ?assertEqual(name(Node), Name),
    ?assertEqual(cnode_peer:os_pid(Node), OsPid),
    ?assert(lists:member(echo, Services)),
    ?assert(Uptime >= 0 andalso Schedulers >= 1 andalso Peers >= 1 andalso Memory > 0),
    ?assertMatch({ok, #{}}, ask(Node, {status})).

peers(Node) ->
    {ok, Peers} = ask(Node, peers),
    [Us] = [Peer || #{node := Peer_} = Peer <- Peers, Peer_ =:= node()],
    #{state := up, hidden := false, bytes_in := In, bytes_out := Out, queued := _, since_ms := _} =
        Us,
    ?assert(In > 100 andalso Out > 100),
    {ok, Later} = ask(Node, peers),
    [#{bytes_in := MoreIn}] = [Peer || #{node := Peer_} = Peer <- Later, Peer_ =:= node()],
    ?assert(MoreIn > In).

counters(Node) ->
    {ok, #{dead_letters := Before}} = ask(Node, counters),
    {nobody_here, name(Node)} ! hello,
    {ok, #{dead_letters := After}} = ask(Node, counters),
    ?assertEqual(Before + 1, After).

unknown(Node) ->
    ?assertEqual({error, {unknown_request, {no, such}}}, ask(Node, {no, such})),
    ?assertEqual({error, {unknown_request, []}}, ask(Node, [])),
    ?assertEqual({error, {unknown_request, {}}}, ask(Node, {})),
    ?assertEqual({error, {bad_request, {status, 1}}}, ask(Node, {status, 1})),
    ?assertEqual({error, {bad_request, count}}, ask(Node, count)),
    ?assertEqual({error, unknown_pool}, ask(Node, {count, 'Elixir.Nobody'})),
    ?assertEqual({error, unknown_pool}, ask(Node, {pool, echo})),
    ?assertEqual({error, unknown_pool}, ask(Node, {count, [not_even, an, atom]})),
    {cnode_admin, name(Node)} ! hello,
    gen_server:cast({cnode_admin, name(Node)}, status),
    ?assertMatch({ok, _}, ask(Node, status)).

killed(Node) ->
    Pid = rpc:call(name(Node), erlang, whereis, [cnode_admin]),
    exit(Pid, kill),
    ?assertMatch({ok, _}, ask(Node, status)),
    ?assertNotEqual(Pid, rpc:call(name(Node), erlang, whereis, [cnode_admin])).

%% --------------------------------------------------------------------- pools

pools_test_() ->
    suite([
        {"a pool is a map", fun pool/1},
        {"workers are counted by supervisor and segment", fun count/1},
        {"where a worker is, nobody is woken to say", fun whereis_worker/1},
        {"a service is found by its name", fun service/1}
    ]).

pool(Node) ->
    {ok, [Map]} = ask(Node, pools),
    ?assertEqual({ok, Map}, ask(Node, {pool, ?POOL})),
    ?assertMatch(
        #{
            pool := ?POOL,
            status := online,
            condition := online,
            behaviour := counter,
            max := 5000,
            target := {_, _, _},
            supervisors := 2,
            segments := 8,
            registry := none,
            locks := []
        },
        Map
    ),
    ?assertMatch({ok, #{max := 5000}}, ask(Node, {pool, ?POOL})).

count(Node) ->
    {ok, #{total := Before}} = ask(Node, {count, ?POOL}),
    [call(Node, {count, N}, increment) || N <- lists:seq(1, 100)],
    {ok, #{total := Total, supervisors := Supervisors, segments := Segments}} =
        ask(Node, {count, ?POOL}),
    ?assertEqual(Before + 100, Total),
    ?assertEqual(2, length(Supervisors)),
    ?assertEqual(Total, lists:sum([N || {Pid, N} <- Supervisors, is_pid(Pid)])),
    ?assertEqual(lists:seq(0, 7), [I || {I, _} <- Segments]),
    ?assertEqual(Total, lists:sum([N || {_, N} <- Segments])).

whereis_worker(Node) ->
    {ok, #{total := Before}} = ask(Node, {count, ?POOL}),
    [
        begin
            ?assertEqual({ok, undefined}, ask(Node, {whereis, ?POOL, Id})),
            ?assertEqual({ok, false}, ask(Node, {alive, ?POOL, Id}))
        end
     || Id <- [nobody, {no, [body]}, 1 bsl 100, <<"no">>]
    ],
    ?assertMatch({ok, #{total := Before}}, ask(Node, {count, ?POOL})),
    [
        begin
            1 = call(Node, Id, increment),
            {ok, Pid} = ask(Node, {whereis, ?POOL, Id}),
            ?assertEqual({ok, Pid}, ask(Node, {whereis, ?POOL, ref(Id)})),
            ?assertEqual({ok, true}, ask(Node, {alive, ?POOL, Id})),
            ?assertEqual(1, gen_server:call(Pid, get))
        end
     || Id <- [somebody, {some, [body]}, 1 bsl 101, <<"some">>]
    ],
    Large = binary:copy(<<"x">>, 100000),
    ?assertEqual({error, too_large}, ask(Node, {whereis, ?POOL, Large})),
    ?assertMatch({error, {bad_request, _}}, ask(Node, {whereis, ?POOL})).

service(Node) ->
    Pid = rpc:call(name(Node), erlang, whereis, [echo]),
    ?assertEqual({ok, Pid}, ask(Node, {whereis, echo})),
    ?assertEqual({ok, Pid}, ask(Node, {whereis, echo, echo})),
    ?assertEqual({ok, true}, ask(Node, {alive, echo})),
    ?assertMatch({ok, #{total := 1}}, ask(Node, {count, echo})),
    ?assertMatch({ok, #{workers := [#{pid := Pid}]}}, ask(Node, {workers, echo})).

%% ----------------------------------------------------------------- operators

control_test_() ->
    suite([
        {"a pool is locked and released", fun lock_pool/1},
        {"the node is locked and released", fun lock_node/1},
        {"a pool goes offline and comes back", fun offline/1},
        {"worker supervisors are added and removed", fun supervisors/1},
        {"the health report is a struct and a table", fun health/1},
        {"dead letters can be read", fun dead_letters/1},
        {"what is set holds at once", fun set/1},
        {"what cannot be set is refused, with the reason", fun bad_set/1},
        {"an idle time-out that is set stops who is idle", fun set_idle/1}
    ]).

get(Node, Key) ->
    {ok, #{Key := Value}} = ask(Node, {get, ?POOL}),
    Value.

set(Node) ->
    {ok, #{total := Total}} = ask(Node, {count, ?POOL}),
    Max = get(Node, <<"worker.max">>),
    ?assertEqual(ok, ask(Node, {set, ?POOL, <<"worker.max">>, Total + 2})),
    ?assertEqual(Total + 2, get(Node, <<"worker.max">>)),
    ?assertEqual([1, 1, {error, max_children}], [
        call(Node, {set, N}, increment)
     || N <- [1, 2, 3]
    ]),
    ?assertMatch({ok, #{status := {locked, online}}}, ask(Node, {pool, ?POOL})),
    ?assertEqual(ok, ask(Node, {set, ?POOL, 'worker.max', nil})),
    ?assertEqual(nil, get(Node, <<"worker.max">>)),
    ?assertEqual(1, call(Node, {set, 3}, increment)),
    eventually(fun() ->
        {ok, #{status := Status}} = ask(Node, {pool, ?POOL}),
        Status =:= online
    end),
    ?assertEqual(ok, ask(Node, {set, ?POOL, <<"worker.max">>, Max})),
    [
        begin
            Before = get(Node, Key),
            ?assertEqual(ok, ask(Node, {set, ?POOL, Key, Value})),
            ?assertEqual(Value, get(Node, Key)),
            ?assertEqual(ok, ask(Node, {set, ?POOL, Key, Before}))
        end
     || {Key, Value} <- [
            {<<"worker.idle_timeout">>, <<"5m">>},
            {<<"worker.idle_timeout">>, nil},
            {<<"worker.mailbox_limit">>, 17},
            {<<"worker.target.low">>, 1},
            {<<"worker.target.high">>, 200000},
            {<<"cluster.strategy">>, <<"hash">>},
            {<<"node.priority">>, 3},
            {<<"node.weight">>, 0},
            {<<"persist.interval">>, <<"10s">>},
            {<<"health.degraded">>, 77}
        ]
    ].

bad_set(Node) ->
    Set = fun(Key, Value) -> ask(Node, {set, ?POOL, Key, Value}) end,
    [
        ?assertMatch({error, {bad_value, <<"set:", _/binary>>}}, Set(Key, Value))
     || {Key, Value} <- [
            {<<"worker.max">>, 0},
            {<<"worker.max">>, <<"many">>},
            {<<"worker.idle_timeout">>, 17},
            {<<"worker.idle_timeout">>, <<"1ns">>},
            {<<"worker.mailbox_limit">>, nil},
            {<<"cluster.strategy">>, <<"best">>}
        ]
    ],
    ?assertMatch({error, {bad_value, _}}, Set(<<"worker.max">>, {1, 2})),
    ?assertMatch({error, {bad_value, _}}, Set(<<"worker.max">>, 1 bsl 70)),
    ?assertEqual({error, {bad_value, <<"expected low <= target <= high">>}},
        Set(<<"worker.target.low">>, 999999)),
    ?assertEqual({error, {not_at_run_time, <<"supervisors.segments">>}},
        Set(<<"supervisors.segments">>, 3)),
    ?assertEqual({error, {not_at_run_time, <<"worker.module">>}}, Set(<<"worker.module">>, <<"x">>)),
    ?assertEqual({error, {unknown_key, <<"worker.maxx">>}}, Set(<<"worker.maxx">>, 3)),
    ?assertEqual({error, {unknown_key, <<"max">>}}, Set(<<"max">>, 3)),
    [
        ?assertMatch({error, _}, Set(Key, 3))
     || Key <- [<<>>, 17, [], <<"worker.max", 0>>, binary:copy(<<"x">>, 1000), <<".">>, <<255>>]
    ],
    ?assertEqual({error, unknown_pool}, ask(Node, {set, echo, <<"worker.max">>, 3})).

set_idle(Node) ->
    1 = call(Node, set_idle, increment),
    Before = get(Node, <<"worker.idle_timeout">>),
    ?assertEqual(ok, ask(Node, {set, ?POOL, <<"worker.idle_timeout">>, nil})),
    ?assertEqual(ok, ask(Node, {set, ?POOL, <<"worker.idle_timeout">>, <<"100ms">>})),
    eventually(fun() -> {ok, false} =:= ask(Node, {alive, ?POOL, set_idle}) end),
    ?assertEqual(ok, ask(Node, {set, ?POOL, <<"worker.idle_timeout">>, Before})).

health(Node) ->
    Kind = 'Elixir.Noizu.AdvancedPool.NodeManager.HealthReport',
    [
        begin
            {ok, #{'__struct__' := Kind, status := ready, report := Report}} = ask(Node, Request),
            ?assertMatch(#{?POOL := #{workers := #{total := _}}}, Report)
        end
     || Request <- [health, {health, #{}}, {health, [{rebuild, false}]}, {health, #{rebuild => true}}]
    ],
    {ok, <<_, _/binary>> = Text} = ask(Node, health_text),
    ?assertNotEqual(nomatch, binary:match(Text, <<"Elixir.Counters">>)),
    ?assertMatch({ok, <<_/binary>>}, ask(Node, {health_text, #{rebuild => true}})),
    ?assertMatch({error, {bad_request, _}}, ask(Node, {health, #{rebuild => 7}})).

dead_letters(Node) ->
    {ok, #{total := Before}} = ask(Node, dead_letters),
    Envelope =
        {msg_envelope, {self(), 0}, cast, ref(nobody_here),
            {settings, nil, false, nil, nil, nil, 5000}, {s, {hello, 17}, nil, nil}},
    gen_server:cast({?POOL, name(Node)}, Envelope),
    eventually(fun() ->
        {ok, #{total := Total}} = ask(Node, dead_letters),
        Total =:= Before + 1
    end),
    {ok, #{letters := [Letter | _]}} = ask(Node, {dead_letters, #{pool => ?POOL, limit => 1}}),
    ?assertMatch(
        #{
            pool := ?POOL,
            ref := {ref, 'Elixir.Counters.Worker', nobody_here},
            kind := cast,
            reason := {nack, not_registered},
            message := <<"{s,{hello,17},nil,nil}">>
        },
        Letter
    ),
    ?assert(abs(maps:get(at, Letter) - erlang:system_time(millisecond)) < 60000).

standing(Node) ->
    {ok, #{status := Status, locks := Locks}} = ask(Node, {pool, ?POOL}),
    {Status, Locks}.

lock_pool(Node) ->
    ?assertEqual({error, not_locked}, ask(Node, {release, ?POOL})),
    ?assertEqual(ok, ask(Node, {lock, ?POOL})),
    ?assertEqual({error, already_locked}, ask(Node, {lock, ?POOL})),
    ?assertEqual({{locked, online}, [pool]}, standing(Node)),
    ?assertEqual({error, not_locked}, ask(Node, release)),
    ?assertEqual(ok, ask(Node, {release, ?POOL})),
    ?assertEqual({online, []}, standing(Node)),
    ?assertEqual({error, unknown_pool}, ask(Node, {lock, 'Elixir.Nobody'})),
    ?assertEqual({error, unknown_pool}, ask(Node, {lock, echo})).

lock_node(Node) ->
    ?assertEqual({error, not_locked}, ask(Node, release)),
    ?assertEqual(ok, ask(Node, lock)),
    ?assertEqual({error, already_locked}, ask(Node, lock)),
    ?assertEqual({{locked, online}, [node]}, standing(Node)),
    ?assertEqual(ok, ask(Node, {lock, ?POOL})),
    ?assertEqual(ok, ask(Node, release)),
    ?assertEqual({{locked, online}, [pool]}, standing(Node)),
    ?assertEqual(ok, ask(Node, {release, ?POOL})).

offline(Node) ->
    1 = call(Node, offline, increment),
    ?assertEqual({error, already_online}, ask(Node, online)),
    ?assertEqual(ok, ask(Node, {offline, ?POOL})),
    ?assertEqual({error, already_offline}, ask(Node, {offline, ?POOL})),
    eventually(fun() -> {ok, false} =:= ask(Node, {alive, ?POOL, offline}) end),
    ?assertEqual({offline, []}, standing(Node)),
    ?assertEqual({error, unavailable}, call(Node, offline, increment)),
    ?assertEqual(ok, ask(Node, {online, ?POOL})),
    ?assertEqual({online, []}, standing(Node)),
    ?assertEqual(1, call(Node, offline, increment)).

supervisors(Node) ->
    {ok, #{supervisors := Before}} = ask(Node, {pool, ?POOL}),
    {ok, Pid} = ask(Node, {add_worker_supervisor, ?POOL}),
    {ok, #{supervisors := After}} = ask(Node, {pool, ?POOL}),
    ?assertEqual(Before + 1, After),
    ?assertMatch([{specs, 0} | _], gen_server:call(Pid, count_children)),
    ?assertEqual(ok, ask(Node, {remove_worker_supervisor, ?POOL, Pid})),
    ?assertEqual({error, not_found}, ask(Node, {remove_worker_supervisor, ?POOL, Pid})),
    ?assertEqual({error, not_found}, ask(Node, {remove_worker_supervisor, ?POOL, not_a_pid})),
    ?assertMatch({ok, #{supervisors := Before}}, ask(Node, {pool, ?POOL})).

down_test_() ->
    cnode_peer:suite(
        #{
            pools => #{
                ?POOL => #{
                    behaviour => counter,
                    registry => none,
                    supervisors => #{segments => 1, max_restarts => 0, max_seconds => 60}
                }
            }
        },
        [{"a pool that is down is brought back", fun down/1}]
    ).

%% The first crash of a worker ends its segment, that the pool, and that for good.
down(Node) ->
    1 = call(Node, 1, increment),
    eventually(fun() ->
        catch call(Node, 1, 'crash!'),
        {ok, #{condition := Condition}} = ask(Node, {pool, ?POOL}),
        Condition =:= down
    end),
    ?assertMatch({ok, #{status := offline}}, ask(Node, {pool, ?POOL})),
    ?assertEqual({ok, undefined}, ask(Node, {whereis, ?POOL, 1})),
    ?assertEqual(ok, ask(Node, {online, ?POOL})),
    ?assertMatch({ok, #{status := online, condition := C}} when C =/= down, ask(Node, {pool, ?POOL})),
    ?assertEqual(1, call(Node, 1, increment)),
    ?assertEqual({error, already_online}, ask(Node, {online, ?POOL})).

%% ------------------------------------------------------------------- workers

workers_test_() ->
    suite([
        {"a worker is a row", fun row/1},
        {"a page has as many rows as asked for", fun pages/1},
        {"of one supervisor, of one segment", fun filters/1},
        {"options that make no sense are refused", fun bad_options/1},
        {"who lives all the while is met exactly once", 120, fun churn/1}
    ]).

row(Node) ->
    1 = call(Node, row, increment),
    {ok, Pid} = ask(Node, {whereis, ?POOL, row}),
    {ok, #{workers := Rows, next := nil, total := 1}} = ask(Node, {workers, ?POOL}),
    [Row] = [Row || #{ref := {ref, _, row}} = Row <- Rows],
    ?assertMatch(#{pid := Pid, status := loaded, queue := 0, idle_ms := _, segment := _}, Row),
    {ok, #{supervisors := Supervisors}} = ask(Node, {count, ?POOL}),
    ?assert(lists:keymember(maps:get(supervisor, Row), 1, Supervisors)),
    ok = sys:suspend(Pid),
    gen_server:cast(Pid, {add, 1}),
    {ok, #{workers := [Suspended]}} = ask(Node, {workers, ?POOL, []}),
    ?assertMatch(#{status := suspended, queue := 1}, Suspended),
    ok = sys:resume(Pid).

walk(Node, Opts) -> walk(Node, Opts, nil, []).

walk(Node, Opts, After, Sofar) ->
    {ok, #{workers := Rows, next := Next, total := _}} =
        ask(Node, {workers, ?POOL, Opts#{'after' => After}}),
    case Next of
        nil -> lists:append(lists:reverse([Rows | Sofar]));
        <<_/binary>> -> walk(Node, Opts, Next, [Rows | Sofar])
    end.

ids(Rows) -> [Id || #{ref := {ref, 'Elixir.Counters.Worker', Id}} <- Rows].

pages(Node) ->
    [call(Node, {page, N}, increment) || N <- lists:seq(1, 250)],
    {ok, #{total := Total}} = ask(Node, {count, ?POOL}),
    {ok, #{workers := First, next := Next}} = ask(Node, {workers, ?POOL}),
    ?assertEqual(100, length(First)),
    ?assert(is_binary(Next)),
    {ok, #{workers := Ten}} = ask(Node, {workers, ?POOL, [{limit, 10}]}),
    ?assertEqual(10, length(Ten)),
    [
        begin
            All = ids(walk(Node, #{limit => Limit})),
            ?assertEqual(Total, length(All)),
            ?assertEqual(Total, length(lists:usort(All)))
        end
     || Limit <- [1, 7, 100, 1000]
    ].

filters(Node) ->
    [call(Node, {filter, N}, increment) || N <- lists:seq(1, 100)],
    {ok, #{supervisors := Supervisors, segments := Segments}} = ask(Node, {count, ?POOL}),
    [
        ?assertEqual(N, length(walk(Node, #{supervisor => Pid, limit => 13})))
     || {Pid, N} <- Supervisors
    ],
    [
        begin
            Rows = walk(Node, #{segment => Segment, limit => 3}),
            ?assertEqual(N, length(Rows)),
            ?assert(lists:all(fun(#{segment := S}) -> S =:= Segment end, Rows))
        end
     || {Segment, N} <- Segments
    ].

bad_options(Node) ->
    [call(Node, {bad, N}, increment) || N <- lists:seq(1, 20)],
    {ok, #{next := Cursor}} = ask(Node, {workers, ?POOL, #{limit => 1}}),
    [
        ?assertMatch({error, _}, ask(Node, {workers, ?POOL, Opts}))
     || Opts <- [
            #{limit => 0},
            #{limit => 1001},
            #{limit => many},
            #{limit => -1},
            #{'after' => <<"not a cursor">>},
            #{'after' => <<Cursor/binary, 0>>},
            #{'after' => 17},
            #{'after' => binary:copy(<<0>>, byte_size(Cursor))},
            #{'after' => <<(binary:part(Cursor, 0, 8))/binary, -1:64>>}
        ]
    ],
    %% no worker is at that place
    Far = <<(binary:part(Cursor, 0, 12))/binary, -1:32>>,
    ?assertMatch({ok, #{workers := _}}, ask(Node, {workers, ?POOL, #{'after' => Far}})),
    ?assertMatch({error, _}, ask(Node, {workers, echo, #{'after' => Cursor}})),
    ?assertEqual({error, not_found}, ask(Node, {workers, ?POOL, #{supervisor => self()}})),
    ?assertEqual({error, not_found}, ask(Node, {workers, ?POOL, #{segment => 8}})),
    [
        ?assertMatch({ok, _}, ask(Node, {workers, ?POOL, Opts}))
     || Opts <- [nil, [], #{}, #{other => 1}, [{limit, nil}], [not_a_pair], not_even_a_list]
    ].

%% Others start, end and crash between the pages.
churn(Node) ->
    Stay = [{stay, N} || N <- lists:seq(1, 500)],
    [call(Node, Id, increment) || Id <- Stay],
    Self = self(),
    Churner = spawn_link(fun() -> churn(Node, 1, Self) end),
    [
        begin
            Met = [Id || {stay, _} = Id <- ids(walk(Node, #{limit => 20}))],
            ?assertEqual(lists:sort(Stay), lists:sort(Met))
        end
     || _ <- lists:seq(1, 20)
    ],
    Churner ! stop,
    receive
        {churned, N} -> ?assert(N > 100)
    after 10000 -> error(no_churn)
    end.

churn(Node, N, Parent) ->
    catch call(Node, {come, N}, increment),
    catch call(Node, {go, N rem 50}, 'crash!'),
    catch call(Node, {stay, N rem 500 + 1}, 'crash!'),
    {ok, Pid} = ask(Node, {whereis, ?POOL, {come, N}}),
    catch gen_server:call({?POOL, name(Node)}, {terminate, Pid}),
    supervisor_end(Node, Pid),
    receive
        stop -> Parent ! {churned, N}
    after 0 -> churn(Node, N + 1, Parent)
    end.

supervisor_end(Node, Pid) ->
    {ok, #{supervisors := [{Supervisor, _} | _]}} = ask(Node, {count, ?POOL}),
    catch gen_server:call(Supervisor, {terminate_child, Pid}).
