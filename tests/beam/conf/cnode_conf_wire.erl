%% SPDX-License-Identifier: Apache-2.0
%%
%% A peer on a bare socket, for what no BEAM would send: handshake, frames,
%% control messages byte by byte.
%%
%%     Wire = cnode_conf_wire:open(C),
%%     cnode_conf_wire:control(Wire, {6, cnode_conf_wire:pid(Wire), '', name}, hello),
%%     kept = cnode_conf_wire:verdict(Wire).
-module(cnode_conf_wire).

-export([open/1, open/2, close/1, pid/1, pid/2, ref/1]).
-export([frame/2, control/2, control/3, term/1, send/2, next/1, next/2, verdict/1]).

%% What distribution.md advises, hidden: no global, no pg.
-define(FLAGS, 16#2D07DF5FBC).

open(C) -> open(C, ?FLAGS).

open(#{node := Node}, Flags) ->
    [Alive, Host] = string:lexemes(atom_to_list(Node), "@"),
    {port, Port, _} = erl_epmd:port_please(Alive, Host),
    {ok, Socket} = gen_tcp:connect(Host, Port, [binary, {packet, 2}, {active, false}, {nodelay, true}]),
    Name = "raw_" ++ integer_to_list(erlang:unique_integer([positive])) ++ "_" ++ os:getpid() ++ "@127.0.0.1",
    Creation = rand:uniform(16#FFFFFFF) + 16,
    ok = gen_tcp:send(Socket, [<<$N, Flags:64, Creation:32, (length(Name)):16>>, Name]),
    {ok, <<"sok">>} = gen_tcp:recv(Socket, 0, 5000),
    {ok, <<$N, _:64, Challenge:32, TheirCreation:32, _/binary>>} = gen_tcp:recv(Socket, 0, 5000),
    Cookie = atom_to_list(erlang:get_cookie()),
    ok = gen_tcp:send(Socket, <<$r, 4711:32, (erlang:md5([Cookie, integer_to_list(Challenge)]))/binary>>),
    {ok, <<$a, Digest:16/binary>>} = gen_tcp:recv(Socket, 0, 5000),
    Digest = erlang:md5([Cookie, "4711"]),
    ok = inet:setopts(Socket, [{packet, 4}]),
    #{socket => Socket, name => Name, creation => Creation, node => Node, their_creation => TheirCreation}.

close(#{socket := Socket}) -> gen_tcp:close(Socket).

%% A process of ours.
pid(Wire) -> pid(Wire, 1).
pid(#{name := Name, creation := Creation}, Id) ->
    binary_to_term(<<131, 88, 119, (length(Name)), (list_to_binary(Name))/binary, Id:32, 0:32, Creation:32>>).

ref(#{name := Name, creation := Creation}) ->
    Unique = erlang:unique_integer([positive]),
    binary_to_term(<<131, 90, 3:16, 119, (length(Name)), (list_to_binary(Name))/binary, Creation:32, 1:32, 2:32, Unique:32>>).

%% A term as it stands after a distribution header: without its version.
term(Term) ->
    <<131, Bytes/binary>> = term_to_binary(Term),
    Bytes.

control(Wire, Control) -> frame(Wire, [131, 68, 0, term(Control)]).
control(Wire, Control, Payload) -> frame(Wire, [131, 68, 0, term(Control), term(Payload)]).

frame(#{socket := Socket}, Bytes) -> gen_tcp:send(Socket, Bytes).

%% Bytes without a length before them.
send(#{socket := Socket}, Bytes) ->
    ok = inet:setopts(Socket, [{packet, raw}]),
    Sent = gen_tcp:send(Socket, Bytes),
    ok = inet:setopts(Socket, [{packet, 4}]),
    Sent.

%% The next frame that is not a tick: {Control, Payload bytes}.
next(#{socket := Socket} = Wire) ->
    case gen_tcp:recv(Socket, 0, 5000) of
        {ok, <<>>} ->
            next(Wire);
        {ok, <<131, 68, 0, Terms/binary>>} ->
            {Control, Used} = binary_to_term(<<131, Terms/binary>>, [used]),
            {Control, binary:part(Terms, Used - 1, byte_size(Terms) - Used + 1)};
        {error, Reason} ->
            {error, Reason}
    end.

%% The next of one of these operations; a node says other things too.
next(Wire, Ops) ->
    case next(Wire) of
        {error, Reason} ->
            error(Reason);
        {Control, _} = Message ->
            case lists:member(element(1, Control), Ops) of
                true -> Message;
                false -> next(Wire, Ops)
            end
    end.

%% Was the connection kept? A monitor of a name that nobody has tells.
verdict(Wire) ->
    Ref = ref(Wire),
    _ = control(Wire, {19, pid(Wire, 77), cnode_conf_nobody, Ref}),
    verdict(Wire, Ref).

verdict(Wire, Ref) ->
    case next(Wire) of
        {{28, cnode_conf_nobody, _, Ref}, _} -> kept;
        {{21, cnode_conf_nobody, _, Ref, noproc}, _} -> kept;
        {error, closed} -> dropped;
        {error, timeout} -> hangs;
        {error, Reason} when Reason =:= econnreset; Reason =:= enotconn; Reason =:= epipe -> dropped;
        _ -> verdict(Wire, Ref)
    end.
