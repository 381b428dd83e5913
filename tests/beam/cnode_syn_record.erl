%% SPDX-License-Identifier: Apache-2.0
%%
%% Records what two BEAM nodes with real syn say to each other while things
%% happen, for tests/golden; run by tests/golden/record_syn.sh.
%%
%% A line is made of columns, separated by tabs:
%%
%%     who      Side  Which          Bytes   a pid: of a scope process, or the nth agent
%%     do       Side  Term                   what is done there, see steps/0
%%     message  Side  registry | pg  Bytes   what that side says to the other
%%     request  Side  registry | pg  Bytes   a call
%%     answer   Side  registry | pg  Bytes   its answer
%%
%% Bytes are a term in external format, in hexadecimal, without the first byte.
-module(cnode_syn_record).

-export([main/1, name/1, scope/0, agents/0]).
%% on the nodes
-export([begin_trace/3]).

-define(QUIET_MS, 200).

scope() -> scope.
agents() -> 4.

%% {Agent, Side} is a process. `apart` and `together` happen to both.
steps() ->
    [
        {a, {register, {1, a}, <<"pre a">>, undefined}},
        {a, {join, {1, a}, pre, a}},
        {b, {register, {1, b}, <<"pre b">>, #{some => <<"meta">>}}},
        {b, {join, {1, b}, pre, b}},
        {b, {join, {2, b}, pre, {b, 2}}},
        {both, together},
        {a, {register, {1, a}, n1, m1}},
        {a, {register, {1, a}, n1, m2}},
        {a, {register, {1, a}, n1, m2}},
        {b, {register, {1, b}, {n, 2}, [m, 1]}},
        {b, {register, {1, b}, {n, 2}, "text"}},
        {a, {unregister, n1}},
        {b, {unregister, {n, 2}}},
        {a, {join, {1, a}, g, m1}},
        {a, {join, {1, a}, g, m2}},
        {b, {join, {1, b}, g, #{}}},
        {b, {join, {1, b}, g, 3.5}},
        {a, {leave, {1, a}, g}},
        {b, {leave, {1, b}, g}},
        %% for a process of the other side
        {a, {register, {2, b}, for_b, m1}},
        {a, {register, {2, b}, for_b, m2}},
        {a, {register, {2, b}, for_b, m2}},
        {a, {register, {1, b}, for_b, m3}},
        {a, {unregister, for_b}},
        {a, {join, {2, b}, h, m1}},
        {a, {join, {2, b}, h, m2}},
        {a, {join, {2, b}, h, m2}},
        {a, {leave, {2, b}, h}},
        {a, {leave, {2, b}, h}},
        {b, {register, {2, a}, for_a, m1}},
        {b, {register, {2, a}, for_a, m2}},
        {b, {unregister, for_a}},
        {b, {join, {2, a}, h, m1}},
        {b, {leave, {2, a}, h}},
        %% ends
        {a, {register, {2, a}, ends, m}},
        {a, {join, {2, a}, ends, m}},
        {a, {exit, {2, a}, crashed}},
        {b, {register, {2, b}, ends, m}},
        {b, {exit, {2, b}, {shutdown, [crashed]}}},
        %% apart and together again, with a conflict each way
        {both, apart},
        {b, {register, {3, b}, dup_a, b}},
        {a, {register, {3, a}, dup_a, a}},
        {a, {register, {4, a}, dup_b, a}},
        {b, {register, {4, b}, dup_b, b}},
        {both, together},
        {a, {register, {1, a}, last, m}},
        {b, {register, {1, b}, last_too, m}}
    ].

main([Dir]) ->
    cnode_peer:start_distribution(),
    Beams = maps:from_list([{Side, cnode_syn:start_beam_as(name(Side), Dir, [scope()])} || Side <- [a, b]]),
    Agents = maps:from_list([{{N, Side}, cnode_syn:agent(maps:get(Side, Beams))} || Side <- [a, b], N <- lists:seq(1, agents())]),
    io:format("# syn ~s, OTP ~s, recorded by tests/golden/record_syn.sh~n", [cnode_syn:label(Dir), erlang:system_info(otp_release)]),
    [trace(Side, Beams, Agents) || Side <- [a, b]],
    [step(Step, Beams, Agents) || Step <- steps()],
    [cnode_syn:stop_beam(Beam) || Beam <- maps:values(Beams)],
    halt(0).

name(Side) -> list_to_atom(atom_to_list(Side) ++ "@127.0.0.1").

trace(Side, Beams, Agents) ->
    Beam = maps:get(Side, Beams),
    Scopes = [{Kind, cnode_syn:on(Beam, erlang, whereis, [Name])} || {Kind, Name} <- [{registry, syn_registry_scope}, {pg, syn_pg_scope}]],
    Mine = [{agent, Pid} || {{_, S}, Pid} <- maps:to_list(Agents), S =:= Side],
    [who(Side, Kind, Pid) || {Kind, Pid} <- Scopes],
    [who(Side, N, Pid) || {{N, S}, Pid} <- lists:sort(maps:to_list(Agents)), S =:= Side],
    ok = cnode_syn:on(Beam, ?MODULE, begin_trace, [self(), Side, Scopes ++ Mine]).

who(Side, Which, Pid) -> line([who, Side, Which, hex(Pid)]).

%% ------------------------------------------------------------------ on a node

begin_trace(To, Side, Pids) ->
    Me = self(),
    Tracer = spawn(fun() ->
        [1 = erlang:trace(Pid, true, ['receive']) || {_, Pid} <- Pids],
        Me ! {self(), ready},
        traced(To, Side, maps:from_list([{Pid, Kind} || {Kind, Pid} <- Pids]))
    end),
    receive
        {Tracer, ready} -> ok
    end.

traced(To, Side, Kinds) ->
    receive
        {trace, Pid, 'receive', Message} ->
            To ! {got, Side, maps:get(Pid, Kinds), Message},
            traced(To, Side, Kinds)
    end.

%% ------------------------------------------------------------------ what happens

step({Side, What}, Beams, Agents) ->
    line([do, Side, io_lib:format("~0tp", [What])]),
    act(Side, What, Beams, Agents),
    said().

act(both, together, #{a := A, b := B}, _) -> cnode_syn:heal(A, B);
act(both, apart, #{a := A, b := B}, _) -> cnode_syn:split(A, B);
act(_, {exit, Agent, Reason}, _, Agents) -> maps:get(Agent, Agents) ! {exit, Reason};
act(Side, {register, Agent, Name, Meta}, _, Agents) ->
    api(Side, Agents, register, [scope(), Name, maps:get(Agent, Agents), Meta]);
act(Side, {unregister, Name}, _, Agents) -> api(Side, Agents, unregister, [scope(), Name]);
act(Side, {join, Agent, Group, Meta}, _, Agents) -> api(Side, Agents, join, [scope(), Group, maps:get(Agent, Agents), Meta]);
act(Side, {leave, Agent, Group}, _, Agents) -> api(Side, Agents, leave, [scope(), Group, maps:get(Agent, Agents)]).

api(Side, Agents, Function, Args) -> cnode_syn:ask(maps:get({1, Side}, Agents), {Function, Args}).

%% Until nothing is said any more. Requests come before all else: each side tells
%% on its own, so that the answer may be known first.
said() ->
    Heard = heard(),
    Asked = [{Side, Kind, Tag, Request} || {Side, Kind, {'$gen_call', {From, Tag}, Request}} <- Heard,
        Kind =/= agent, not is_of(Side, From)],
    [line([request, other(Side), Kind, hex(Request)]) || {Side, Kind, _, Request} <- Asked],
    [said(Event, Asked) || Event <- Heard],
    ok.

said({Side, agent, {Tag, Answer}}, Asked) ->
    [line([answer, other(Side), Kind, hex(Answer)]) || {_, Kind, T, _} <- Asked, T =:= Tag];
said({Side, Kind, Message}, _) when Kind =/= agent, element(1, Message) =:= '3.0' ->
    line([message, other(Side), Kind, hex(Message)]);
said(_, _) ->
    ok.

heard() ->
    receive
        {got, Side, Kind, Message} -> [{Side, Kind, Message} | heard()]
    after ?QUIET_MS -> []
    end.

%% A call of its own node, or of the other one.
is_of(Side, From) -> node(From) =:= name(Side).

other(a) -> b;
other(b) -> a.

%% ----------------------------------------------------------------------- lines

line(Columns) -> io:format("~ts~n", [lists:join("\t", [text(Column) || Column <- Columns])]).

text(Column) when is_atom(Column) -> atom_to_list(Column);
text(Column) when is_integer(Column) -> integer_to_list(Column);
text(Column) -> Column.

hex(Term) ->
    <<131, Bytes/binary>> = term_to_binary(Term, [{minor_version, 2}]),
    [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bytes].
