%% SPDX-License-Identifier: Apache-2.0
%%
%% Measures the C node and a BEAM peer side by side, from one BEAM caller. Prints
%% one JSON line for each figure and a table of ratios at the end. See run.sh.
%%
%% Each figure is taken in rounds; in a round all variants take their turn, so
%% that a drift of the machine hits them alike. The ratio is the median of the
%% ratios within the rounds; the spread is their least and greatest.
-module(bench).
-export([main/1]).
-import(bench_figures, [now_us/0, cpu_us/1, rss_bytes/1, percentile/2,
                        label/1, line/3, cell/1, ratio/4]).

-define(ECHO_BYTES, 32).
-define(TUNED, [{delay_send, true}, {buffer, 262144}]).

main([CNode, CPid, BNode, BPid, DNode, DPid, Rounds, Seconds, Most]) ->
    Variants = [#{name => beam, node => atom(BNode), pid => BPid, tune => []},
                #{name => cnode, node => atom(CNode), pid => CPid,
                  tune => [{delay_send, false}, {buffer, 262144}]},
                #{name => beam_tuned, node => atom(BNode), pid => BPid,
                  tune => ?TUNED},
                #{name => cnode_tuned, node => atom(CNode), pid => CPid,
                  tune => ?TUNED}],
    [pong = net_adm:ping(maps:get(node, V)) || V <- Variants],
    R = list_to_integer(Rounds),
    Ms = round(list_to_float(Seconds) * 1000),
    Pools = [V || #{tune := T} = V <- Variants, T =/= ?TUNED],
    %% first, while neither node has used memory for anything else
    Memory = memory(Pools, list_to_integer(Most)),
    Timed = lists:append([figures(Keys, Variants, R, Ms) || Keys <- keys()]),
    table(Timed ++ Memory),
    schedulers([#{name => one, node => atom(CNode), pid => CPid, tune => []},
                #{name => two, node => atom(DNode), pid => DPid, tune => []}],
               R, Ms),
    halt(0).

atom(Text) -> list_to_atom(Text).

%% --- what is measured: {figure, unit, better}; those in one list together

keys() ->
    [[{latency_p50, us, less}, {latency_p99, us, less}],
     [{{calls, 1}, per_s, more}], [{{calls, 8}, per_s, more}],
     [{{calls, 64}, per_s, more}], [{{calls, 512}, per_s, more}],
     [{casts, per_s, more}], [{echo_10mib, mb_per_s, more}],
     [{cpu_per_call, us, less}],
     [{beside_100mb_in_p50, us, less}, {beside_100mb_in_max, us, less}],
     [{beside_100mb_both_p50, us, less}, {beside_100mb_both_max, us, less}],
     [{beside_strangers_p50, us, less}, {beside_strangers_p99, us, less}]].

figures(Keys, Variants, Rounds, Ms) ->
    ByRound = [round_of(Keys, Variants, Ms) || _ <- lists:seq(1, Rounds)],
    [{Key, [[{Name, Value} || {Name, K, Value} <- Round, K =:= Key]
            || Round <- ByRound]} || Key <- Keys].

round_of(Keys, Variants, Ms) ->
    lists:append([figures_of(Keys, V, Ms) || V <- Variants]).

figures_of([{Figure, _, _} | _] = Keys, #{name := Name} = V, Ms) ->
    tune(V),
    Values = measure(Figure, V, Ms),
    [begin line(Key, V, Value), {Name, Key, Value} end
     || {Key, Value} <- lists:zip(Keys, Values)].

%% The caller's end of the connection; the BEAM peer's end too when tuned.
tune(#{node := Node, name := Name, tune := Tune}) ->
    Options = case Tune of
                  [] -> [{delay_send, false}, {buffer, 1460}];
                  _ -> Tune
              end,
    ok = net_kernel:setopts(Node, Options),
    case Name of
        cnode -> ok;
        cnode_tuned -> ok;
        _ -> ok = rpc:call(Node, net_kernel, setopts, [node(), Options])
    end.

measure(latency_p50, V, Ms) ->
    Times = latency(V, Ms),
    [percentile(Part, Times) || Part <- [0.50, 0.99]];
measure({calls, N}, V, Ms) -> [calls(V, N, Ms)];
measure(casts, V, Ms) -> [casts(V, Ms)];
measure(echo_10mib, V, Ms) -> [large(V, Ms)];
measure(cpu_per_call, #{pid := Pid} = V, Ms) ->
    Before = cpu_us(Pid),
    Rate = calls(V, 64, Ms),
    [(cpu_us(Pid) - Before) / (Rate * Ms / 1000)];
%% Small calls while another process sends 100 MB there, or there and back.
measure(beside_100mb_in_p50, V, _) -> beside(V, [0.50, 1], fun sends_100mb/1);
measure(beside_100mb_both_p50, V, _) ->
    beside(V, [0.50, 1], fun echoes_100mb/1);
%% Small calls while 10 000 connections are made that say nothing; to compare
%% with latency_p50 and latency_p99.
measure(beside_strangers_p50, V, _) -> beside(V, [0.50, 0.99], fun strangers/1).

echo(#{node := Node}) -> {echo, Node}.

%% Calls by this process while another one does something.
beside(V, Parts, Do) ->
    Server = echo(V),
    {Pid, Ref} = spawn_monitor(fun() -> Do(V) end),
    Times = while(Server, Pid, []),
    receive {'DOWN', Ref, process, Pid, normal} -> ok end,
    [percentile(Part, Times) || Part <- Parts].

while(Server, Pid, Times) ->
    T0 = erlang:monotonic_time(nanosecond),
    small = gen_server:call(Server, small, 60000),
    T1 = erlang:monotonic_time(nanosecond),
    case is_process_alive(Pid) of
        true -> while(Server, Pid, [T1 - T0 | Times]);
        false -> [T1 - T0 | Times]
    end.

large_binary() -> binary:copy(<<7>>, 100000000).

sends_100mb(V) ->
    gen_server:cast(echo(V), {note, large_binary()}),
    done = gen_server:call(echo(V), done, 60000).

echoes_100mb(V) ->
    Data = large_binary(),
    true = Data =:= gen_server:call(echo(V), Data, 60000).

strangers(#{node := Node}) ->
    [Alive, _] = string:lexemes(atom_to_list(Node), "@"),
    {port, Port, _} = erl_epmd:port_please(Alive, {127, 0, 0, 1}),
    [strangers(Port, 250) || _ <- lists:seq(1, 40)].

%% Held open as long as the next ones are made.
strangers(Port, Count) ->
    Sockets = [element(2, {ok, _} = gen_tcp:connect({127, 0, 0, 1}, Port, []))
               || _ <- lists:seq(1, Count)],
    [gen_tcp:close(Socket) || Socket <- Sockets].

latency(V, Ms) ->
    Data = binary:copy(<<7>>, ?ECHO_BYTES),
    Server = echo(V),
    [gen_server:call(Server, Data) || _ <- lists:seq(1, 200)],
    sample(Server, Data, now_us() + Ms * 1000, []).

sample(Server, Data, End, Times) ->
    T0 = erlang:monotonic_time(nanosecond),
    Data = gen_server:call(Server, Data),
    T1 = erlang:monotonic_time(nanosecond),
    case T1 div 1000 >= End of
        true -> [T1 - T0 | Times];
        false -> sample(Server, Data, End, [T1 - T0 | Times])
    end.

calls(V, Callers, Ms) ->
    Data = binary:copy(<<7>>, ?ECHO_BYTES),
    Server = echo(V),
    in_parallel(Callers, Ms, fun() -> Data = gen_server:call(Server, Data) end).

%% Runs Fun over and over in N processes for Ms; how often a second.
in_parallel(N, Ms, Fun) ->
    Start = now_us(),
    End = Start + Ms * 1000,
    Pids = [spawn_monitor(fun() -> exit({done, repeat(Fun, End, 0)}) end)
            || _ <- lists:seq(1, N)],
    Count = lists:sum([receive
                           {'DOWN', Ref, process, _, {done, C}} -> C
                       end || {_, Ref} <- Pids]),
    Count * 1.0e6 / (now_us() - Start).

repeat(Fun, End, N) ->
    Fun(),
    case N band 15 =:= 0 andalso now_us() >= End of
        true -> N + 1;
        false -> repeat(Fun, End, N + 1)
    end.

%% One sender; a call at the end makes sure that all have arrived.
casts(V, Ms) ->
    Server = echo(V),
    Start = now_us(),
    N = repeat(fun() -> gen_server:cast(Server, {note, 1}) end,
               Start + Ms * 1000, 0),
    done = gen_server:call(Server, done, 60000),
    N * 1.0e6 / (now_us() - Start).

large(V, Ms) ->
    Data = binary:copy(<<7>>, 10 * 1024 * 1024),
    Server = echo(V),
    Start = now_us(),
    N = repeat_large(Server, Data, Start + Ms * 1000, 0),
    N * 10 * 1024 * 1024 / (now_us() - Start).

repeat_large(Server, Data, End, N) ->
    Data = gen_server:call(Server, Data, 60000),
    case now_us() >= End of
        true -> N + 1;
        false -> repeat_large(Server, Data, End, N + 1)
    end.

%% --- pools: starts by first use, and what an idle worker takes

memory(_, Most) when Most < 100000 ->
    [];
memory(Variants, Most) ->
    Steps = [N || N <- [100000, 1000000], N =< Most],
    Results = [{V, grow(V, Steps)} || V <- Variants],
    [{Key, [[{maps:get(name, V), proplists:get_value(Key, R)}
             || {V, R} <- Results]]}
     || Key <- [{lazy_starts, per_s, more}
                | [{{worker_bytes, N}, bytes, less} || N <- Steps]]].

grow(#{pid := Pid} = V, Steps) ->
    tune(V),
    Base = rss_bytes(Pid),
    {Rows, _} = lists:mapfoldl(
        fun(N, From) ->
                Rate = start_workers(V, From, N),
                timer:sleep(500), % let the other side finish its clean-up
                Bytes = (rss_bytes(Pid) - Base) / N,
                line({{worker_bytes, N}, bytes, less}, V, Bytes),
                {[{{{worker_bytes, N}, bytes, less}, Bytes},
                  {{lazy_starts, per_s, more}, Rate}], N}
        end, 0, Steps),
    Flat = lists:append(Rows),
    line({lazy_starts, per_s, more}, V,
         proplists:get_value({lazy_starts, per_s, more}, Flat)),
    Flat.

start_workers(#{node := Node}, From, To) ->
    Callers = 64,
    Counter = counters:new(1, []),
    counters:put(Counter, 1, From),
    Start = now_us(),
    Pids = [spawn_monitor(fun() -> start_next(Node, Counter, To) end)
            || _ <- lists:seq(1, Callers)],
    [receive {'DOWN', Ref, process, _, normal} -> ok end || {_, Ref} <- Pids],
    (To - From) * 1.0e6 / (now_us() - Start).

start_next(Node, Counter, To) ->
    counters:add(Counter, 1, 1),
    %% two callers may see the same number: that worker is called twice
    case counters:get(Counter, 1) of
        Id when Id > To -> ok;
        Id ->
            _ = gen_server:call({'Elixir.Bench', Node}, envelope(Id), 60000),
            start_next(Node, Counter, To)
    end.

envelope(Id) ->
    {msg_envelope, {self(), 0}, call, {ref, 'Elixir.Bench.Worker', Id},
     {settings, nil, true, nil, nil, nil, 60000}, {s, increment, nil, nil}}.

%% --- one scheduler and two: calls of 64 callers, each to a worker of its own

schedulers(Variants, Rounds, Ms) ->
    [pong = net_adm:ping(Node) || #{node := Node} <- Variants],
    Keys = [{pool_calls_64, per_s, more}, {worker_calls_64, per_s, more},
            {pool_cpu_per_call, us, less}],
    io:format("~n~-22s ~-9s ~12s ~12s  ~s~n",
              ["figure", "unit", "1 scheduler", "2 schedulers",
               "better by (least - most)"]),
    [begin
         Results = [scheduler_round(Key, Variants, Ms)
                    || _ <- lists:seq(1, Rounds)],
         [One, Two] = [cell([V || R <- Results, {N, V} <- R, N =:= Name])
                       || Name <- [one, two]],
         io:format("~-22s ~-9s ~12s ~12s  ~s~n",
                   [label(Key), Unit, One, Two,
                    ratio(Better, Results, two, one)])
     end || {_, Unit, Better} = Key <- Keys].

scheduler_round(Key, Variants, Ms) ->
    [{Name, scheduler_figure(Key, V, Ms)} || #{name := Name} = V <- Variants].

scheduler_figure({pool_calls_64, _, _}, #{node := Node}, Ms) ->
    each_worker(fun(Id) -> {{'Elixir.Bench', Node}, envelope(Id)} end, Ms);
scheduler_figure({worker_calls_64, _, _}, #{node := Node}, Ms) ->
    Pids = [worker_pid(Node, Id) || Id <- lists:seq(1, 64)],
    each_worker(fun(Id) -> {lists:nth(Id, Pids), envelope(Id)} end, Ms);
scheduler_figure({pool_cpu_per_call, _, _}, #{pid := Pid} = V, Ms) ->
    Before = cpu_us(Pid),
    Rate = scheduler_figure({pool_calls_64, per_s, more}, V, Ms),
    (cpu_us(Pid) - Before) / (Rate * Ms / 1000).

each_worker(Target, Ms) ->
    Next = counters:new(1, []),
    in_parallel(64, Ms, fun() -> call_own(Target, Next) end).

call_own(Target, Next) ->
    {Server, Request} =
        case get(target) of
            undefined ->
                counters:add(Next, 1, 1),
                New = Target((counters:get(Next, 1) - 1) rem 64 + 1),
                put(target, New),
                New;
            Known -> Known
        end,
    _ = gen_server:call(Server, Request, 60000).

worker_pid(Node, Id) ->
    Fetch = {msg_envelope, {self(), 0}, call, {ref, 'Elixir.Bench.Worker', Id},
             {settings, nil, true, nil, nil, nil, 60000},
             {s, {fetch, process}, nil, nil}},
    {_Ref, Node, Pid} = gen_server:call({'Elixir.Bench', Node}, Fetch, 60000),
    Pid.

%% --- output

table(Rows) ->
    io:format("~n~-22s ~-9s ~12s ~12s ~12s ~12s  ~s~n",
              ["figure", "unit", "beam", "cnode", "beam tuned", "cnode tuned",
               "better by (least - most) default; tuned"]),
    [row(Key, Rounds) || {Key, Rounds} <- Rows],
    ok.

row({_, Unit, Better} = Key, Rounds) ->
    Cells = [cell([V || R <- Rounds, {N, V} <- R, N =:= Name])
             || Name <- [beam, cnode, beam_tuned, cnode_tuned]],
    io:format("~-22s ~-9s ~12s ~12s ~12s ~12s  ~s; ~s~n",
              [label(Key), Unit] ++ Cells
              ++ [ratio(Better, Rounds, cnode, beam),
                  ratio(Better, Rounds, cnode_tuned, beam_tuned)]).
