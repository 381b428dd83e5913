%% SPDX-License-Identifier: Apache-2.0
%%
%% A peer on a raw socket that says exactly the bytes it is told to, to a C node
%% or to a BEAM.
%%
%%     Peer = cnode_raw:connect(Port, Name),
%%     ok = cnode_raw:send(Peer, {6, cnode_raw:pid(Peer, 1), '', echo}, hello),
%%     up = cnode_raw:state(Peer).
-module(cnode_raw).

-export([connect/2, connect/3, close/1, name/1, flags/0, flags/1]).
-export([open/1, shake/4]).
-export([pid/2, pid_of/2, pid_of/4, ref/2, ref_of/2, ext/1]).
-export([send/2, send/3, say/2, frame/1, whole/2, tick/0]).
-export([call/3, state/1, await/2, await/3, received/1, drained/1]).
-export([echo/0]).

-define(WAIT_MS, 5000).

%% What OTP 28 sends, hidden (so that global stays out of it) and without atom
%% cache.
flags() -> 16#2D07DF5FBC.

%% The same without some: fragments | exit_payload | altact.
flags(Without) ->
    Bits = #{fragments => 16#800000, exit_payload => 16#400000, altact => 32 bsl 32},
    lists:foldl(fun(Flag, Flags) -> Flags band bnot maps:get(Flag, Bits) end, flags(), Without).

%% ------------------------------------------------------------------ handshake

connect(Port, Name) -> connect(Port, Name, #{}).

%% Options: flags, creation, host (where we come from). Gives a map; the
%% connection is up.
connect(Port, Name, Opts) ->
    Flags = maps:get(flags, Opts, flags()),
    Creation = maps:get(creation, Opts, 1),
    Socket = open(Port),
    {ok, Theirs, Node} = shake(Socket, Name, Flags, Creation),
    Peer = #{socket => Socket, name => Name, creation => Creation, node => Node,
             fragments => Flags band Theirs band 16#800000 =/= 0},
    Peer#{stored => ets:new(stored, [public])}.

open(Port) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}, {nodelay, true}]),
    Socket.

%% Says who we are and proves the cookie; {ok, TheirFlags, TheirName} or what the
%% other end answered instead.
shake(Socket, Name, Flags, Creation) ->
    ok = inet:setopts(Socket, [{packet, 2}]),
    Bytes = atom_to_binary(Name, latin1),
    ok = gen_tcp:send(Socket, <<$N, Flags:64, Creation:32, (byte_size(Bytes)):16, Bytes/binary>>),
    case gen_tcp:recv(Socket, 0, ?WAIT_MS) of
        {ok, <<$s, "ok">>} ->
            prove(Socket);
        {ok, <<$s, "ok_simultaneous">>} ->
            prove(Socket);
        {ok, <<$s, "alive">>} ->
            ok = gen_tcp:send(Socket, <<$s, "true">>),
            prove(Socket);
        Other ->
            Other
    end.

prove(Socket) ->
    {ok, <<$N, Theirs:64, Challenge:32, _:32, Len:16, Node:Len/binary, _/binary>>} =
        gen_tcp:recv(Socket, 0, ?WAIT_MS),
    Cookie = atom_to_binary(erlang:get_cookie(), utf8),
    Digest = erlang:md5([Cookie, integer_to_binary(Challenge)]),
    ok = gen_tcp:send(Socket, <<$r, 5:32, Digest/binary>>),
    Expected = erlang:md5([Cookie, <<"5">>]),
    case gen_tcp:recv(Socket, 0, ?WAIT_MS) of
        {ok, <<$a, Expected/binary>>} ->
            ok = inet:setopts(Socket, [{packet, raw}]),
            {ok, Theirs, binary_to_atom(Node, latin1)};
        Other ->
            Other
    end.

