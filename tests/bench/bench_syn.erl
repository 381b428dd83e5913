%% SPDX-License-Identifier: Apache-2.0
%%
%% Measures scopes of syn between BEAM nodes with real syn and the C node. Prints
%% one JSON line for each figure and a table of ratios at the end. See run-syn.sh.
%%
%% This node only drives and watches; it takes part in no scope. The others:
%%
%%     one     a BEAM, the other end of c and two while names come one by one
%%     two     a BEAM that does what c does: the measure of it
%%     c       the C node; its names are workers of a pool
%%     fresh   a BEAM that knows nothing yet, d a C node likewise: who gets
%%             all names at once, from c and from two
-module(bench_syn).
-export([main/1]).
%% on the BEAM nodes
-export([begin_node/1, register_names/3, idle/0, collect/0]).

-import(bench_figures, [now_us/0, cpu_us/1, rss_bytes/1, percentile/2,
                        line/3, label/1, cell/1, ratio/4]).

-define(POOL_SCOPE, 'Elixir.Bench.Registry').
-define(PATIENCE_US, 120000000).
-define(REGISTRARS, 8).

main([Rounds, Names, Most | Nodes]) ->
    Ctx = maps:from_list(pairs(Nodes)),
    #{one := One, two := Two, c := C} = Ctx,
    [begin_beam(maps:get(Key, Ctx)) || Key <- [one, two, fresh]],
    connect(One, Two),
    connect(One, C),
    Before = [{V, rss(V)} || V <- [Two, C]],
    N = list_to_integer(Names),
    ByOne = [flow_round(Ctx, Round, N)
             || Round <- lists:seq(1, list_to_integer(Rounds))],
    [disconnect(One, Other) || Other <- [Two, C]],
    Had = list_to_integer(Rounds) * N,
    AtOnce = snapshots(Ctx, Before, Had, list_to_integer(Most)),
    table(flow_keys(), ByOne),
    table(snapshot_keys(), AtOnce),
    halt(0).

pairs([Key, Name, Os | More]) ->
    [{list_to_atom(Key), #{name => list_to_atom(Key), os => Os,
                           node => list_to_atom(Name)}} | pairs(More)];
pairs([]) ->
    [].

%% --- one by one

flow_keys() ->
    [{into, per_s, more}, {into_cpu, us, less},
     {out, per_s, more}, {out_cpu, us, less}].

