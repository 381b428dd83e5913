%% SPDX-License-Identifier: Apache-2.0
%%
%% What is malformed or unusual on the wire, byte for byte, and whether the
%% connection is kept. Each row is sent to a BEAM and to the C node: where the
%% BEAM keeps the connection the C node keeps it. Others never notice.
-module(cnode_bad_input_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [name/1]).
-import(cnode_raw, [pid/2, pid_of/2, pid_of/4, ref/2, ref_of/2, ext/1]).

-define(CONFIG, #{
    services => #{echo => #{behaviour => echo}},
    pools => #{'Elixir.Counters' => #{behaviour => counter, registry => none}}
}).

%% Ours, and each release that scripts/otp.sh has made.
beam_test_() ->
    [
        {setup, fun() -> start_beam(Release) end, fun stop_beam/1, fun(Target) -> rows(Target) end}
     || Release <- [here | string:lexemes(os:cmd("scripts/otp.sh list"), "\n")]
    ].

cnode_test_() ->
    cnode_peer:tests(
        {setup, fun start_cnode/0, fun stop_cnode/1, fun(Target) -> rows(Target) end},
        2 * length(table())
    ).

%% Sends of every form, with and without token, reach their process.
delivery_test_() ->
    cnode_peer:suite((?CONFIG)#{services => #{echo => #{behaviour => echo}, probe => #{behaviour => probe}}}, [
        {"sends of every form are delivered", fun(Node) ->
            Port = list_to_integer(maps:get("port", cnode_peer:info(Node))),
            Peer = cnode_raw:connect(Port, cnode_peer:unique("raw")),
            Probe = gen_server:call({probe, name(Node)}, self),
            Alias = gen_server:call({probe, name(Node)}, alias),
            Me = pid(Peer, 1),
            Token = {0, 5, 1, Me, 0},
            Forms = [
                {2, '', Probe}, {12, '', Probe, Token}, {22, Me, Probe}, {23, Me, Probe, Token},
                {6, Me, '', probe}, {16, Me, '', probe, Token}, {33, Me, Alias}, {34, Me, Alias, Token},
                {37, 0, Me, Probe}, {37, 1, Me, Probe}, {37, 2, Me, Probe, Token}, {37, 4, Me, Alias},
                {37, 5, Me, Alias}, {37, 6, Me, Alias, Token}, {37, 8, Me, probe}, {37, 10, Me, probe, Token},
                {37, 1 bsl 70, Me, Probe}, {37, 0, Me, Probe, and_more, elements}
            ],
            [ok = cnode_raw:send(Peer, Form, {form, Form}) || Form <- Forms],
            up = cnode_raw:state(Peer),
            Got = [Form || {form, Form} <- gen_server:call({probe, name(Node)}, flush)],
            ?assertEqual(Forms, Got),
            cnode_raw:close(Peer)
        end},
        {"exits of every form end their process", fun(Node) ->
            Port = list_to_integer(maps:get("port", cnode_peer:info(Node))),
            Peer = cnode_raw:connect(Port, cnode_peer:unique("raw")),
            Me = pid(Peer, 1),
            Token = {0, 5, 1, Me, 0},
            Forms = fun(P) ->
                [
                    {linked, {3, Me, P, bye}, none}, {linked, {13, Me, P, Token, bye}, none},
                    {linked, {24, Me, P}, bye}, {linked, {25, Me, P, Token}, bye},
                    {free, {8, Me, P, bye}, none}, {free, {18, Me, P, Token, bye}, none},
                    {free, {26, Me, P}, bye}, {free, {27, Me, P, Token}, bye},
                    {free, {37, 16, Me, P}, bye}, {free, {37, 17, Me, P}, bye}, {free, {37, 18, Me, P, Token}, bye}
                ]
            end,
            [
                begin
                    P = gen_server:call({probe, name(Node)}, {spawn, undefined}),
                    Monitor = monitor(process, P),
                    P = gen_server:call(P, self),
                    {How, Control, Reason} = lists:nth(N, Forms(P)),
                    _ = How =:= linked andalso cnode_raw:send(Peer, {1, Me, P}),
                    ok = case Reason of
                        none -> cnode_raw:send(Peer, Control);
                        _ -> cnode_raw:send(Peer, Control, Reason)
                    end,
                    ?assertEqual({N, bye}, receive {'DOWN', Monitor, _, _, R} -> {N, R} after 5000 -> {N, late} end)
                end
             || N <- lists:seq(1, length(Forms(self())))
            ],
            cnode_raw:close(Peer)
        end}
    ]).