close(#{socket := Socket, stored := Stored}) ->
    ets:delete(Stored),
    gen_tcp:close(Socket).

name(#{name := Name}) -> Name.

%% ---------------------------------------------------------------------- terms

%% A pid of this peer; of any node, with any creation.
pid(#{name := Name, creation := Creation}, Id) -> pid_of(Name, Id, 0, Creation).
pid_of(Name, Id) -> pid_of(Name, Id, 0, 1).
pid_of(Name, Id, Serial, Creation) ->
    binary_to_term(<<131, 88, (atom(Name))/binary, Id:32, Serial:32, Creation:32>>).

ref(#{name := Name, creation := Creation}, N) ->
    binary_to_term(<<131, 90, 3:16, (atom(Name))/binary, Creation:32, N:32, 2:32, 3:32>>).
ref_of(Name, N) -> ref(#{name => Name, creation => 1}, N).

atom(Name) ->
    Text = atom_to_binary(Name, utf8),
    <<119, (byte_size(Text)), Text/binary>>.

%% Without the version byte; binaries stand for bytes that are no term.
ext({bytes, Bytes}) -> Bytes;
ext(Term) ->
    <<131, Bytes/binary>> = term_to_binary(Term),
    Bytes.

%% -------------------------------------------------------------------- sending

%% A control message; with a payload. Both terms, or {bytes, Binary}.
send(Peer, Control) -> say(Peer, whole(Peer, ext(Control))).
send(Peer, Control, Payload) -> say(Peer, whole(Peer, {ext(Control), ext(Payload)})).

say(#{socket := Socket}, Bytes) -> gen_tcp:send(Socket, Bytes).

%% One frame around a control message, or a control message and a payload.
whole(#{fragments := true}, {Control, Payload}) -> frame(<<131, 68, 0, Control/binary, Payload/binary>>);
whole(#{fragments := true}, Control) -> frame(<<131, 68, 0, Control/binary>>);
whole(_, {Control, Payload}) -> frame(<<112, 131, Control/binary, 131, Payload/binary>>);
whole(_, Control) -> frame(<<112, 131, Control/binary>>).

frame(Body) -> <<(byte_size(Body)):32, Body/binary>>.
tick() -> <<0:32>>.

%% ------------------------------------------------------------------ receiving

%% A gen call to a registered process; {ok, Reply}, closed or timeout.
call(Peer, To, Request) ->
    Tag = make_ref(),
    _ = send(Peer, {6, pid(Peer, 1), '', To}, {'$gen_call', {pid(Peer, 1), Tag}, Request}),
    case await(Peer, fun({_, {T, Reply}}) when T =:= Tag -> {ok, Reply}; (_) -> false end) of
        {ok, Reply} -> {ok, Reply};
        Other -> Other
    end.

%% Whether the connection is there: a process called echo answers. Says up or
%% closed.
state(Peer) ->
    case call(Peer, echo, still_there) of
        {ok, still_there} -> up;
        closed -> closed;
        timeout -> timeout
    end.

%% The next message {Control, Payload or none} for which the fun does not say
%% false; what else came before is kept for later. closed, timeout.
await(Peer, Fun) -> await(Peer, Fun, ?WAIT_MS).

await(#{stored := Stored} = Peer, Fun, Ms) ->
    Kept = [{K, M, V} || {K, M} <- lists:sort(ets:tab2list(Stored)), (V = Fun(M)) =/= false],
    case Kept of
        [{Key, _, Value} | _] ->
            ets:delete(Stored, Key),
            Value;
        [] ->
            next(Peer, Fun, Ms)
    end.

next(#{stored := Stored} = Peer, Fun, Ms) ->
    case receive_one(Peer, Ms) of
        {message, Message} ->
            case Fun(Message) of
                false ->
                    ets:insert(Stored, {erlang:unique_integer([monotonic]), Message}),
                    next(Peer, Fun, Ms);
                Value ->
                    Value
            end;
        Other ->
            Other
    end.

%% All messages that are there already or were passed over, oldest first.
received(#{stored := Stored}) ->
    Messages = [M || {_, M} <- lists:sort(ets:tab2list(Stored))],
    ets:delete_all_objects(Stored),
    Messages.

receive_one(#{socket := Socket} = Peer, Ms) ->
    case gen_tcp:recv(Socket, 4, Ms) of
        {ok, <<0:32>>} -> receive_one(Peer, Ms);
        {ok, <<Len:32>>} -> receive_body(Peer, gen_tcp:recv(Socket, Len, Ms), Ms);
        {error, timeout} -> timeout;
        {error, _} -> closed
    end.

receive_body(_, {ok, <<131, 68, 0, Terms/binary>>}, _) -> {message, split(Terms, <<>>)};
receive_body(_, {ok, <<112, 131, Terms/binary>>}, _) -> {message, split(Terms, <<131>>)};
%% Fragments: of no use here.
receive_body(Peer, {ok, <<131, Kind, _/binary>>}, Ms) when Kind =:= 69; Kind =:= 70 ->
    receive_one(Peer, Ms);
receive_body(_, {error, _}, _) -> closed.

split(Terms, Version) ->
    {Control, Used} = binary_to_term(<<131, Terms/binary>>, [used]),
    Skip = Used - 1 + byte_size(Version),
    case Terms of
        <<_:Skip/binary, Payload/binary>> when Payload =/= <<>> ->
            {Control, binary_to_term(<<131, Payload/binary>>)};
        _ ->
            {Control, none}
    end.

%% Reads a socket to its end: closed, or open when nothing more came for a while.
drained(Socket) ->
    case gen_tcp:recv(Socket, 0, 3000) of
        {ok, _} -> drained(Socket);
        {error, timeout} -> open;
        {error, _} -> closed
    end.

%% ----------------------------------------------------- on the BEAM to compare

%% Registers a process that answers calls like the service echo of a C node.
echo() ->
    Me = self(),
    Pid = spawn(fun() ->
        register(echo, self()),
        Me ! {self(), ready},
        echo_loop()
    end),
    receive
        {Pid, ready} -> Pid
    end.

echo_loop() ->
    receive
        {'$gen_call', From, Request} -> gen_server:reply(From, Request);
        _ -> ok
    end,
    echo_loop().
