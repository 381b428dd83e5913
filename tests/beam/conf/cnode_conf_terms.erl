%% SPDX-License-Identifier: Apache-2.0
%%
%% Every kind of term there and back, in a call and in a plain message.
-module(cnode_conf_terms).

-include("cnode_conf.hrl").

limit(Case) ->
    case lists:prefix("100 MB", atom_to_list(Case)) of
        true -> 60000;
        false -> 15000
    end.

%% The same term comes back: as reply, as message, and kept for a while.
same(C, Terms) ->
    P = probe(C),
    [
        begin
            exact(Term, gen_server:call(P, {echo, Term}, 15000)),
            ok = gen_server:call(P, {send, self(), {'back again', Term}}, 15000),
            {_, Sent} = ?GOT({'back again', _}),
            exact(Term, Sent),
            P ! {'to be kept', Term},
            [{_, Kept}] = flush(P),
            exact(Term, Kept)
        end
     || Term <- Terms
    ].

exact(Term, Got) ->
    %% Of equal floats 0.0 and -0.0 only the bytes tell.
    Term =:= Got orelse error({changed, Got}),
    is_float(Term) andalso (true = <<Term/float>> =:= <<Got/float>>).

'small integers'(C) -> same(C, [0, 1, 127, 128, 255, 256, 65535]).
'negative integers'(C) -> same(C, [-1, -128, -129, -255, -256, -65536]).
'integers around 27 and 28 bits'(C) -> around(C, [26, 27, 28, 29]).
'integers around 31 and 32 bits'(C) -> around(C, [30, 31, 32, 33]).
'integers around 59 to 64 bits'(C) -> around(C, [58, 59, 60, 62, 63, 64, 65]).
'big integers'(C) -> around(C, [127, 128, 1000]).
'integers of 255 bytes and more'(C) -> around(C, [8 * 254, 8 * 255 - 1, 8 * 255, 8 * 256, 100000]).

around(C, Powers) -> same(C, [S * ((1 bsl P) + D) || P <- Powers, S <- [1, -1], D <- [-1, 0, 1]]).

'floats'(C) ->
    Least = binary_to_float_bits(1),
    same(C, [0.0, -1.5, 3.141592653589793, 1.7976931348623157e308, -1.7976931348623157e308, 2.2250738585072014e-308, Least]).

'the negative zero'(C) -> same(C, [binary_to_float_bits(1 bsl 63), 0.0]).

binary_to_float_bits(Bits) ->
    <<F/float>> = <<Bits:64>>,
    F.

