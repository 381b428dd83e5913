%% SPDX-License-Identifier: Apache-2.0
%%
%% What no BEAM sends: malformed and unusual messages from a peer on a bare
%% socket. Where a BEAM keeps the connection, so does the node under test. Where
%% a BEAM drops it, it may too. Nobody else is ever affected.
-module(cnode_conf_raw).

-include("cnode_conf.hrl").
-import(cnode_conf_wire, [next/2, control/2, control/3, frame/2, pid/1, pid/2, ref/1, term/1]).

applies(#{over := tcp}) -> true;
applies(_) -> "bare sockets are TCP here".

%% ---------------------------------------------------------------- the verdicts

kept(C, Do) -> tried(C, Do, kept).
dropped(C, Do) -> tried(C, Do, dropped).

%% Do(Wire, P) sends something, P being a process of the node under test.
tried(#{target := Target, node := Node} = C, Do, Expected) ->
    {P, Other} = {probe(C), probe(C)},
    erlang:monitor_node(Node, true),
    Wire = cnode_conf_wire:open(C),
    _ = Do(Wire, P),
    verdict(Wire, Target, Expected),
    cnode_conf_wire:close(Wire),
    barrier(Other),
    [] = [M || {nodedown, _} = M <- messages()],
    true = erlang:monitor_node(Node, false).

verdict(Wire, beam, dropped) ->
    %% It may look at a payload only when the receiver does.
    eventually(fun() -> dropped =:= cnode_conf_wire:verdict(Wire) end);
verdict(Wire, c, dropped) ->
    true = lists:member(cnode_conf_wire:verdict(Wire), [dropped, kept]);
verdict(Wire, _, kept) ->
    kept = cnode_conf_wire:verdict(Wire).

nil() -> ''.

%% A pid of a node that is neither of the two.
foreign() -> binary_to_term(<<131, 88, 119, 5, "x@y.z", 1:32, 0:32, 9:32>>).

%% --------------------------------------------------------------------- well-formed

'a bare peer is served'(C) ->
    kept(C, fun(W, P) ->
        control(W, {22, pid(W), P}, {from, raw}),
        control(W, {6, pid(W), nil(), probe}, {cast, nobody, x}),
        [{from, raw}] = flushed(P, 1)
    end).

'a call in the form of old'(C) ->
    kept(C, fun(W, P) ->
        control(W, {2, nil(), P}, {'$gen_call', {pid(W), tag}, {echo, hello}}),
        {_, Reply} = next(W, [2, 22]),
        {tag, hello} = binary_to_term(<<131, Reply/binary>>)
    end).

'SEND without and with sender, with and without token'(C) ->
    Token = {0, 0, 0, self(), 0},
    kept(C, fun(W, P) ->
        control(W, {2, nil(), P}, {n, 1}),
        control(W, {12, nil(), P, Token}, {n, 2}),
        control(W, {22, pid(W), P}, {n, 3}),
        control(W, {23, pid(W), P, Token}, {n, 4}),
        [{n, 1}, {n, 2}, {n, 3}, {n, 4}] = flushed(P, 4)
    end).

'REG_SEND with a token'(C) ->
    Name = name(),
    P = probe(C, Name),
    kept(C, fun(W, _) ->
        control(W, {16, pid(W), nil(), Name, {0, 0, 0, self(), 0}}, {n, 1}),
        [{n, 1}] = flushed(P, 1)
    end).

'exit/2 in all forms'(C) ->
    kept(C, fun(W, _) ->
        [
            begin
                P = probe(C),
                M = monitor(process, P),
                barrier(P),
                Do(P),
                boom = down(M)
            end
         || Do <- [
                fun(P) -> control(W, {8, pid(W), P, boom}) end,
                fun(P) -> control(W, {18, pid(W), P, token(W), boom}) end,
                fun(P) -> control(W, {26, pid(W), P}, boom) end,
                fun(P) -> control(W, {27, pid(W), P, token(W)}, boom) end
            ]
        ]
    end).

token(W) -> {0, 0, 0, pid(W), 0}.

'exits of links in all forms'(C) ->
    kept(C, fun(W, _) ->
        [
            begin
                P = probe(C),
                M = monitor(process, P),
                barrier(P),
                control(W, {1, pid(W), P}),
                Do(P),
                boom = down(M)
            end
         || Do <- [
                fun(P) -> control(W, {3, pid(W), P, boom}) end,
                fun(P) -> control(W, {13, pid(W), P, token(W), boom}) end,
                fun(P) -> control(W, {24, pid(W), P}, boom) end,
                fun(P) -> control(W, {25, pid(W), P, token(W)}, boom) end
            ]
        ]
    end).

'an exit without a link is ignored'(C) ->
    kept(C, fun(W, P) ->
        control(W, {3, pid(W), P, boom}),
        control(W, {24, pid(W), P}, boom),
        barrier(P)
    end).

'DOWN in both forms'(C) ->
    kept(C, fun(W, P) ->
        [
            begin
                Name = name(),
                Ref = ask(P, {monitor, {Name, list_to_atom(maps:get(name, W))}}),
                _ = next(W, [19]),
                Do(Name, Ref),
                [{'DOWN', Ref, process, {Name, _}, boom}] = flushed(P, 1)
            end
         || Do <- [
                fun(Name, Ref) -> control(W, {21, Name, P, Ref, boom}) end,
                fun(Name, Ref) -> control(W, {28, Name, P, Ref}, boom) end
            ]
        ]
    end).

'an alias message in the form of 25'(C) ->
    kept(C, fun(W, P) ->
        Alias = ask(P, alias),
        control(W, {33, pid(W), Alias}, {n, 1}),
        control(W, {34, pid(W), Alias, token(W)}, {n, 2}),
        [{n, 1}, {n, 2}] = flushed(P, 2)
    end).

%% ALTACT_SIG_SEND came with 28; C knows it always.
'messages in the form of 28'(#{target := Target} = C) ->
    Do = fun(W, P) ->
        Alias = ask(P, alias),
        Name = name(),
        true = ask(P, {register, Name}),
        control(W, {37, 4, pid(W), Alias}, {n, 1}),
        control(W, {37, 1, pid(W), P}, {n, 2}),
        control(W, {37, 0, pid(W), P}, {n, 3}),
        control(W, {37, 8, pid(W), Name}, {n, 4}),
        control(W, {37, 2 bor 4, pid(W), Alias, token(W)}, {n, 5}),
        Target =:= beam andalso otp() < 28 orelse
            ([1, 2, 3, 4, 5] = lists:sort([N || {n, N} <- flushed(P, 5)]))
    end,
    case Target =:= beam andalso otp() < 28 of
        true -> dropped(C, Do);
        false -> kept(C, Do)
    end.

'every LINK, MONITOR and UNLINK is answered'(C) ->
    kept(C, fun(W, P) ->
        control(W, {35, 7, pid(W), P}),
        {{36, 7, P, _}, _} = next(W, [36]),
        control(W, {1, pid(W), never(P)}),
        _ = next(W, [3, 24]),
        control(W, {35, 1 bsl 63, pid(W), never(P)}),
        {{36, Id, _, _}, _} = next(W, [36]),
        Id = 1 bsl 63
    end).

'fragments'(C) ->
    kept(C, fun(W, P) ->
        Payload = term({parts, big(1000)}),
        fragments(W, P, 1, Payload, 3),
        [{parts, Big}] = flushed(P, 1),
        true = Big =:= big(1000)
    end).

fragments(W, P, Seq, Payload, N) ->
    Parts = parts(Payload, byte_size(Payload) div N + 1),
    N = length(Parts),
    [
        frame(W, case I of
            N -> [<<131, 69, Seq:64, N:64, 0>>, term({22, pid(W), P}), Part];
            _ -> [<<131, 70, Seq:64, I:64>>, Part]
        end)
     || {I, Part} <- lists:zip(lists:seq(N, 1, -1), Parts)
    ].

parts(Bytes, Size) when byte_size(Bytes) =< Size -> [Bytes];
parts(Bytes, Size) ->
    <<Part:Size/binary, Rest/binary>> = Bytes,
    [Part | parts(Rest, Size)].

'a single fragment'(C) ->
    kept(C, fun(W, P) ->
        fragments(W, P, 1, term({n, 1}), 1),
        [{n, 1}] = flushed(P, 1)
    end).

'fragments of several messages in turn'(C) ->
    kept(C, fun(W, P) ->
        [A, B] = [parts(term({S, big(1600)}), 600) || S <- [a, b]],
        N = length(A),
        [
            [
                frame(W, case I of
                    N -> [<<131, 69, Seq:64, N:64, 0>>, term({22, pid(W, Seq), P}), Part];
                    _ -> [<<131, 70, Seq:64, I:64>>, Part]
                end)
             || {Seq, Part} <- [{1, PartA}, {16#FFFFFFFFFFFFFFFF, PartB}]
            ]
         || {I, PartA, PartB} <- lists:zip3(lists:seq(N, 1, -1), A, B)
        ],
        [a, b] = lists:sort([S || {S, _} <- flushed(P, 2)])
    end).

'small messages between fragments'(C) ->
    kept(C, fun(W, P) ->
        [First, Last] = parts(term({big, big(1000)}), 600),
        frame(W, [<<131, 69, 5:64, 2:64, 0>>, term({22, pid(W, 1), P}), First]),
        control(W, {22, pid(W, 2), P}, {small, 1}),
        [{small, 1}] = flushed(P, 1),
        frame(W, [<<131, 70, 5:64, 1:64>>, Last]),
        [{big, _}] = flushed(P, 1)
    end).

%% ------------------------------------------------------------- unusual, and kept

'ticks are ignored'(C) -> kept(C, fun(W, _) -> [frame(W, []) || _ <- lists:seq(1, 100)] end).

'bytes after the message are ignored'(C) ->
    kept(C, fun(W, P) ->
        frame(W, [131, 68, 0, term({22, pid(W), P}), term({n, 1}), <<"more">>]),
        [{n, 1}] = flushed(P, 1)
    end).

'SEND to those who are gone'(C) ->
    kept(C, fun(W, P) -> [control(W, {22, pid(W), To}, x) || To <- [stale(P), never(P), foreign()]] end).

'EXIT2 to an older incarnation'(C) ->
    kept(C, fun(W, P) -> control(W, {26, pid(W), stale(P)}, x) end).

'LINK to an older incarnation is noproc'(C) ->
    kept(C, fun(W, P) ->
        control(W, {1, pid(W), stale(P)}),
        _ = next(W, [3, 24])
    end).

'MONITOR_P of an older incarnation is noproc'(C) ->
    kept(C, fun(W, P) ->
        {Ref, Stale} = {ref(W), stale(P)},
        control(W, {19, pid(W), Stale, Ref}),
        {{28, Stale, _, Ref}, _} = next(W, [28])
    end).

'answers nobody asked for'(C) ->
    kept(C, fun(W, P) ->
        control(W, {36, 17, pid(W), P}),
        control(W, {20, pid(W), P, ref(W)}),
        control(W, {20, pid(W), some_name, ref(W)}),
        control(W, {28, pid(W), P, ask(P, alias)}, boom),
        control(W, {21, pid(W), P, ask(P, alias), boom}),
        control(W, {31, ask(P, alias), P, 0, pid(W)}),
        barrier(P),
        [] = flush(P)
    end).

'alias messages to nobody'(C) ->
    kept(C, fun(W, _) -> [control(W, {33, pid(W), Ref}, x) || Ref <- [ref(W), make_ref()]] end).

'SPAWN_REQUEST with an option nobody knows is badopt'(C) ->
    kept(C, fun(W, _) ->
        Ref = ref(W),
        control(W, {29, Ref, pid(W), pid(W), {erlang, node, 0}, [{no_such, option}]}, []),
        {{31, Ref, _, 0, badopt}, _} = next(W, [31])
    end).

'SPAWN_REQUEST is answered before the process says anything'(C) ->
    kept(C, fun(W, _) ->
        Ref = ref(W),
        control(W, {29, Ref, pid(W), pid(W), {no_such_module, f, 0}, [monitor]}, []),
        {{31, Ref, _, 2, P}, _} = next(W, [28, 31]),
        true = is_pid(P),
        _ = next(W, [28])
    end).

'terms in old encodings'(C) ->
    kept(C, fun(W, P) ->
        Old = <<104, 3, 100, 3:16, "old", 99, "1.50000000000000000000e+00", 0:40, 115, 1, "x">>,
        frame(W, [131, 68, 0, term({22, pid(W), P}), Old]),
        [{old, 1.5, x}] = flushed(P, 1)
    end).

'integers with more bytes than they need'(C) ->
    kept(C, fun(W, P) ->
        frame(W, [131, 68, 0, term({22, pid(W), P}), <<104, 2, 119, 1, "n", 110, 4, 0, 7, 0, 0, 0>>]),
        [{n, Seven}] = flushed(P, 1),
        true = Seven =:= 7
    end).

'a list that is 200 000 deep'(C) ->
    kept(C, fun(W, P) ->
        Deep = [binary:copy(<<108, 1:32>>, 200000), 106, binary:copy(<<106>>, 200000)],
        frame(W, [131, 68, 0, term({22, pid(W), P}), Deep]),
        barrier(P)
    end).

'frames byte by byte'(C) ->
    kept(C, fun(W, P) ->
        Frame = iolist_to_binary([131, 68, 0, term({22, pid(W), P}), term({n, 1})]),
        Bytes = <<(byte_size(Frame)):32, Frame/binary>>,
        [ok = cnode_conf_wire:send(W, <<B>>) || <<B>> <= Bytes],
        [{n, 1}] = flushed(P, 1)
    end).

'many frames in one write'(C) ->
    kept(C, fun(W, P) ->
        Frame = iolist_to_binary([131, 68, 0, term({22, pid(W), P}), term({n, 1})]),
        ok = cnode_conf_wire:send(W, binary:copy(<<(byte_size(Frame)):32, Frame/binary>>, 500)),
        500 = length(flushed(P, 500))
    end).

%% -------------------------------------------------------- wrong, and not taken

'REG_SEND from what is no pid'(C) -> dropped(C, fun(W, _) -> control(W, {6, nobody, nil(), probe}, x) end).
'a message without its payload'(C) -> dropped(C, fun(W, P) -> control(W, {22, pid(W), P}) end).
'LINK from a third node'(C) -> dropped(C, fun(W, P) -> control(W, {1, foreign(), P}) end).
'LINK to a third node'(C) -> dropped(C, fun(W, _) -> control(W, {1, pid(W), foreign()}) end).
'EXIT2 from a third node'(C) -> dropped(C, fun(W, P) -> control(W, {26, foreign(), P}, boom) end).
'EXIT2 to a third node'(C) -> dropped(C, fun(W, _) -> control(W, {26, pid(W), foreign()}, boom) end).
'MONITOR_P of a third node'(C) -> dropped(C, fun(W, _) -> control(W, {19, pid(W), foreign(), ref(W)}) end).
'EXIT to an older incarnation'(C) -> dropped(C, fun(W, P) -> control(W, {24, pid(W), stale(P)}, boom) end).
'UNLINK_ID with 0'(C) -> dropped(C, fun(W, P) -> control(W, {35, 0, pid(W), P}) end).
'an operation nobody knows'(C) -> dropped(C, fun(W, P) -> control(W, {99, pid(W), P}) end).
'a control message that is no tuple'(C) -> dropped(C, fun(W, _) -> control(W, [22]) end).
'a control message that is empty'(C) -> dropped(C, fun(W, _) -> control(W, {}) end).
'a control message of wrong length'(C) -> dropped(C, fun(W, P) -> control(W, {1, pid(W), P, more, things}) end).
'a frame without a header'(C) -> dropped(C, fun(W, P) -> frame(W, [131, term({22, pid(W), P}), term(x)]) end).
'a frame of one byte'(C) -> dropped(C, fun(W, _) -> frame(W, [131]) end).
'a frame in the form of old'(C) -> dropped(C, fun(W, P) -> frame(W, [112, 131, term({22, pid(W), P}), 131, term(x)]) end).
'a version within the header'(C) -> dropped(C, fun(W, P) -> frame(W, [131, 68, 0, 131, term({22, pid(W), P}), 131, term(x)]) end).
'a payload that is cut'(C) ->
    dropped(C, fun(W, P) -> frame(W, [131, 68, 0, term({22, pid(W), P}), <<109, 1000:32, "short">>]) end).
'a binary of four gigabytes'(C) ->
    dropped(C, fun(W, P) -> frame(W, [131, 68, 0, term({22, pid(W), P}), <<109, 16#FFFFFFF0:32, "short">>]) end).
'a tuple of four billion elements'(C) ->
    dropped(C, fun(W, P) -> frame(W, [131, 68, 0, term({22, pid(W), P}), <<105, 16#FFFFFFFF:32, 97, 1>>]) end).
'a compressed payload'(C) ->
    dropped(C, fun(W, P) ->
        <<131, Compressed/binary>> = term_to_binary(lists:duplicate(1000, $x), [compressed]),
        frame(W, [131, 68, 0, term({22, pid(W), P}), Compressed])
    end).
'an atom of 256 characters'(C) ->
    dropped(C, fun(W, P) ->
        frame(W, [131, 68, 0, term({22, pid(W), P}), <<118, 256:16>>, lists:duplicate(256, $a)])
    end).
'a map with a key twice'(C) ->
    dropped(C, fun(W, P) ->
        frame(W, [131, 68, 0, term({22, pid(W), P}), <<116, 2:32, 97, 1, 97, 2, 97, 1, 97, 3>>])
    end).
'a float that is none'(C) ->
    dropped(C, fun(W, P) ->
        frame(W, [131, 68, 0, term({22, pid(W), P}), <<70, 16#7FF8:16, 0:48>>])
    end).
'an infinite float'(C) ->
    dropped(C, fun(W, P) ->
        frame(W, [131, 68, 0, term({22, pid(W), P}), <<70, 16#7FF0:16, 0:48>>])
    end).
'an unknown tag'(C) -> dropped(C, fun(W, P) -> frame(W, [131, 68, 0, term({22, pid(W), P}), 255]) end).
'a fragment of nothing'(C) -> dropped(C, fun(W, _) -> frame(W, <<131, 70, 9:64, 1:64, "x">>) end).
'fragments that skip one'(C) ->
    dropped(C, fun(W, P) ->
        frame(W, [<<131, 69, 9:64, 3:64, 0>>, term({22, pid(W), P}), <<109>>]),
        frame(W, <<131, 70, 9:64, 1:64, "x">>)
    end).
'fragments that begin twice'(C) ->
    dropped(C, fun(W, P) ->
        [frame(W, [<<131, 69, 9:64, 3:64, 0>>, term({22, pid(W), P}), <<109>>]) || _ <- [1, 2]]
    end).
'a fragment with number 0'(#{target := Target} = C) ->
    case Target of
        beam -> {skip, "it ends OTP's own node"};
        c -> dropped(C, fun(W, P) -> frame(W, [<<131, 69, 9:64, 0:64, 0>>, term({22, pid(W), P}), <<97, 1>>]) end)
    end.
'a frame of four gigabytes'(C) ->
    dropped(C, fun(W, _) ->
        cnode_conf_wire:send(W, <<16#FFFFFFFF:32, 131, 68, 0>>),
        cnode_conf_wire:send(W, binary:copy(<<0>>, 100000))
    end).
'UNLINK in the form of old'(#{target := Target} = C) ->
    Do = fun(W, P) ->
        control(W, {1, pid(W), P}),
        control(W, {4, pid(W), P})
    end,
    case Target =:= beam andalso otp() >= 26 of
        true -> dropped(C, Do);
        false -> kept(C, Do)
    end.

'noise'(C) ->
    dropped(C, fun(W, _) -> frame(W, crypto_like(1000)) end).

crypto_like(N) -> << <<(rand:uniform(256) - 1)>> || _ <- lists:seq(1, N) >>.

'many connections of noise'(C) ->
    [dropped(C, fun(W, _) -> frame(W, [131, 68, 0, crypto_like(200)]) end) || _ <- lists:seq(1, 20)].
