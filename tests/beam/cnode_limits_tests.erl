%% SPDX-License-Identifier: Apache-2.0
%%
%% What is too much, too large or no protocol at all: each has its answer, and
%% nobody else notices.
-module(cnode_limits_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, name/1]).

-define(CONFIG, #{
    services => #{echo => #{behaviour => echo}},
    pools => #{'Elixir.Counters' => #{behaviour => counter, registry => none}}
}).

%% Everything that OTP 26 demands, and hidden, so that global stays out of it.
-define(FLAGS, 16#2D07DF5FBC).

%% --------------------------------------------------------------------- terms

large_test_() ->
    cnode_peer:suite((?CONFIG)#{limits => #{term_depth => 10000}}, [
        {"10 MiB there and back", fun(Node) -> echo_bytes(Node, 10 bsl 20) end},
        {"100 MB there and back", 120, fun(Node) -> echo_bytes(Node, 100000000) end},
        {"many callers with large messages", 120, fun many_large/1},
        {"100 000 new atoms do not fill it", 120, fun atoms/1},
        {"a term as deep as the limit allows", fun(Node) ->
            ?assertEqual(same, echo(Node, deep(9000)))
        end},
        {"a call that is too deep gets an error, the connection stays", fun(Node) ->
            kept(Node, fun() ->
                ?assertEqual({error, too_large}, call(Node, deep(20000))),
                ?assertEqual({error, too_large}, call(Node, deep(1000000)))
            end)
        end},
        {"a cast or message that is too deep is dropped", fun(Node) ->
            kept(Node, fun() ->
                Pid = cnode_peer:worker(Node, deep),
                gen_server:cast(Pid, deep(20000)),
                Pid ! deep(20000),
                {echo, name(Node)} ! deep(20000),
                ?assertEqual(1, gen_server:call(Pid, increment))
            end)
        end}
    ]).

small_limit_test_() ->
    Limits = #{message_bytes => <<"1MiB">>, term_depth => 100},
    Config = maps:merge(?CONFIG, #{limits => Limits}),
    cnode_peer:suite(Config, [
        {"a call over the limit gets an error, under it an answer", fun(Node) ->
            kept(Node, fun() ->
                ?assertEqual(same, echo(Node, bytes(900000))),
                ?assertEqual({error, too_large}, call(Node, bytes(1200000))),
                ?assertEqual({error, too_large}, call(Node, bytes(20000000))),
                ?assertEqual(same, echo(Node, bytes(900000))),
                ?assertEqual(same, echo(Node, deep(50))),
                ?assertEqual({error, too_large}, call(Node, deep(200)))
            end)
        end},
        {"a cast over the limit is dropped, the next one arrives", fun(Node) ->
            kept(Node, fun() ->
                Pid = cnode_peer:worker(Node, large),
                gen_server:cast(Pid, bytes(5000000)),
                gen_server:cast(Pid, increment),
                ?assertEqual(1, gen_server:call(Pid, get))
            end)
        end}
    ]).

%% The connection is the same before and after.
kept(Node, Fun) ->
    true = net_kernel:connect_node(name(Node)),
    erlang:monitor_node(name(Node), true),
    Fun(),
    ?assertEqual(up, receive {nodedown, _} -> down after 0 -> up end),
    erlang:monitor_node(name(Node), false).

call(Node, Term) -> gen_server:call({echo, name(Node)}, Term, 60000).

%% Compared by us, as a failed assertion would print it.
echo(Node, Term) ->
    case call(Node, Term) of
        Term -> same;
        Other -> {other, erlang:phash2(Other), size_of(Other)}
    end.

size_of(Binary) when is_binary(Binary) -> byte_size(Binary);
size_of({error, _} = Error) -> Error;
size_of(_) -> unknown.

bytes(Size) -> binary:part(binary:copy(<<"0123456789abcdef">>, Size div 16 + 1), 0, Size).

deep(Levels) -> lists:foldl(fun(_, Inner) -> {Inner} end, bottom, lists:seq(1, Levels)).

echo_bytes(Node, Size) -> ?assertEqual(same, echo(Node, bytes(Size))).

many_large(Node) ->
    Me = self(),
    [
        spawn_link(fun() -> Me ! {done, N, echo(Node, {N, bytes(N * 400000)})} end)
     || N <- lists:seq(1, 16)
    ],
    [?assertEqual({N, same}, receive {done, N, Same} -> {N, Same} after 60000 -> {N, late} end)
     || N <- lists:seq(1, 16)].

atoms(Node) ->
    %% In the message, as an id, as a registered name: each is another path.
    new_atoms(Node, "first", 20000),
    Before = cnode_peer:resident_kib(Node),
    new_atoms(Node, "then", 100000),
    Growth = cnode_peer:resident_kib(Node) - Before,
    ?assert(Growth < 16384),
    ?assertEqual(still_here, call(Node, still_here)).

new_atoms(Node, Prefix, Count) ->
    [
        begin
            Atom = list_to_atom(Prefix ++ integer_to_list(N)),
            {nobody_called, name(Node)} ! Atom,
            case N rem 100 of
                0 -> ?assertEqual({Atom, N}, call(Node, {Atom, N}));
                _ -> gen_server:cast({echo, name(Node)}, {Atom, N})
            end,
            N rem 1000 =:= 0 andalso ({Atom, name(Node)} ! to_a_new_name)
        end
     || N <- lists:seq(1, Count)
    ],
    ok.

%% ------------------------------------------------------------- raw connections

raw_test_() ->
    Config = maps:merge(?CONFIG, #{
        node => #{setup_time => <<"500ms">>}, limits => #{frame_bytes => <<"1MiB">>}
    }),
    cnode_peer:suite(Config, [
        {"garbage instead of a handshake is closed", fun(Node) ->
            refused(Node, [<<"GET / HTTP/1.1\r\n\r\n">>]),
            refused(Node, [crypto_like(1000)]),
            refused(Node, [<<0:16>>]),
            refused(Node, [<<1:16, $x>>])
        end},
        {"silence is closed within the setup time", fun(Node) -> refused(Node, []) end},
        {"a handshake that stops half-way is closed", fun(Node) ->
            refused(Node, [<<60000:16, $N, 1, 2, 3>>]),
            refused(Node, [hello("x@127.0.0.1")]),
            refused(Node, [hello("x@127.0.0.1"), <<21:16, $r, 0:32>>])
        end},
        {"a bad name, missing flags and a wrong digest are refused", fun(Node) ->
            [refused(Node, [hello(Name)]) || Name <- ["", "x", "@", "x@", "@h", "a@b@c", [0, $@, $h]]],
            refused(Node, [hello("x@127.0.0.1", 1)]),
            %% NAME_ME, a request for a name; only a host is given
            refused(Node, [hello("127.0.0.1", ?FLAGS bor (1 bsl 33))]),
            refused(Node, [hello("x@127.0.0.1"), <<21:16, $r, 0:32, 0:128>>])
        end},
        {"a thousand such connections leave no trace", 120, fun many_refused/1},
        {"a frame above the limit closes its connection only", fun long_frame/1},
        {"a peer that is well behaved by hand is served", fun(Node) ->
            Peer = cnode_raw:connect(port(Node), cnode_peer:unique("raw")),
            ?assertEqual({ok, hello}, cnode_raw:call(Peer, echo, hello)),
            cnode_raw:close(Peer)
        end}
    ]).