'atoms'(C) -> same(C, [a, '', 'Elixir.Some.Module', true, false, nil, undefined, 'with space', '\n', 'a\0b']).
'atoms of 255 characters'(C) -> same(C, [list_to_atom(lists:duplicate(N, $a)) || N <- [254, 255]]).
'atoms beyond latin1'(C) -> same(C, ['é', 'ÿ', 'Ā', '日本語', '🎉']).
'atoms of 127, 128 and 255 long characters'(C) ->
    same(C, [list_to_atom(lists:duplicate(N, Char)) || N <- [63, 64, 127, 128, 255], Char <- [$é, $日, 16#1F389]]).

'tuples'(C) -> same(C, [{}, {1}, {a, {b, {c}}}, {{}, {}}]).
'tuples of 255, 256 and many elements'(C) -> same(C, [list_to_tuple(lists:seq(1, N)) || N <- [255, 256, 257, 70000]]).

'lists'(C) -> same(C, [[], [a], [[]], [[], []], [a, [b, [c]]], [a, 1, "x", <<>>]]).
'improper lists'(C) -> same(C, [[a | b], [a, b | c], [[a | b] | c], [1 | 2], [1, 2, 3 | <<"tail">>], [a | {}]]).
'strings'(C) -> same(C, ["a", "abc", [0, 255], lists:seq(0, 255), [1, 2, 256], [255, a]]).
'strings of 65535 bytes and more'(C) -> same(C, [lists:duplicate(N, $x) || N <- [65534, 65535, 65536, 200000]]).
'long lists'(C) -> same(C, [lists:seq(1, 100000), [[I] || I <- lists:seq(1, 10000)]]).

'binaries'(C) -> same(C, [<<>>, <<0>>, <<"text">>, <<255, 254>>, big(64), big(65 * 16)]).
'binaries around 64 KiB'(C) -> same(C, [binary:copy(<<"x">>, N) || N <- [65400, 65535, 65536, 65537, 131072, 131073, 200000]]).
'bit strings'(C) -> same(C, [<<1:N>> || N <- lists:seq(1, 9)] ++ [<<(big(100000))/binary, 5:3>>]).
'parts of binaries'(C) ->
    <<_:3, Part:100/bitstring, _/bitstring>> = Big = big(1000),
    same(C, [Part, binary:part(Big, 17, 100)]).

'maps'(C) -> same(C, [#{}, #{a => 1}, #{1 => a, 1.0 => b}, #{a => #{b => #{}}}, #{[] => [], {} => {}}]).
'maps with keys of every kind'(C) ->
    same(C, [#{{conn, node()} => 1, [x | y] => 2, #{a => b} => 3, <<1:3>> => 4, self() => 5, make_ref() => 6, 1 bsl 90 => 7}]).
'maps of 32, 33 and many keys'(C) ->
    same(C, [maps:from_list([{I, {I, x}} || I <- lists:seq(1, N)]) || N <- [31, 32, 33, 10000]]).

'pids of every node'(#{third := Third} = C) ->
    P = probe(C),
    same(C, [self(), P, erpc:call(Third, erlang, whereis, [init]), stale(P), stale(self()), never(P), never(self())]).

'pids with any creation'(C) ->
    same(C, [pid(Node, Id, Serial, Creation) ||
        Node <- [<<"nobody@127.0.0.1">>, <<"other@nowhere">>],
        {Id, Serial, Creation} <- [{1, 0, 0}, {1, 0, 1}, {1, 0, 3}, {1, 2, 16#FFFFFFFF}, {16#7FFF, 16#1FFF, 77}]
    ]).

pid(Node, Id, Serial, Creation) ->
    binary_to_term(<<131, 88, 119, (byte_size(Node)), Node/binary, Id:32, Serial:32, Creation:32>>).

'references of every node'(#{third := Third} = C) ->
    same(C, [make_ref(), erpc:call(Third, erlang, make_ref, []), ask(probe(C), {monitor, self()})]).

'references of one to five words'(C) ->
    same(C, [reference(lists:seq(1, N)) || N <- [1, 2, 3, 4, 5]]).

reference(Words) ->
    Node = <<"nobody@127.0.0.1">>,
    Ids = << <<W:32>> || W <- Words >>,
    binary_to_term(<<131, 90, (length(Words)):16, 119, (byte_size(Node)), Node/binary, 7:32, Ids/binary>>).

'references of aliases'(C) -> same(C, [alias(), monitor(process, self(), [{alias, demonitor}]), ask(probe(C), alias)]).

'ports'(C) ->
    Own = hd(erlang:ports()),
    Node = <<"nobody@127.0.0.1">>,
    same(C, [Own | [
        binary_to_term(<<131, 120, 119, (byte_size(Node)), Node/binary, Id:64, 7:32>>)
     || Id <- [1, 16#FFFFFFF, 16#FFFFFFFFFF]
    ]]).

'funs'(C) ->
    X = {some, "environment", [self()]},
    same(C, [fun() -> X end, fun(A) -> {A, X} end, fun exact/2]).

'funs still work when they come back'(C) ->
    X = 17,
    Fun = ask(probe(C), {echo, fun(Y) -> X + Y end}),
    42 = Fun(25).

'external funs'(C) -> same(C, [fun erlang:node/0, fun lists:map/2, fun no_such_module:f/255]).

'funs of other nodes'(#{third := Third} = C) ->
    same(C, [erpc:call(Third, ?MODULE, some_fun, [])]).

some_fun() ->
    Me = self(),
    fun() -> Me end.

'terms that are deep'(C) -> same(C, [deep(10000, fun(T) -> {T} end), deep(10000, fun(T) -> [T] end), deep(1000, fun(T) -> #{T => T} end, a, 8)]).
'lists that are very deep'(C) -> same(C, [deep(100000, fun(T) -> [T] end)]).
'tails that are deep'(C) -> same(C, [deep(10000, fun(T) -> [a | {T}] end)]).

deep(N, Fun) -> deep(N, Fun, a, N).

deep(_, _, Term, 0) -> Term;
deep(N, Fun, Term, I) -> deep(N, Fun, Fun(Term), I - 1).

'terms of everything'(C) ->
    All = {1, -1, 1 bsl 70, 1.5, a, 'é', "s", [a | b], <<"b">>, <<1:1>>, #{{k} => [v]}, self(), make_ref(),
        fun erlang:node/0, fun() -> ok end, hd(erlang:ports()), [], {}, #{}},
    same(C, [All, [All, All], #{All => All}, {All, big(100000), All}]).

'io lists'(C) -> same(C, [["a", [<<"b">>, $c], [[[]]] | <<"d">>]]).

'times, exceptions and other records'(C) ->
    same(C, [erlang:timestamp(), {'EXIT', {badarg, [{erlang, hd, [[]], [{error_info, #{module => erl_erts_errors}}]}]}},
        #{'__struct__' => 'Elixir.Date', year => 2026, calendar => 'Elixir.Calendar.ISO'}]).

'native records'(C) ->
    case otp() >= 29 of
        false -> {skip, "from OTP 29"};
        true -> same(C, [native_record(<<"record_of_mine">>), {a, [native_record(<<"other">>)]}])
    end.

%% As the wire has it: values before OTP 29 cannot be written in this source.
native_record(Name) ->
    Atom = fun(A) -> <<119, (byte_size(A)), A/binary>> end,
    binary_to_term(<<131, 67, 2:32, 1, (Atom(<<"cnode_conf_terms">>))/binary, (Atom(Name))/binary,
        (Atom(<<"a">>))/binary, (Atom(<<"b">>))/binary, 97, 1, 97, 2>>).

'one megabyte, one hundred times'(C) ->
    P = probe(C),
    Big = big(1000000),
    [true = Big =:= ask(P, {echo, Big}) || _ <- lists:seq(1, 100)].

'100 MB there and back'(C) ->
    P = probe(C),
    Big = big(100000000),
    true = Big =:= gen_server:call(P, {echo, Big}, 55000).