%% To a peer that does not know them they come back as tuples.
record_test_() ->
    cnode_peer:suite(?CONFIG, [
        {"native records are tuples for older nodes", fun(Node) ->
            Port = list_to_integer(maps:get("port", cnode_peer:info(Node))),
            Peer = cnode_raw:connect(Port, cnode_peer:unique("raw")),
            Record = <<67, 1:32, 0, 119, 1, "m", 119, 1, "r", 119, 1, "a", 97, 7>>,
            Call = <<104, 3, (ext('$gen_call'))/binary, (ext({pid(Peer, 1), tag}))/binary, Record/binary>>,
            ok = cnode_raw:send(Peer, {6, pid(Peer, 1), '', echo}, {bytes, Call}),
            ?assertEqual({r, 7}, cnode_raw:await(Peer, fun({_, {tag, Reply}}) -> Reply; (_) -> false end)),
            cnode_raw:close(Peer)
        end}
    ]).

rows(Target) ->
    [
        {name_of(Target, Framing, Sentence), {timeout, 30, fun() -> row(Target, Framing, Row) end}}
     || Framing <- [header, pass_through],
        {Sentence, _, _, _} = Row <- table()
    ].

name_of(#{kind := Kind, otp := Otp}, Framing, Sentence) ->
    lists:concat([Kind, " ", Otp, ", ", Framing, ": ", Sentence]).

%% ------------------------------------------------------------------ both nodes

start_beam(Release) ->
    {Peer, Node} = cnode_peer:start_beam_of(Release),
    ok = compile_there(Node, cnode_raw),
    Pid = erpc:call(Node, cnode_raw, echo, []),
    Port = port_of(Node),
    #{kind => beam, node => Node, peer => Peer, pid => Pid, port => Port,
      otp => list_to_integer(erpc:call(Node, erlang, system_info, [otp_release]))}.

%% Releases do not read each other's code for ever.
compile_there(Node, Module) ->
    {ok, {Module, [{abstract_code, {raw_abstract_v1, Forms}}]}} =
        beam_lib:chunks(code:which(Module), [abstract_code]),
    {ok, Module, Code} = erpc:call(Node, compile, forms, [Forms]),
    {module, Module} = erpc:call(Node, code, load_binary, [Module, "", Code]),
    ok.

stop_beam(#{peer := Peer, node := Node}) -> cnode_peer:stop_beam({Peer, Node}).

start_cnode() ->
    Node = cnode_peer:start(?CONFIG),
    true = net_kernel:connect_node(name(Node)),
    Port = list_to_integer(maps:get("port", cnode_peer:info(Node))),
    #{kind => cnode, node => name(Node), peer => Node, pid => cnode_peer:worker(Node, 1),
      port => Port, otp => ''}.

