%% SPDX-License-Identifier: Apache-2.0
%%
%% What a large pool that falls, or is emptied, does to another pool of its node.
%% One JSON line for each figure: see run-pool.sh.
-module(bench_pool).

-export([main/1]).

-define(BIG, 'Elixir.Big').
-define(SMALL, 'Elixir.Small').

main([Node, Workers]) ->
    N = list_to_integer(atom_to_list(Workers)),
    pong = net_adm:ping(Node),
    line(quiet, measured(Node, fun() -> timer:sleep(3000) end)),
    line(starts, measured(Node, fun() -> start_all(Node, N) end)),
    N = count(Node),
    line(restart, measured(Node, fun() -> restart(Node) end)),
    line(starts_again, measured(Node, fun() -> start_all(Node, N) end)),
    N = count(Node),
    line(drain, measured(Node, fun() -> drain(Node) end)),
    halt(0).

%% Runs it while another pool is called once a millisecond: how long it took, and
%% how long those calls did.
measured(Node, Fun) ->
    Self = self(),
    Caller = spawn_link(fun() -> calls(Node, Self, []) end),
    Start = now_us(),
    Fun(),
    Us = now_us() - Start,
    Caller ! enough,
    receive
        {latencies, List} -> {Us, lists:sort(List)}
    end.

calls(Node, Owner, List) ->
    receive
        enough -> Owner ! {latencies, List}
    after 1 ->
        Start = now_us(),
        _ = call(Node, ?SMALL, rand:uniform(1000), infinity),
        calls(Node, Owner, [now_us() - Start | List])
    end.

line(What, {Us, List}) ->
    Count = length(List),
    At = fun(Share) -> lists:nth(max(1, round(Share * Count)), List) end,
    io:format(
        "{\"figure\": \"~s\", \"ms\": ~b, \"other_calls\": ~b, \"p50_us\": ~b, \"p99_us\": ~b, \"most_us\": ~b}~n",
        [What, Us div 1000, Count, At(0.5), At(0.99), At(1)]
    ).

%% Its supervisor is killed, as by a bug: all of it ends and is opened again.
restart(Node) ->
    Pid = erpc:call(Node, erlang, whereis, [?BIG]),
    Ref = monitor(process, Pid),
    exit(Pid, kill),
    receive
        {'DOWN', Ref, process, _, killed} -> ok
    end,
    until_up(Node),
    0 = count(Node).

until_up(Node) ->
    case erpc:call(Node, erlang, whereis, [?BIG]) of
        undefined ->
            timer:sleep(5),
            until_up(Node);
        _ ->
            ok
    end.

drain(Node) ->
    ok = gen_server:call({cnode_admin, Node}, {offline, ?BIG}),
    until_empty(Node).

until_empty(Node) ->
    case count(Node) of
        0 ->
            ok;
        _ ->
            timer:sleep(5),
            until_empty(Node)
    end.

count(Node) ->
    {ok, #{total := Total}} = gen_server:call({cnode_admin, Node}, {count, ?BIG}),
    Total.

start_all(Node, N) ->
    Callers = 64,
    Pids = [spawn_monitor(fun() -> start_some(Node, I, Callers, N) end) || I <- lists:seq(1, Callers)],
    [receive {'DOWN', Ref, process, _, normal} -> ok end || {_, Ref} <- Pids],
    ok.

start_some(_, Id, _, N) when Id > N -> ok;
start_some(Node, Id, Callers, N) ->
    _ = call(Node, ?BIG, Id, 60000),
    start_some(Node, Id + Callers, Callers, N).

call(Node, Pool, Id, Timeout) ->
    Module = list_to_atom(atom_to_list(Pool) ++ ".Worker"),
    Envelope =
        {msg_envelope, {self(), 0}, call, {ref, Module, Id},
            {settings, nil, true, nil, nil, nil, 60000}, {s, increment, nil, nil}},
    gen_server:call({Pool, Node}, Envelope, Timeout).

now_us() -> erlang:monotonic_time(microsecond).
