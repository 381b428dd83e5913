#!/usr/bin/env escript
%% SPDX-License-Identifier: Apache-2.0
%% Records how this OTP release encodes terms, for tests/golden.
%%
%%     scripts/gen_golden.escript terms > tests/golden/terms-25.txt
%%
%% Or, in the root of a newer release made by otp.sh (it shares no files):
%%
%%     scripts/otp.sh run 27 sh -c 'cat > /tmp/g && escript /tmp/g terms' \
%%         < scripts/gen_golden.escript > tests/golden/terms-27.txt
%%
%% A line has three columns, separated by tabs: `wire` for what goes over
%% distribution or `old` for other bytes the release may send or store, the
%% bytes after the version byte in hexadecimal, and the term as the shell prints
%% it (`-` where the text holds what differs from run to run).
-mode(compile).

main(["terms"]) ->
    ok = io:setopts([{encoding, unicode}]),
    io:format("# OTP ~s~n", [erlang:system_info(otp_release)]),
    [line(T, io_lib:format("~0tp", [T])) || T <- printable()],
    [line(T, "-") || T <- opaque() ++ records()],
    ok;
main(_) ->
    io:format(standard_error, "usage: gen_golden.escript terms~n", []),
    halt(2).

line(Term, Text) ->
    Wire = bytes(Term, 2),
    io:format("wire\t~s\t~ts~n", [Wire, Text]),
    case bytes(Term, 1) of
        Wire -> ok;
        Old -> io:format("old\t~s\t~ts~n", [Old, Text])
    end.

%% Minor version 2 is what distribution uses: atoms in UTF-8.
bytes(Term, Minor) ->
    <<131, Bytes/binary>> = term_to_binary(Term, [{minor_version, Minor}]),
    [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bytes].

printable() ->
    integers() ++ floats() ++ atoms() ++ containers() ++ binaries().

integers() ->
    Powers = [1 bsl N || N <- [7, 8, 15, 16, 27, 28, 31, 32, 59, 60, 63, 64,
                               127, 128, 256, 2040, 2048]],
    [0, 1, -1] ++ lists:append([[P - 1, P, P + 1, -P + 1, -P, -P - 1]
                                || P <- Powers]).

floats() ->
    [0.0, 1.0, -1.0, 0.1, 0.001, 1.0e-5, 1.5, -2.5, 100000.0, 1.0e6, 1.0e22,
     123456789.0, 12345.678, 9007199254740991.0, 9007199254740992.0, 1.0e15,
     1.0e16, 2.2250738585072014e-308, 5.0e-324, 1.7976931348623157e308,
     3.141592653589793].

atoms() ->
    [list_to_atom(L) || L <- ["ok", "", "true", "Elixir.Demo.Counters",
                              "$gen_call", "kill!", "a b", "a@b", "A", "_",
                              "1a", "end", "a\nb", "it's", [233], [$x, 233],
                              [220, $n], [26085, 26412], [128512],
                              lists:duplicate(255, $x),
                              lists:duplicate(127, 233),
                              lists:duplicate(128, 233),
                              lists:duplicate(255, 128512)]].

containers() ->
    [{}, {a}, {a, {b, {c, {}}}}, list_to_tuple(lists:seq(1, 255)),
     list_to_tuple(lists:seq(1, 256)), [], [a], [a, b, [c]], [a | b],
     [1, 2 | c], [1000, 1001], [1, a], "abc", "a\"b\\c\n", [0, 1, 255],
     [255, 256], [[1], [2]], [{a, 1}, {b, 2}],
     #{}, #{a => 1}, #{{k} => [v]}, #{<<"k">> => #{<<"n">> => 1}},
     {'$gen_cast', {msg_envelope, {ref, a, 1}, #{}}}].

binaries() ->
    [<<>>, <<0>>, <<"abc">>, <<"a\"b\n">>, <<1, 2, 255>>, <<"x", 0>>,
     <<(unicode:characters_to_binary([26085]))/binary, 0>>, <<1:1>>, <<5:3>>,
     <<1, 2, 3:4>>, <<255, 127:7>>, binary:copy(<<1>>, 300)].

opaque() ->
    F = make_ref(),
    X = {some, "free", variable},
    Map = maps:from_list([{I, I * I} || I <- lists:seq(1, 40)]),
    [self(), list_to_pid("<0.1.2>"), F, list_to_port("#Port<0.5>"),
     fun erlang:abs/1, fun() -> X end, fun(Y) -> {X, Y} end,
     #{c => 1, b => 2, a => 3}, Map, [alias | F],
     {'$gen_call', {self(), [alias | F]}, increment},
     {'$gen_call', {self(), F}, {add, 5}},
     #{'__struct__' => 'Elixir.Range', first => 1, last => 2, step => 1}] ++
    [erlang:alias(), [alias | erlang:alias([reply])]].

%% Native records are newer than this syntax: built by code made at run time.
records() ->
    Source = "-module(golden_records).\n-export([all/0]).\n"
             "-record #point{x = 0, y = 0}.\n-record #empty{}.\n"
             "all() -> [#point{}, #point{x = {1, \"a\"}, y = [b]}, #empty{}].\n",
    try compile_source(Source) of
        {ok, Module, Code} ->
            {module, Module} = code:load_binary(Module, "golden", Code),
            Module:all();
        _ -> []
    catch _:_ -> []
    end.

compile_source(Source) ->
    {ok, Tokens, _} = erl_scan:string(Source),
    compile:forms([element(2, {ok, _} = erl_parse:parse_form(Form))
                   || Form <- split(Tokens, [])], []).

split([], []) -> [];
split([{dot, _} = Dot | Rest], Form) ->
    [lists:reverse([Dot | Form]) | split(Rest, [])];
split([Token | Rest], Form) -> split(Rest, [Token | Form]).