stop_cnode(#{peer := Node}) -> ?assertEqual(0, cnode_peer:stop(Node)).

port_of(Node) ->
    [Alive, _] = string:lexemes(atom_to_list(Node), "@"),
    {port, Port, _} = erl_epmd:port_please(Alive, {127, 0, 0, 1}),
    Port.

%% ------------------------------------------------------------------------ rows

%% Sends the bytes; the connection is as the row says, another one as before.
row(#{kind := beam}, _, {_, _, crash, _}) ->
    ok; %% OTP 25 to 29 end with a bus error
row(#{port := Port, node := Node} = Target, Framing, {_, Bytes, Beam, Ours}) ->
    erlang:monitor_node(Node, true),
    Flags = case Framing of header -> cnode_raw:flags(); pass_through -> cnode_raw:flags([fragments]) end,
    Peer = cnode_raw:connect(Port, cnode_peer:unique("raw"), #{flags => Flags}),
    case Bytes(Peer, Target) of
        skip ->
            ok;
        Said ->
            _ = cnode_raw:say(Peer, Said),
            Expected = expected(Target, Beam, Ours),
            Got = kept(cnode_raw:state(Peer)),
            %% Where the BEAM keeps it, so do we.
            ?assertEqual(Expected, Got)
    end,
    cnode_raw:close(Peer),
    ?assertEqual(fine, gen_server:call({echo, Node}, fine)),
    ?assertEqual(up, receive {nodedown, Node} -> down after 0 -> up end),
    erlang:monitor_node(Node, false).

kept(up) -> kept;
kept(closed) -> dropped.

%% What a BEAM does may depend on its release: {Release, Before, From}.
expected(#{kind := cnode}, _, Ours) -> Ours;
expected(#{otp := Otp}, {Release, _, From}, _) when Otp >= Release -> From;
expected(_, {_, Before, _}, _) -> Before;
expected(_, Beam, _) -> Beam.

third() -> 'third@127.0.0.1'.

%% {Sentence, fun(Peer, Target) -> Bytes, what a BEAM does, what we do}
table() -> addresses() ++ controls() ++ payloads() ++ fragments() ++ variants().

%% A control message alone; with a payload.
c(Control) -> fun(P, T) -> cnode_raw:whole(P, ext(Control(P, T))) end.
c(Control, Payload) ->
    fun(P, T) -> cnode_raw:whole(P, {ext(Control(P, T)), ext(Payload)}) end.

%% To the target's process, from the peer's.
send_ctl(P, #{pid := Pid}) -> {22, pid(P, 1), Pid}.
payload(Bytes) -> fun(P, _) -> cnode_raw:whole(P, {ext({6, pid(P, 1), '', echo}), Bytes}) end.
nobody(Bytes) -> fun(P, _) -> cnode_raw:whole(P, {ext({6, pid(P, 1), '', nobody_here}), Bytes}) end.

with_creation(Pid, Creation) ->
    <<131, 88, 119, Len, Name:Len/binary, Id:32, Serial:32, _:32>> = term_to_binary(Pid, [{minor_version, 2}]),
    binary_to_term(<<131, 88, 119, Len, Name:Len/binary, Id:32, Serial:32, Creation:32>>).

old(#{pid := Pid}) -> with_creation(Pid, 77).
dead(#{node := Node, pid := Pid}) ->
    <<131, 88, 119, Len, _:Len/binary, _:64, Creation:32>> = term_to_binary(Pid, [{minor_version, 2}]),
    pid_of(Node, 32000, 5, Creation).

addresses() ->
    [
        {"a send to a dead pid", c(fun(P, T) -> {22, pid(P, 1), dead(T)} end, hello), kept, kept},
        {"a send to an old creation", c(fun(P, T) -> {22, pid(P, 1), old(T)} end, hello), kept, kept},
        {"a send to creation 0", c(fun(P, #{pid := Pid}) -> {22, pid(P, 1), with_creation(Pid, 0)} end, hello), kept, kept},
        {"a send to a pid of a third node", c(fun(P, _) -> {22, pid(P, 1), pid_of(third(), 1)} end, hello), kept, kept},
        {"a send from a pid of a third node", c(fun(_, #{pid := Pid}) -> {22, pid_of(third(), 1), Pid} end, hello), kept, kept},
        {"a send from what is no pid", c(fun(_, #{pid := Pid}) -> {22, nonsense, Pid} end, hello), kept, kept},
        {"a send to an alias from what is no pid", c(fun(_, #{node := N}) -> {33, 7, ref_of(N, 1)} end, hello), kept, kept},
        {"a link to a name", c(fun(P, _) -> {1, pid(P, 1), echo} end), kept, kept},
        {"a link to what is neither", c(fun(P, _) -> {1, pid(P, 1), {7}} end), kept, kept},
        {"a send to a name that nobody has", c(fun(P, _) -> {6, pid(P, 1), '', nobody_here} end, hello), kept, kept},
        {"a send to an alias that is not there", c(fun(P, #{node := N}) -> {33, pid(P, 1), ref_of(N, 1)} end, hello), kept, kept},
        {"a send to an alias of a third node", c(fun(P, _) -> {33, pid(P, 1), ref_of(third(), 1)} end, hello), kept, kept},
        {"an exit/2 to an old creation", c(fun(P, T) -> {26, pid(P, 1), old(T)} end, bye), kept, kept},
        {"an exit/2 to a dead pid", c(fun(P, T) -> {26, pid(P, 1), dead(T)} end, bye), kept, kept},
        {"an exit to an old creation", c(fun(P, T) -> {24, pid(P, 1), old(T)} end, bye), dropped, kept},
        {"an exit of no link", c(fun(P, #{pid := Pid}) -> {24, pid(P, 1), Pid} end, bye), kept, kept},
        {"a link to an old creation", c(fun(P, T) -> {1, pid(P, 1), old(T)} end), kept, kept},
        {"a monitor of an old creation", c(fun(P, T) -> {19, pid(P, 1), old(T), ref(P, 1)} end), kept, kept},
        {"a monitor of a name that nobody has", c(fun(P, _) -> {19, pid(P, 1), nobody_here, ref(P, 1)} end), kept, kept},
        {"a link from a third node", c(fun(_, #{pid := Pid}) -> {1, pid_of(third(), 1), Pid} end), dropped, kept},
        {"an exit/2 from a third node", c(fun(_, #{pid := Pid}) -> {26, pid_of(third(), 1), Pid} end, normal), dropped, kept},
        {"a link to a third node", c(fun(P, _) -> {1, pid(P, 1), pid_of(third(), 1)} end), dropped, kept},
        {"an exit to a third node", c(fun(P, _) -> {24, pid(P, 1), pid_of(third(), 1)} end, bye), dropped, kept},
        {"an exit/2 to a third node", c(fun(P, _) -> {26, pid(P, 1), pid_of(third(), 1)} end, bye), dropped, kept},
        {"a monitor of a pid of a third node", c(fun(P, _) -> {19, pid(P, 1), pid_of(third(), 1), ref(P, 1)} end), dropped, kept},
        {"a request to spawn from a third node", c(fun(P, _) -> {29, ref(P, 1), pid_of(third(), 1), pid(P, 1), {erlang, self, 0}, []} end, []), kept, kept},
        {"a request to spawn with a reference of a third node", c(fun(P, _) -> {29, ref_of(third(), 1), pid(P, 1), pid(P, 1), {erlang, self, 0}, []} end, []), kept, kept}
    ].

controls() ->
    [
        {"an unlink id of 0", c(fun(P, #{pid := Pid}) -> {35, 0, pid(P, 1), Pid} end), dropped, dropped},
        {"an unlink id of 2^64", c(fun(P, #{pid := Pid}) -> {35, 1 bsl 64, pid(P, 1), Pid} end), dropped, dropped},
        {"an unlink of no link", c(fun(P, #{pid := Pid}) -> {35, 4711, pid(P, 1), Pid} end), kept, kept},
        {"an unlink ack that nobody waits for", c(fun(P, #{pid := Pid}) -> {36, 4711, pid(P, 1), Pid} end), kept, kept},
        {"an unlink ack with an id of 0", c(fun(P, #{pid := Pid}) -> {36, 0, pid(P, 1), Pid} end), kept, kept},
        {"a demonitor of nothing", c(fun(P, #{pid := Pid}) -> {20, pid(P, 1), Pid, ref(P, 9)} end), kept, kept},
        {"a monitor exit of nothing", c(fun(P, #{pid := Pid, node := N}) -> {28, pid(P, 1), Pid, ref_of(N, 9)} end, bye), kept, kept},
        {"a reply to no request to spawn", c(fun(P, #{pid := Pid, node := N}) -> {31, ref_of(N, 9), Pid, 0, pid(P, 3)} end), kept, kept},
        {"a group leader", c(fun(P, #{pid := Pid}) -> {7, pid(P, 1), Pid} end), kept, kept},
        {"a request to spawn with bad options", c(fun(P, _) -> {29, ref(P, 1), pid(P, 1), pid(P, 1), {erlang, self, 0}, [{no, such, option}]} end, []), kept, kept},
        {"a request to spawn whose options are no list", c(fun(P, _) -> {29, ref(P, 1), pid(P, 1), pid(P, 1), {erlang, self, 0}, nonsense} end, []), kept, kept},
        {"a request to spawn of the wrong arity", c(fun(P, _) -> {29, ref(P, 1), pid(P, 1), pid(P, 1), {erlang, self, 7}, []} end, []), kept, kept},
        {"a request to spawn of a negative arity", c(fun(P, _) -> {29, ref(P, 1), pid(P, 1), pid(P, 1), {erlang, self, -1}, []} end, []), kept, kept},
        {"the unlink of old", c(fun(P, #{pid := Pid}) -> {4, pid(P, 1), Pid} end), {26, kept, dropped}, kept},
        {"an operation that does not exist", c(fun(P, #{pid := Pid}) -> {99, pid(P, 1), Pid} end), dropped, kept},
        {"a negative operation", c(fun(P, #{pid := Pid}) -> {-1, pid(P, 1), Pid} end), dropped, kept},
        {"an operation that is no integer", c(fun(P, #{pid := Pid}) -> {send, pid(P, 1), Pid} end), dropped, dropped},
        {"a control message that is no tuple", c(fun(_, _) -> [22, 1, 2] end), dropped, dropped},
        {"an empty control tuple", c(fun(_, _) -> {} end), dropped, dropped},
        {"a control tuple that is too short", c(fun(P, _) -> {22, pid(P, 1)} end, hello), dropped, dropped},
        {"a control message cut short", c(fun(_, _) -> {bytes, <<104, 4, 97, 6>>} end), dropped, dropped},
        {"a control tuple with garbage in it", c(fun(P, _) -> {bytes, <<104, 3, 97, 22, (ext(pid(P, 1)))/binary, 250>>} end, hello), dropped, dropped},
        {"a send to a name whose sender is no pid", c(fun(_, _) -> {6, nonsense, '', echo} end, hello), dropped, dropped},
        {"a send to a name that is no atom", c(fun(P, _) -> {6, pid(P, 1), '', "echo"} end, hello), dropped, dropped},
        {"a send to what is no pid", c(fun(P, _) -> {22, pid(P, 1), nonsense} end, hello), dropped, dropped},
        {"a monitor of what is neither pid nor name", c(fun(P, _) -> {19, pid(P, 1), "echo", ref(P, 1)} end), dropped, dropped},
        {"a control tuple with a length of 32 bits", c(fun(P, #{pid := Pid}) -> {bytes, <<105, 3:32, 97, 22, (ext(pid(P, 1)))/binary, (ext(Pid))/binary>>} end, hello), kept, kept},
        {"an operation of 32 bits", c(fun(P, #{pid := Pid}) -> {bytes, <<104, 3, 98, 22:32, (ext(pid(P, 1)))/binary, (ext(Pid))/binary>>} end, hello), kept, kept},
        {"an operation as a bignum", c(fun(P, #{pid := Pid}) -> {bytes, <<104, 3, 110, 1, 0, 22, (ext(pid(P, 1)))/binary, (ext(Pid))/binary>>} end, hello), kept, kept},
        {"a name as an atom of old", c(fun(P, _) -> {bytes, <<104, 4, 97, 6, (ext(pid(P, 1)))/binary, 100, 0:16, 100, 4:16, "echo">>} end, hello), kept, kept},
        {"no bytes at all", fun(_, _) -> [cnode_raw:tick() || _ <- lists:seq(1, 1000)] end, kept, kept}
    ].

payloads() ->
    Atom256 = <<118, 256:16, (binary:copy(<<"a">>, 256))/binary>>,
    Fun = <<0, 0:128, 1:32, 0:32, 119, 1, "m", 97, 1, 97, 1, 88, 119, 3, "a@b", 1:32, 0:32, 1:32>>,
    Deep = fun(N) -> <<(binary:copy(<<108, 1:32>>, N))/binary, 106, (binary:copy(<<106>>, N))/binary>> end,
    Bad = [
        {"a payload that is missing", <<>>},
        {"a payload cut short", <<104, 2, 97, 1>>},
        {"a string longer than the frame", <<107, 100:16, "abc">>},
        {"a binary longer than the frame", <<109, 16#FFFFFFF0:32, 1>>},
        {"a tuple larger than the frame", <<105, 16#FFFFFFFF:32>>},
        {"a list larger than the frame", <<108, 16#FFFFFFFF:32>>},
        {"a map larger than the frame", <<116, 16#FFFFFFFF:32>>},
        {"a bignum larger than the frame", <<111, 16#FFFFFFFF:32, 0>>},
        {"a tag that does not exist", <<250>>},
        {"a compressed term", <<80, 10:32, (zlib:compress(<<109, 5:32, "hello">>))/binary>>},
        {"a local term", <<121, 1, 2, 3>>},
        {"an atom of 256 characters", Atom256},
        {"an atom that is no UTF-8", <<119, 2, 16#C3, 16#28>>},
        {"a map with a key twice", <<116, 2:32, 97, 1, 97, 2, 97, 1, 97, 3>>},
        {"a float that is not a number", <<70, 16#7FF8000000000000:64>>},
        {"an infinite float", <<70, 16#7FF0000000000000:64>>},
        {"a bit string with no bits in its last byte", <<77, 1:32, 0, 255>>},
        {"a bit string of nine bits in a byte", <<77, 1:32, 9, 255>>},
        {"a bit string of no bytes but some bits", <<77, 0:32, 5>>},
        {"a float as text that is none", <<99, 0:248>>},
        {"a fun that ends too early", <<112, 20:32, 0, 0:128, 1:32, 0:32>>},
        {"a pid whose node is no atom", <<88, 97, 1, 1:32, 0:32, 1:32>>},
        {"a reference of six words", <<90, 6:16, 119, 3, "a@b", 1:32, 0:192>>}
    ],
    Good = [
        {"a list of depth 5000", Deep(5000)},
        {"a list of depth 200000", Deep(200000)},
        {"a bignum with leading zeros", <<110, 5, 0, 1, 0, 0, 0, 0>>},
        {"a small number as a bignum", <<110, 1, 0, 7>>},
        {"a zero with a minus sign", <<110, 1, 1, 0>>},
        {"a bignum of no digits", <<110, 0, 0>>},
        {"an atom of old", <<100, 5:16, "hello">>},
        {"a short atom of old", <<115, 5, "hello">>},
        {"a pid of old", <<103, 100, 3:16, "a@b", 1:32, 0:32, 1>>},
        {"a reference of old", <<101, 100, 3:16, "a@b", 1:32, 1>>},
        {"a reference of not so old", <<114, 1:16, 100, 3:16, "a@b", 1, 7:32>>},
        {"a port of old", <<102, 100, 3:16, "a@b", 1:32, 1>>},
        {"a float as text", <<99, "1.50000000000000000000e+00", 0, 0, 0, 0, 0>>},
        {"an empty list as a list", <<108, 0:32, 106>>},
        {"an empty list with an element for a tail", <<108, 0:32, 97, 1>>},
        {"an empty string", <<107, 0:16>>},
        {"a bit string of eight bits", <<77, 1:32, 8, 255>>},
        {"a fun shorter than it says", <<112, 80:32, Fun/binary>>},
        {"a fun longer than it says", <<112, 20:32, Fun/binary>>},
        {"a reference of no words", <<90, 0:16, 119, 3, "a@b", 1:32>>},
        {"an improper list", <<108, 1:32, 97, 1, 97, 2>>},
        {"a pid of ours with creation 0", <<88, 119, 3, "a@b", 1:32, 0:32, 0:32>>},
        {"a port of 64 bits", <<120, 119, 3, "a@b", 1:64, 1:32>>},
        {"more bytes behind the payload", <<97, 1, "and more">>}
    ],
    [{"an empty bit string", payload(<<77, 0:32, 0>>), {27, kept, dropped}, kept}] ++
        [{"a native record of OTP 29", payload(<<67, 1:32, 0, 119, 1, "m", 119, 1, "r", 119, 1, "a", 97, 1>>), {29, dropped, kept}, kept}] ++
        [{Name, payload(Bytes), dropped, dropped} || {Name, Bytes} <- Bad] ++
        %% A BEAM does not decode what nobody will read.
        [{Name ++ ", to nobody", nobody(Bytes), kept, kept} || {Name, Bytes} <- Bad] ++
        [{Name, payload(Bytes), kept, kept} || {Name, Bytes} <- Good] ++
        unread({bytes, <<250>>}).

%% Garbage as a payload that nobody waits for, in every kind of message.
unread(Garbage) ->
    [
        {"garbage to a dead pid", c(fun(P, T) -> {22, pid(P, 1), dead(T)} end, Garbage), kept, kept},
        {"garbage to an old creation", c(fun(P, T) -> {22, pid(P, 1), old(T)} end, Garbage), kept, kept},
        {"garbage to a third node", c(fun(P, _) -> {22, pid(P, 1), pid_of(third(), 1)} end, Garbage), kept, kept},
        {"garbage to an alias that is not there", c(fun(P, #{node := N}) -> {33, pid(P, 1), ref_of(N, 1)} end, Garbage), kept, kept},
        {"garbage as the exit of no link", c(fun(P, #{pid := Pid}) -> {24, pid(P, 1), Pid} end, Garbage), kept, kept},
        {"garbage as the reason for a dead pid", c(fun(P, T) -> {26, pid(P, 1), dead(T)} end, Garbage), kept, kept},
        {"garbage as the exit of no monitor", c(fun(P, #{pid := Pid, node := N}) -> {28, pid(P, 1), Pid, ref_of(N, 9)} end, Garbage), dropped, dropped},
        {"garbage as arguments of a spawn", c(fun(P, _) -> {29, ref(P, 1), pid(P, 1), pid(P, 1), {erlang, self, 0}, []} end, Garbage), dropped, dropped}
    ].

fragments() ->
    Only = fun(Fun) ->
        fun(#{fragments := true} = P, T) -> Fun(P, T); (_, _) -> skip end
    end,
    First = fun(P, T, Seq, N, Part) ->
        cnode_raw:frame(<<131, 69, Seq:64, N:64, 0, (ext(send_ctl(P, T)))/binary, Part/binary>>)
    end,
    Next = fun(Seq, N, Part) -> cnode_raw:frame(<<131, 70, Seq:64, N:64, Part/binary>>) end,
    [
        {"a message in fragments", Only(fun(P, T) -> [First(P, T, 7, 3, <<109, 6:32, "ab">>), Next(7, 2, <<"cd">>), Next(7, 1, <<"ef">>)] end), kept, kept},
        {"a single fragment", Only(fun(P, T) -> First(P, T, 7, 1, <<97, 1>>) end), kept, kept},
        {"two sequences interleaved", Only(fun(P, T) -> [First(P, T, 7, 2, <<109, 4:32, "ab">>), First(P, T, 8, 2, <<109, 4:32, "ab">>), Next(8, 1, <<"cd">>), Next(7, 1, <<"cd">>)] end), kept, kept},
        {"a sequence that is never finished", Only(fun(P, T) -> First(P, T, 7, 3, <<109, 6:32, "ab">>) end), kept, kept},
        {"a fragment out of nowhere", Only(fun(_, _) -> Next(7, 3, <<"lost">>) end), dropped, dropped},
        {"fragments out of order", Only(fun(P, T) -> [First(P, T, 7, 3, <<109, 6:32, "ab">>), Next(7, 1, <<"ef">>)] end), dropped, dropped},
        {"a fragment twice", Only(fun(P, T) -> [First(P, T, 7, 3, <<109, 6:32, "ab">>), Next(7, 2, <<"cd">>), Next(7, 2, <<"cd">>)] end), dropped, dropped},
        {"a sequence begun twice", Only(fun(P, T) -> [First(P, T, 7, 3, <<109, 6:32, "ab">>), First(P, T, 7, 3, <<109, 6:32, "ab">>)] end), dropped, dropped},
        {"a number of 0", Only(fun(P, T) -> First(P, T, 7, 0, <<97, 1>>) end), crash, dropped},
        {"garbage in fragments", Only(fun(P, T) -> [First(P, T, 7, 2, <<104, 2>>), Next(7, 1, <<250, 250>>)] end), dropped, dropped},
        {"a frame of 2 GiB", fun(_, _) -> <<16#80000000:32, 131, 68, 0>> end, dropped, dropped},
        {"a frame of 4 GiB", fun(_, _) -> <<16#FFFFFFFF:32, 131, 68, 0>> end, dropped, dropped},
        {"a header of the other framing", fun(P, T) -> cnode_raw:whole(P#{fragments := not maps:get(fragments, P)}, {ext(send_ctl(P, T)), ext(hello)}) end, dropped, dropped},
        {"a frame of one byte", fun(_, _) -> cnode_raw:frame(<<131>>) end, dropped, dropped},
        {"atom cache references", Only(fun(P, T) -> cnode_raw:frame(<<131, 68, 1, 8, 0, 5, "hello", (ext(send_ctl(P, T)))/binary, 82, 0>>) end), crash, dropped},
        {"garbage", fun(_, _) -> cnode_raw:frame(<<"GET / HTTP/1.1">>) end, dropped, dropped}
    ].

%% Forms that come before the connection was up or with a token of seq_trace.
variants() ->
    Token = fun(P) -> {0, 5, 1, pid(P, 1), 0} end,
    [
        {"the send of old", c(fun(_, #{pid := Pid}) -> {2, '', Pid} end, hello), kept, kept},
        {"the exit of old", c(fun(P, #{pid := Pid}) -> {3, pid(P, 1), Pid, bye} end), kept, kept},
        {"the exit/2 of old", c(fun(P, T) -> {8, pid(P, 1), dead(T), bye} end), kept, kept},
        {"the monitor exit of old", c(fun(P, #{pid := Pid, node := N}) -> {21, pid(P, 1), Pid, ref_of(N, 9), bye} end), kept, kept},
        {"a send of old with a token", c(fun(P, #{pid := Pid}) -> {12, '', Pid, Token(P)} end, hello), kept, kept},
        {"an exit of old with a token", c(fun(P, #{pid := Pid}) -> {13, pid(P, 1), Pid, Token(P), bye} end), kept, kept},
        {"a send to a name with a token", c(fun(P, _) -> {16, pid(P, 1), '', echo, Token(P)} end, hello), kept, kept},
        {"an exit/2 of old with a token", c(fun(P, T) -> {18, pid(P, 1), dead(T), Token(P), bye} end), kept, kept},
        {"a send with a token", c(fun(P, #{pid := Pid}) -> {23, pid(P, 1), Pid, Token(P)} end, hello), kept, kept},
        {"an exit with a token", c(fun(P, #{pid := Pid}) -> {25, pid(P, 1), Pid, Token(P)} end, bye), kept, kept},
        {"an exit/2 with a token", c(fun(P, T) -> {27, pid(P, 1), dead(T), Token(P)} end, bye), kept, kept},
        {"a request to spawn with a token", c(fun(P, _) -> {30, ref(P, 1), pid(P, 1), pid(P, 1), {erlang, self, 0}, [], Token(P)} end, []), kept, kept},
        {"a reply to a spawn with a token", c(fun(P, #{pid := Pid, node := N}) -> {32, ref_of(N, 9), Pid, 0, pid(P, 3), Token(P)} end), kept, kept},
        {"a send to an alias with a token", c(fun(P, #{node := N}) -> {34, pid(P, 1), ref_of(N, 1), Token(P)} end, hello), kept, kept},
        {"an alias send of OTP 28", c(fun(P, #{node := N}) -> {37, 4, pid(P, 1), ref_of(N, 1)} end, hello), {28, dropped, kept}, kept},
        {"the same with a token", c(fun(P, #{node := N}) -> {37, 6, pid(P, 1), ref_of(N, 1), Token(P)} end, hello), {28, dropped, kept}, kept},
        {"a send to a name with priority", c(fun(P, _) -> {37, 9, pid(P, 1), echo} end, hello), {28, dropped, kept}, kept},
        {"a send with priority", c(fun(P, #{pid := Pid}) -> {37, 1, pid(P, 1), Pid} end, hello), {28, dropped, kept}, kept},
        {"an exit with priority", c(fun(P, T) -> {37, 17, pid(P, 1), dead(T)} end, bye), {28, dropped, kept}, kept}
    ].