%% In a round the BEAM pair and the pair with the C node take their turn.
flow_round(#{one := One, two := Two, c := C}, Round, N) ->
    [From, To] = [(Round - 1) * N + 1, Round * N],
    lined(flow_keys(),
          [{Two, into(One, Two, into_beam, From, To)},
           {C, into(One, C, into, From, To)},
           {Two, out(Two, One, out_beam, From, To,
                     fun() -> register_on(Two, out_beam, From, To) end)},
           {C, out(C, One, ?POOL_SCOPE, From, To,
                   fun() -> start_workers(C, From, To) end)}]).

%% Names of processes on `one`, until V has them all.
into(One, V, Scope, From, To) ->
    flow(V, To - From + 1, fun() -> register_on(One, Scope, From, To) end,
         fun() -> until(V, Scope, To) end, into, into_cpu).

%% Names of processes of V, until `one` has them all.
out(V, One, Scope, From, To, Begin) ->
    flow(V, To - From + 1, Begin,
         fun() -> until(One, Scope, To) end, out, out_cpu).

flow(V, N, Begin, End, Rate, Cpu) ->
    CpuBefore = cpu(V),
    Start = now_us(),
    Begin(),
    End(),
    [{Rate, N * 1.0e6 / (now_us() - Start)}, {Cpu, (cpu(V) - CpuBefore) / N}].

register_on(V, Scope, From, To) ->
    ok = rpc(V, ?MODULE, register_names, [Scope, From, To]).

start_workers(#{node := Node}, From, To) ->
    ok = gen_server:call({starter, Node},
                         {start, 'Elixir.Bench', 'Elixir.Bench.Worker',
                          From, To}, infinity).

%% --- all at once

snapshot_keys() ->
    [{bytes_of_own, bytes, less}, {bytes_of_other, bytes, less},
     {snapshot_out, ms, less}, {snapshot_in, ms, less}]
        ++ [{list_to_atom(lists:concat([calls, When, Part])), us, less}
            || When <- ['_normal', '_sending', '_taking'],
               Part <- ['_p50', '_p99', '_max']].

%% Two rounds: a node that got the names has forgotten them in between.
snapshots(_, _, Had, Most) when Most =< Had ->
    [];
snapshots(#{two := Two, c := C, d := D, fresh := Fresh}, Before, Had, Most) ->
    register_on(Two, out_beam, Had + 1, Most),
    start_workers(C, Had + 1, Most),
    Own = [{V, [{bytes_of_own, (rss(V) - Rss) / Most}]} || {V, Rss} <- Before],
    [snapshot_round(Is, Own, Two, C, D, Fresh, Most) || Is <- [first, second]].

%% A BEAM tells a BEAM, the C node tells a BEAM, a BEAM tells a C node.
snapshot_round(Is, Own, Two, C, D, Fresh, Most) ->
    Normal = [{V, calls(normal, normal(V))} || V <- [Two, C]],
    Beams = snapshot(Two, Fresh, out_beam, Most),
    Out = snapshot(C, Fresh, ?POOL_SCOPE, Most),
    In = snapshot(Two, D, out_beam, Most),
    %% in the second round they have their memory already
    Memory = [F || Is =:= first,
                   F <- Own ++ [{Two, [{bytes_of_other, maps:get(bytes, Beams)}]},
                                {C, [{bytes_of_other, maps:get(bytes, In)}]}]],
    Times = Normal
        ++ [{V, [{snapshot_out, maps:get(ms, S)}
                 | calls(sending, maps:get(sending, S))]}
            || {V, S} <- [{Two, Beams}, {C, Out}]]
        ++ [{V, [{snapshot_in, maps:get(ms, S)}
                 | calls(taking, maps:get(taking, S))]}
            || {V, S} <- [{Two, Beams}, {C, In}]],
    lined(snapshot_keys(), Memory ++ Times).

%% From the connection until To knows all names of From; small calls to both of
%% them meanwhile.
snapshot(From, To, Scope, Total) ->
    Before = rss(To),
    Callers = [caller(From), caller(To)],
    Start = now_us(),
    connect(From, To),
    until(To, Scope, Total),
    Ms = (now_us() - Start) / 1000,
    [Sending, Taking] = [times(Caller) || Caller <- Callers],
    Bytes = (rss(To) - Before) / Total,
    disconnect(From, To),
    until(To, Scope, 0),
    #{ms => Ms, sending => Sending, taking => Taking, bytes => Bytes}.

normal(V) ->
    Caller = caller(V),
    timer:sleep(1000),
    times(Caller).

caller(V) -> spawn_monitor(fun() -> repeat_calls({echo, node_of(V)}, []) end).

times({Pid, Ref}) ->
    Pid ! stop,
    receive {'DOWN', Ref, process, _, {times, Times}} -> Times end.

repeat_calls(Server, Times) ->
    T0 = erlang:monotonic_time(nanosecond),
    small = gen_server:call(Server, small, 60000),
    T1 = erlang:monotonic_time(nanosecond),
    receive
        stop -> exit({times, [T1 - T0 | Times]})
    after 1 ->
        repeat_calls(Server, [T1 - T0 | Times])
    end.

calls(When, Times) ->
    [{list_to_atom(lists:concat([calls_, When, Part])),
      percentile(Percentile, Times)}
     || {Part, Percentile} <- [{'_p50', 0.5}, {'_p99', 0.99}, {'_max', 1}]].

%% --- nodes

node_of(#{node := Node}) -> Node.

rpc(V, M, F, A) ->
    case rpc:call(node_of(V), M, F, A) of
        {badrpc, Reason} -> error({Reason, V, M, F});
        Result -> Result
    end.

begin_beam(#{name := Name} = V) ->
    pong = net_adm:ping(node_of(V)),
    ok = rpc(V, ?MODULE, begin_node, [scopes(Name)]).

scopes(one) -> [into, into_beam, out_beam, ?POOL_SCOPE];
scopes(two) -> [into_beam, out_beam];
scopes(fresh) -> [out_beam, ?POOL_SCOPE].

connect(Beam, Other) -> true = on_link(Beam, connect_node, Other).
disconnect(Beam, Other) -> true = on_link(Beam, disconnect_node, Other).

on_link(#{name := Name} = C, Function, Beam) when Name =:= c; Name =:= d ->
    on_link(Beam, Function, C);
on_link(Beam, connect_node, Other) ->
    rpc(Beam, net_kernel, connect_node, [node_of(Other)]);
on_link(Beam, disconnect_node, Other) ->
    rpc(Beam, erlang, disconnect_node, [node_of(Other)]).

%% How many names of others V knows; it has none of its own in that scope. On a
%% BEAM all are counted, as counting those of one node walks the table.
known(#{name := Name, node := Node}, Scope) when Name =:= c; Name =:= d ->
    gen_server:call({probe, Node}, {syn, count, Scope}, 60000);
known(V, Scope) ->
    rpc(V, syn, registry_count, [Scope]).

until(V, Scope, N) -> until(V, Scope, N, now_us() + ?PATIENCE_US).

until(V, Scope, N, End) ->
    case known(V, Scope) of
        N -> ok;
        Other ->
            now_us() < End orelse error({too_long, Scope, node_of(V), Other, N}),
            timer:sleep(5),
            until(V, Scope, N, End)
    end.

cpu(#{os := Os}) -> cpu_us(Os).

%% Without the garbage that a BEAM would collect some time.
rss(#{name := Name, os := Os} = V) ->
    Name =:= c orelse Name =:= d orelse rpc(V, ?MODULE, collect, []),
    timer:sleep(500),
    rss_bytes(Os).

%% --- on the BEAM nodes

begin_node(Scopes) ->
    bench_peer:start(),
    logger:set_primary_config(level, error),
    {ok, _} = application:ensure_all_started(syn),
    syn:add_node_to_scopes(Scopes).

%% Each name has a process of its own, as it should. Names and metadata are those
%% that a pool's workers have.
register_names(Scope, From, To) ->
    Registrars = [spawn_monitor(fun() -> register_each(Scope, From + I, To) end)
                  || I <- lists:seq(0, ?REGISTRARS - 1)],
    [receive {'DOWN', Ref, process, Pid, Reason} -> normal = Reason end
     || {Pid, Ref} <- Registrars],
    ok.

register_each(_, Id, To) when Id > To ->
    ok;
register_each(Scope, Id, To) ->
    Pid = spawn(?MODULE, idle, []),
    ok = syn:register(Scope, {worker, {ref, 'Elixir.Bench.Worker', Id}}, Pid,
                      [{node, node()}]),
    register_each(Scope, Id + ?REGISTRARS, To).

idle() -> erlang:hibernate(?MODULE, idle, []).

collect() -> [garbage_collect(Pid) || Pid <- processes(), is_busy(Pid)].

is_busy(Pid) ->
    case process_info(Pid, total_heap_size) of
        {_, Words} -> Words > 1000;
        undefined -> false
    end.

%% --- output

%% A line for each figure, and all of them by figure.
lined(Keys, Figures) ->
    [{Key, [begin line(Key, #{name => shown(V)}, Value), {shown(V), Value} end
            || {V, Of} <- Figures, {K, Value} <- Of, K =:= Name]}
     || {Name, _, _} = Key <- Keys].

shown(#{name := two}) -> beam;
shown(#{name := c}) -> cnode.

table(_, []) ->
    ok;
table(Keys, Rounds) ->
    io:format("~n~-20s ~-7s ~12s ~12s  ~s~n",
              ["figure", "unit", "beam", "cnode", "better by (least - most)"]),
    [begin
         Values = [V || Round <- Rounds, {K, V} <- Round, K =:= Key],
         [Beam, C] = [cell([V || R <- Values, {N, V} <- R, N =:= Name])
                      || Name <- [beam, cnode]],
         io:format("~-20s ~-7s ~12s ~12s  ~s~n",
                   [label(Key), Unit, Beam, C,
                    ratio(Better, Values, cnode, beam)])
     end || {_, Unit, Better} = Key <- Keys],
    ok.
