%% SPDX-License-Identifier: Apache-2.0
%%
%% Workers whose state outlives them: by mode, through crashes, idle time-outs,
%% restarts and the end of the node, also by SIGKILL in the middle of writes.
-module(cnode_persist_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, eventually/2, name/1]).

-define(POOL, 'Elixir.Kept').

%% ------------------------------------------------------------------ helpers

dir() ->
    Dir = filename:join(cnode_peer:tmp_dir(), atom_to_list(cnode_peer:unique_atom("store"))),
    ok = filelib:ensure_dir(filename:join(Dir, "x")),
    Dir.

config(Dir, Persist) -> config(Dir, Persist, #{}, #{}).

config(Dir, Persist, Store, Worker) ->
    #{
        stores => #{main => maps:merge(#{type => lmdb, path => list_to_binary(Dir)}, Store)},
        pools => #{
            ?POOL => #{
                behaviour => counter, registry => none,
                worker => maps:merge(#{idle_timeout => null}, Worker),
                persist => Persist
            }
        }
    }.

pool(Node) -> cnode_pool:new(#{name => ?POOL, nodes => [name(Node)]}).

call(Node, Id, Msg) -> cnode_pool:call(pool(Node), Id, Msg).

%% Starts with a store in a new folder, runs, stops, forgets the folder.
with_node(Config, Fun) ->
    Dir = dir(),
    Node = cnode_peer:start(Config(Dir)),
    try
        Fun(Node, Dir)
    after
        cnode_peer:stop(Node),
        file:del_dir_r(Dir)
    end.

%% What the next node finds in the same folder.
next_life(Config, Dir, Fun) ->
    Node = cnode_peer:start(Config(Dir)),
    try
        Fun(Node)
    after
        ?assertEqual(0, cnode_peer:stop(Node))
    end.

crash(Node, Id) ->
    ?assertExit(_, cnode_pool:crash(pool(Node), Id)),
    eventually(fun() -> cnode_pool:ping(pool(Node), Id) =:= {ok, true} end).

%% -------------------------------------------------------------------- modes

modes_test_() ->
    cnode_peer:tests([
        {"on_change: what was answered is there after SIGKILL", fun on_change/0},
        {"on_change: casts are written too, and a crash goes back to that", fun on_change_cast/0},
        {"on_stop: the end of the node writes, a crash does not", fun on_stop/0},
        {"on_stop: an idle worker comes back with its state", fun idle/0},
        {"interval: written every now and then", fun interval/0},
        {"manual: only persist! writes", fun manual/0},
        {"without a store persist! is not supported", fun not_supported/0},
        {"ids that are large or no integers", fun ids/0},
        {"a pool that is taken offline keeps what its workers had", fun offline/0},
        {"many workers at once come back", {timeout, 60, fun many/0}}
    ]).

on_change() ->
    Config = fun on_change_config/1,
    Dir = dir(),
    Node = cnode_peer:start(Config(Dir)),
    [?assertEqual(N, call(Node, 7, increment)) || N <- lists:seq(1, 20)],
    _ = cnode_peer:kill(Node),
    next_life(Config, Dir, fun(Next) ->
        ?assertEqual(20, call(Next, 7, get)),
        ?assertEqual(0, call(Next, 8, get))
    end),
    file:del_dir_r(Dir).

on_change_cast() ->
    with_node(fun on_change_config/1, fun(Node, _) ->
        [cnode_pool:cast(pool(Node), 1, increment) || _ <- lists:seq(1, 50)],
        ?assertEqual(50, call(Node, 1, get)),
        crash(Node, 1),
        ?assertEqual(50, call(Node, 1, get)),
        ok = cnode_pool:kill(pool(Node), 1),
        ?assertEqual(51, call(Node, 1, increment))
    end).

on_stop() ->
    Config = fun(Dir) -> config(Dir, #{mode => on_stop}) end,
    Dir = dir(),
    Node = cnode_peer:start(Config(Dir)),
    5 = element(2, call(Node, a, {add, 5})),
    crash(Node, a),
    ?assertEqual(0, call(Node, a, get)),
    {ok, 6} = call(Node, a, {add, 6}),
    ok = cnode_pool:kill(pool(Node), a),
    ?assertEqual(6, call(Node, a, get)),
    {ok, 8} = call(Node, a, {add, 2}),
    {ok, 1} = call(Node, b, {add, 1}),
    ?assertEqual(0, cnode_peer:stop(Node)),
    next_life(Config, Dir, fun(Next) ->
        ?assertEqual(8, call(Next, a, get)),
        ?assertEqual(1, call(Next, b, get))
    end),
    file:del_dir_r(Dir).

idle() ->
    Config = fun(Dir) -> config(Dir, #{mode => on_stop}, #{}, #{idle_timeout => <<"300ms">>}) end,
    with_node(Config, fun(Node, _) ->
        {ok, 5} = call(Node, 1, {add, 5}),
        {ok, {Pid, _}} = cnode_pool:fetch(pool(Node), 1, process),
        Monitor = monitor(process, Pid),
        ?assertEqual({shutdown, inactive}, receive {'DOWN', Monitor, _, _, Why} -> Why after 10000 -> none end),
        ?assertEqual(6, call(Node, 1, increment))
    end).

interval() ->
    with_node(fun(Dir) -> config(Dir, #{mode => interval, interval => <<"100ms">>}) end, fun(Node, _) ->
        {ok, 5} = call(Node, 1, {add, 5}),
        eventually(fun() ->
            crash(Node, 1),
            case call(Node, 1, get) of
                5 -> true;
                0 -> {ok, 5} = call(Node, 1, {add, 5}), timer:sleep(300), false
            end
        end)
    end).

manual() ->
    with_node(fun(Dir) -> config(Dir, #{mode => manual}) end, fun(Node, _) ->
        {ok, 5} = call(Node, 1, {add, 5}),
        ?assertEqual(ok, cnode_pool:persist(pool(Node), 1)),
        {ok, 7} = call(Node, 1, {add, 2}),
        ok = cnode_pool:kill(pool(Node), 1),
        ?assertEqual(5, call(Node, 1, get)),
        ?assertEqual(ok, cnode_pool:persist(pool(Node), 1)),
        crash(Node, 1),
        ?assertEqual(5, call(Node, 1, get))
    end).

not_supported() ->
    Node = cnode_peer:start(#{pools => #{?POOL => #{behaviour => counter, registry => none}}}),
    1 = call(Node, 1, increment),
    ?assertEqual(not_supported, cnode_pool:persist(pool(Node), 1)),
    ?assertEqual(0, cnode_peer:stop(Node)).

ids() ->
    Config = fun on_change_config/1,
    Dir = dir(),
    Node = cnode_peer:start(Config(Dir)),
    Ids = [<<"text">>, {a, 1}, #{b => 2, a => 1}, 1 bsl 80, binary:copy(<<"x">>, 3000), binary:copy(<<"x">>, 3001)],
    [{ok, N} = call(Node, Id, {add, N}) || {N, Id} <- lists:zip(lists:seq(1, length(Ids)), Ids)],
    _ = cnode_peer:kill(Node),
    next_life(Config, Dir, fun(Next) ->
        [?assertEqual(N, call(Next, Id, get)) || {N, Id} <- lists:zip(lists:seq(1, length(Ids)), Ids)]
    end),
    file:del_dir_r(Dir).

offline() ->
    with_node(fun(Dir) -> config(Dir, #{mode => on_stop}) end, fun(Node, _) ->
        Admin = {cnode_admin, name(Node)},
        [{ok, N} = call(Node, N, {add, N}) || N <- lists:seq(1, 200)],
        ok = gen_server:call(Admin, {offline, ?POOL}),
        eventually(fun() ->
            {ok, #{total := Total}} = gen_server:call(Admin, {count, ?POOL}),
            Total =:= 0
        end),
        ?assertEqual({error, unavailable}, call(Node, 1, get)),
        ok = gen_server:call(Admin, {online, ?POOL}),
        [?assertEqual(N, call(Node, N, get)) || N <- lists:seq(1, 200)]
    end).

many() ->
    Config = fun on_change_config/1,
    Dir = dir(),
    Node = cnode_peer:start(Config(Dir)),
    [cnode_pool:cast(pool(Node), N, {add, N}) || N <- lists:seq(1, 20000)],
    [?assertEqual(N, call(Node, N, get)) || N <- lists:seq(1, 20000, 97)],
    ?assertEqual(20000, call(Node, 20000, get)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    next_life(Config, Dir, fun(Next) ->
        [cnode_pool:cast(pool(Next), N, {add, 1}) || N <- lists:seq(1, 20000)],
        [?assertEqual(N + 1, call(Next, N, get)) || N <- lists:seq(1, 20000, 97)]
    end),
    file:del_dir_r(Dir).

%% ------------------------------------------------------------------ SIGKILL

%% Writers that never stop; the node is killed at any moment, again and again.
%% Every value that was answered must be there, or a newer one. CNODE_FULL_TESTS:
%% until there were 100 000 updates.
killed_test_() ->
    {Updates, Writers, Pause} =
        case os:getenv("CNODE_FULL_TESTS") of
            false -> {0, 32, 100};
            _ -> {100000, 256, 800}
        end,
    cnode_peer:tests([
        {"no answered value is lost by SIGKILL", {timeout, 600, fun() -> killed(Updates, Writers, Pause) end}}
    ], 1).

killed(Updates, Writers, Pause) ->
    Dir = dir(),
    {Rounds, Answered} = killed(Dir, 1, #{}, Updates, Writers, Pause),
    next_life(fun on_change_config/1, Dir, fun(Node) -> check(Node, Answered) end),
    io:format(user, "  ~b answered updates, ~b times SIGKILL~n", [total(Answered), Rounds]),
    file:del_dir_r(Dir).

killed(Dir, Round, Before, Updates, Writers, Pause) ->
    Node = cnode_peer:start(on_change_config(Dir)),
    Known = check(Node, Before),
    Self = self(),
    Pids = [spawn_link(fun() -> writer(Self, pool(Node), Id, maps:get(Id, Known, 0)) end)
        || Id <- lists:seq(1, Writers)],
    timer:sleep(Pause + Round * 37 rem 200),
    _ = cnode_peer:kill(Node),
    Answered = maps:from_list([receive {Pid, Id, N} -> {Id, N} end || Pid <- Pids]),
    case Round >= 10 andalso total(Answered) >= Updates of
        true -> {Round, Answered};
        false -> killed(Dir, Round + 1, Answered, Updates, Writers, Pause)
    end.

total(Answered) -> lists:sum(maps:values(Answered)).

on_change_config(Dir) -> config(Dir, #{mode => on_change}).

%% At least what was answered, and at most one more, which was not.
check(Node, Answered) ->
    maps:map(
        fun(Id, N) ->
            Found = call(Node, Id, get),
            ?assert(Found >= N, {lost, Id, N, Found}),
            ?assert(Found =< N + 1, {made_up, Id, N, Found}),
            Found
        end,
        Answered
    ).

writer(Parent, Pool, Id, N) ->
    try cnode_pool:call(Pool, Id, increment) of
        Next when is_integer(Next) -> writer(Parent, Pool, Id, Next);
        _ -> Parent ! {self(), Id, N}
    catch
        _:_ -> Parent ! {self(), Id, N}
    end.

%% ------------------------------------------------------------------- errors

errors_test_() ->
    cnode_peer:tests([
        {"a full store: an error instead of the answer, and the worker lives on", fun full/0},
        {"a state that is not what was written: the worker does not start", fun corrupt/0},
        {"a folder that another node has: this one does not start", fun locked/0},
        {"mistakes in the configuration", fun mistakes/0}
    ]).

full() ->
    Config = fun(Dir) ->
        C = #{pools := #{?POOL := P}} = config(Dir, #{mode => on_change}, #{size => <<"1MiB">>}, #{}),
        C#{pools := #{?POOL => P#{behaviour := kv}}}
    end,
    with_node(Config, fun(Node, _) ->
        ok = call(Node, 1, {put, a, 1}),
        Big = binary:copy(<<"x">>, 200000),
        Results = [call(Node, N, {put, big, Big}) || N <- lists:seq(2, 9)],
        ?assert(lists:member({error, store_full}, Results)),
        ?assertEqual(ok, hd(Results)),
        %% It is in the worker's state all the same, which is tried again.
        Last = length(Results) + 1,
        ?assertEqual({error, store_full}, call(Node, Last, {get, big})),
        ?assertEqual({ok, 1}, call(Node, 1, {get, a})),
        ok = call(Node, 2, {delete, big}),
        ok = call(Node, 3, {delete, big}),
        eventually(fun() -> call(Node, Last, {get, big}) =:= {ok, Big} end),
        ok = cnode_pool:kill(pool(Node), Last),
        ?assertEqual({ok, Big}, call(Node, Last, {get, big}))
    end).

corrupt() ->
    Config = fun on_change_config/1,
    Dir = dir(),
    Node = cnode_peer:start(Config(Dir)),
    {ok, 77777777} = call(Node, 1, {add, 77777777}),
    {ok, 5} = call(Node, 2, {add, 5}),
    ?assertEqual(0, cnode_peer:stop(Node)),
    File = filename:join(Dir, "data.mdb"),
    {ok, Bytes} = file:read_file(File),
    ok = file:write_file(File, binary:replace(Bytes, <<98, 77777777:32>>, <<98, 77777778:32>>, [global])),
    next_life(Config, Dir, fun(Next) ->
        ?assertEqual({error, {store, corrupt}}, call(Next, 1, get)),
        ?assertEqual(5, call(Next, 2, get)),
        %% An operator gives it up.
        Admin = {cnode_admin, name(Next)},
        ?assertEqual(ok, gen_server:call(Admin, {forget, ?POOL, 1})),
        ?assertEqual(0, call(Next, 1, get)),
        ?assertEqual(1, call(Next, 1, increment)),
        %% Of a worker that is up: it is not written again as it is.
        ?assertEqual(ok, gen_server:call(Admin, {forget, ?POOL, {ref, 'Elixir.Kept.Worker', 2}})),
        ?assertEqual(5, call(Next, 2, get)),
        ok = cnode_pool:kill(pool(Next), 2),
        ?assertEqual(0, call(Next, 2, get)),
        ?assertEqual({error, unknown_pool}, gen_server:call(Admin, {forget, nobody, 1}))
    end),
    file:del_dir_r(Dir).

locked() ->
    Config = fun on_change_config/1,
    with_node(Config, fun(_, Dir) ->
        {error, Reason} = cnode_peer:try_start(Config(Dir), #{}),
        ?assertNotEqual(nomatch, string:find(io_lib:format("~p", [Reason]), "another node uses"))
    end).

mistakes() ->
    Bad = fun(Config) ->
        {error, Reason} = cnode_peer:try_start(Config, #{}),
        lists:flatten(io_lib:format("~p", [Reason]))
    end,
    Pool = #{behaviour => counter, registry => none, persist => #{mode => on_change}},
    ?assertNotEqual(nomatch, string:find(Bad(#{pools => #{?POOL => Pool}}), "no store")),
    ?assertNotEqual(nomatch, string:find(Bad(#{
        stores => #{main => #{path => <<"x">>}}, pools => #{?POOL => Pool#{behaviour => echo}}
    }), "no dump and restore")),
    ?assertNotEqual(nomatch, string:find(Bad(#{stores => #{main => #{type => lmdb}}}), "expected \\\"path\\\"")).
