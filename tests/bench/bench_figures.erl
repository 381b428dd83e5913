%% SPDX-License-Identifier: Apache-2.0
%%
%% What the benchmarks share: the machine's own figures, and how they are shown.
-module(bench_figures).
-export([now_us/0, cpu_us/1, rss_bytes/1, percentile/2]).
-export([label/1, line/3, cell/1, ratio/4]).

now_us() -> erlang:monotonic_time(microsecond).

%% Of a process of the machine, by the text of its id.
cpu_us(Pid) ->
    {ok, Text} = file:read_file("/proc/" ++ Pid ++ "/stat"),
    [_, Rest] = binary:split(Text, <<") ">>),
    Fields = binary:split(Rest, <<" ">>, [global]),
    Ticks = binary_to_integer(lists:nth(12, Fields))
        + binary_to_integer(lists:nth(13, Fields)),
    Ticks * 10000.

rss_bytes(Pid) ->
    {ok, Text} = file:read_file("/proc/" ++ Pid ++ "/statm"),
    [_, Pages | _] = binary:split(Text, <<" ">>, [global]),
    binary_to_integer(Pages) * 4096.

%% Of times in nanoseconds, in microseconds.
percentile(Part, Times) ->
    lists:nth(max(1, round(Part * length(Times))), lists:sort(Times)) / 1000.

%% --- output

label({{Name, N}, _, _}) -> io_lib:format("~s_~b", [Name, N]);
label({Name, _, _}) -> atom_to_list(Name).

line({_, Unit, _} = Key, #{name := Name}, Value) ->
    io:format("{\"figure\":\"~s\",\"peer\":\"~s\",\"unit\":\"~s\","
              "\"value\":~.3f}~n", [label(Key), Name, Unit, float(Value)]).

cell([]) -> "-";
cell(Values) -> number(median(Values)).

number(V) when V >= 1000 -> integer_to_list(round(V));
number(V) -> io_lib:format("~.1f", [V * 1.0]).

ratio(Better, Rounds, A, B) ->
    Ratios = [case Better of more -> X / Y; less -> Y / max(X, 1.0e-9) end
              || R <- Rounds, {N, X} <- R, N =:= A,
                 {M, Y} <- R, M =:= B, Y > 0],
    case Ratios of
        [] -> "-";
        _ -> io_lib:format("~.2fx (~.2f - ~.2f)",
                           [median(Ratios), lists:min(Ratios),
                            lists:max(Ratios)])
    end.

median(Values) ->
    lists:nth((length(Values) + 1) div 2, lists:sort(Values)) * 1.0.