%% Sends the pieces; the node must close, soon, and still serve us.
refused(Node, Pieces) ->
    Socket = cnode_raw:open(port(Node)),
    [_ = gen_tcp:send(Socket, Piece) || Piece <- Pieces],
    ?assertEqual(closed, cnode_raw:drained(Socket)),
    gen_tcp:close(Socket),
    ?assertEqual(fine, call(Node, fine)).

many_refused(Node) ->
    Open = fun() -> cnode_raw:open(port(Node)) end,
    Round = fun() ->
        Sockets = [Open() || _ <- lists:seq(1, 100)],
        ?assertEqual(served, call(Node, served)),
        [?assertEqual(closed, cnode_raw:drained(Socket)) || Socket <- Sockets],
        [gen_tcp:close(Socket) || Socket <- Sockets]
    end,
    Round(),
    Before = cnode_peer:resident_kib(Node),
    [Round() || _ <- lists:seq(1, 10)],
    ?assert(cnode_peer:resident_kib(Node) - Before < 4096).

%% What is malformed otherwise: cnode_bad_input_tests.
long_frame(Node) ->
    Peer = cnode_raw:connect(port(Node), cnode_peer:unique("raw")),
    _ = cnode_raw:say(Peer, <<(1 bsl 20 + 1):32, 131, 68, 0>>),
    ?assertEqual(closed, cnode_raw:state(Peer)),
    cnode_raw:close(Peer),
    ?assertEqual(fine, call(Node, fine)).

%% --------------------------------------------- the protocol, as far as needed

port(Node) -> list_to_integer(maps:get("port", cnode_peer:info(Node))).

crypto_like(Size) -> << <<(rand:uniform(256) - 1)>> || _ <- lists:seq(1, Size) >>.

hello(Name) -> hello(Name, ?FLAGS).

hello(Name, Flags) ->
    Bytes = list_to_binary(Name),
    packet(<<$N, Flags:64, 1:32, (byte_size(Bytes)):16, Bytes/binary>>).

packet(Body) -> <<(byte_size(Body)):16, Body/binary>>.
