%% SPDX-License-Identifier: Apache-2.0
%%
%% Random scripts of links, monitors, exits, names and aliases among processes of
%% the node under test and of this one, run there and on a BEAM node, step by
%% step. What each process saw at each step has to be the same.
%%
%% A failure names its seed: CNODE_CONF_SEED=N runs that script alone;
%% CNODE_CONF_SCRIPTS=N runs that many instead of a few.
-module(cnode_conf_random).

-include("cnode_conf.hrl").

-define(PROBES, 4).
-define(PUPPETS, 2).

limit(_) -> 60000 + 3000 * scripts().

scripts() -> list_to_integer(os:getenv("CNODE_CONF_SCRIPTS", "8")).

'random scripts of signals end as on a BEAM'(C) ->
    Oracle = oracle(C),
    case os:getenv("CNODE_CONF_SEED") of
        false ->
            Base = erlang:phash2({node(), erlang:monotonic_time()}, 1 bsl 28),
            [compare(Base + I, C, Oracle, 1) || I <- lists:seq(1, scripts())];
        Seed ->
            compare(list_to_integer(Seed), C, Oracle, 1)
    end.

oracle(#{spec := Spec} = C) ->
    Oracle = cnode_conf_host:start(C#{spec := Spec#{target := beam}}, #{}),
    put(oracle, Oracle),
    Oracle.

%% Signals of different senders may come in any order: a difference counts when
%% it is there again with more patience.
compare(Seed, C, Oracle, Patience) ->
    Script = script(Seed),
    case {run(Script, C, Patience), run(Script, Oracle, Patience)} of
        {Same, Same} -> ok;
        _ when Patience < 3 -> compare(Seed, C, Oracle, Patience + 1);
        {Ours, Theirs} -> error({seed, Seed, first_difference(Script, Ours, Theirs, [])})
    end.

%% The steps up to where they part.
first_difference([Op | Script], [Same | Ours], [Same | Theirs], Done) ->
    first_difference(Script, Ours, Theirs, [Op | Done]);
first_difference([Op | _], [Ours | _], [Theirs | _], Done) ->
    #{steps => lists:reverse(Done), then => Op, here => Ours, 'BEAM' => Theirs}.

%% ----------------------------------------------------------------- the scripts

script(Seed) ->
    _ = rand:seed(exsss, Seed),
    [op() || _ <- lists:seq(1, 40)].

op() ->
    P = {p, rand:uniform(?PROBES)},
    Q = {q, rand:uniform(?PUPPETS)},
    X = any(),
    pick([
        {tell, P, trap_exit, pick([true, true, false])},
        {tell, P, link, X},
        {tell, P, link, X},
        {tell, P, unlink, X},
        {tell, P, monitor, X},
        {tell, P, monitor, {name, rand:uniform(2)}},
        {tell, P, demonitor, {nth, rand:uniform(6)}},
        {exit, P, other(P), reason()},
        {send, P, X},
        {send, P, {name, rand:uniform(2)}},
        {send, P, {nth, rand:uniform(6)}},
        {tell, P, register, {name, rand:uniform(2)}},
        {tell, P, unregister, {name, rand:uniform(2)}},
        {tell, P, whereis, {name, rand:uniform(2)}},
        {alias, P},
        {tell, P, unalias, {nth, rand:uniform(6)}},
        {stop, P, reason()},
        {here, Q, link, P},
        {here, Q, unlink, P},
        {here, Q, monitor, P},
        {here, Q, monitor_name, {name, rand:uniform(2)}},
        {here, Q, exit, P, reason()},
        {here, Q, send, P},
        {here, Q, send_alias, {nth, rand:uniform(6)}},
        {again, P},
        {again, Q}
    ]).

%% A gen_server takes an exit of its own for one of its parent.
other(P) ->
    case any() of
        P -> other(P);
        X -> X
    end.

any() -> pick([{p, I} || I <- lists:seq(1, ?PROBES)] ++ [{q, I} || I <- lists:seq(1, ?PUPPETS)]).
reason() -> pick([normal, boom, kill, killed, shutdown, {shutdown, x}]).
pick(List) -> lists:nth(rand:uniform(length(List)), List).

%% --------------------------------------------------------------- running them

%% What everybody saw at each step, without what differs by nature.
run(Script, C, Patience) ->
    Names = #{1 => name(), 2 => name()},
    Probes = maps:from_list([{{p, I}, probe(C)} || I <- lists:seq(1, ?PROBES)]),
    Puppets = maps:from_list([{{q, I}, recorder()} || I <- lists:seq(1, ?PUPPETS)]),
    State = #{c => C, pids => maps:merge(Probes, Puppets), names => Names, refs => [], old => [], patience => Patience},
    {Seen, End} = lists:mapfoldl(fun step/2, State, Script),
    [exit(Pid, kill) || {_, Pid} <- maps:to_list(maps:get(pids, End))],
    Seen.

step({again, Who}, #{pids := Pids, c := C, old := Old} = State) ->
    Pid = maps:get(Who, Pids),
    case seen(Who, Pid) of
        ended -> {again, State#{pids := Pids#{Who := another(Who, C)}, old := [{Pid, Who} | Old]}};
        Messages -> {plain({alive, [{Who, Messages}]}, State), State}
    end;
step(Op, State) ->
    {Result, Next} = act(Op, State),
    settle(Next),
    Seen = lists:sort([{Who, seen(Who, Pid)} || {Who, Pid} <- maps:to_list(maps:get(pids, Next))]),
    {plain({Result, Seen}, Next), Next}.

another({p, _}, C) -> probe(C);
another({q, _}, _) -> recorder().

act({tell, P, What, {nth, N}}, State) -> asked(P, {What, nth_ref(N, State)}, State);
act({tell, P, trap_exit, Flag}, State) -> asked(P, {trap_exit, Flag}, State);
act({tell, P, What, X}, State) -> asked(P, {What, term(X, State)}, State);
act({alias, P}, State) -> asked(P, alias, State);
act({send, P, {nth, N}}, State) -> asked(P, {send, nth_ref(N, State), {sent, P}}, State);
act({send, P, X}, State) -> asked(P, {send, term(X, State), {sent, P}}, State);
act({exit, P, X, Reason}, State) -> asked(P, {exit, term(X, State), Reason}, State);
act({stop, P, Reason}, State) ->
    gen_server:cast(term(P, State), {exit, Reason}),
    {done, State};
act({here, Q, What, X}, State) -> {done, told(What, term(Q, State), X, State)};
act({here, Q, exit, P, Reason}, State) ->
    Pid = term(P, State),
    term(Q, State) ! {run, fun() -> exit(Pid, Reason) end},
    {done, State}.

told(monitor, Q, P, State) ->
    Pid = term(P, State),
    Q ! {run, fun() -> monitor(process, Pid) end},
    State;
told(monitor_name, Q, Name, #{c := #{node := Node}} = State) ->
    Atom = term(Name, State),
    Q ! {run, fun() -> monitor(process, {Atom, Node}) end},
    State;
told(send_alias, Q, {nth, N}, State) ->
    Ref = nth_ref(N, State),
    Q ! {run, fun() -> Ref ! {sent, by_alias} end},
    State;
told(send, Q, P, State) ->
    Pid = term(P, State),
    Q ! {run, fun() -> Pid ! {sent, from_here} end},
    State;
told(What, Q, P, State) ->
    Pid = term(P, State),
    Q ! {run, fun() -> erlang:What(Pid) end},
    State.

%% The result of a probe that ended meanwhile is of no interest.
asked(P, Request, #{refs := Refs} = State) ->
    Pid = term(P, State),
    try gen_server:call(Pid, Request, 5000) of
        Ref when is_reference(Ref) -> {{ref, length(Refs) + 1}, State#{refs := Refs ++ [Ref]}};
        Result ->
            case is_there(Pid) of
                true -> {{result, Result}, State};
                false -> {ended, State}
            end
    catch
        exit:{timeout, _} -> {hangs, State};
        exit:_ -> {ended, State}
    end.

nth_ref(_, #{refs := []}) -> some_ref();
nth_ref(N, #{refs := Refs}) -> lists:nth((N - 1) rem length(Refs) + 1, Refs).

some_ref() -> monitor(process, self()).

term({name, N}, #{names := Names}) -> maps:get(N, Names);
term(Who, #{pids := Pids}) -> maps:get(Who, Pids).

is_there(Pid) ->
    try
        Pid =:= gen_server:call(Pid, self, 5000)
    catch
        exit:_ -> false
    end.

%% Several rounds: an end may go through several links.
settle(#{pids := Pids, patience := Patience}) ->
    [settle_one(Who, Pid) || _ <- lists:seq(1, 3 * Patience * Patience), {Who, Pid} <- maps:to_list(Pids)].

settle_one({p, _}, Pid) -> is_there(Pid);
settle_one({q, _}, Pid) -> request(Pid, sync).

seen({p, _}, Pid) ->
    try
        lists:sort(gen_server:call(Pid, flush, 5000))
    catch
        exit:_ -> ended
    end;
seen({q, _}, Pid) -> request(Pid, take).

%% A process of this node that traps exits, does what it is told, and records
%% everything else.
recorder() ->
    Owner = self(),
    spawn(fun() ->
        process_flag(trap_exit, true),
        record(monitor(process, Owner), [])
    end).

request(Recorder, What) ->
    Monitor = monitor(process, Recorder),
    Recorder ! {What, self(), Monitor},
    receive
        {Monitor, Answer} ->
            demonitor(Monitor, [flush]),
            lists:sort(Answer);
        {'DOWN', Monitor, _, _, _} ->
            ended
    end.

record(Owner, Seen) ->
    receive
        {run, Fun} ->
            _ = Fun(),
            record(Owner, Seen);
        {sync, From, Ref} ->
            From ! {Ref, []},
            record(Owner, Seen);
        {take, From, Ref} ->
            From ! {Ref, Seen},
            record(Owner, []);
        {'DOWN', Owner, _, _, _} ->
            ok;
        Message ->
            record(Owner, [Message | Seen])
    end.

%% -------------------------------------------------- without what differs anyway

plain(Term, #{pids := Pids, names := Names, refs := Refs, old := Old, c := #{node := Node}}) ->
    Known = maps:from_list(
        Old ++ [{Pid, Who} || {Who, Pid} <- maps:to_list(Pids)] ++
            [{Name, {name, N}} || {N, Name} <- maps:to_list(Names)] ++
            lists:zip(Refs, [{ref, N} || N <- lists:seq(1, length(Refs))]) ++ [{Node, node_under_test}]
    ),
    sorted(replace(Term, Known)).

replace({noproc, [_ | _]}, _) -> noproc;
replace(Term, Known) when is_map_key(Term, Known) -> maps:get(Term, Known);
replace(Tuple, Known) when is_tuple(Tuple) -> list_to_tuple(replace(tuple_to_list(Tuple), Known));
replace([Head | Tail], Known) -> [replace(Head, Known) | replace(Tail, Known)];
replace(Ref, _) when is_reference(Ref) -> a_ref;
replace(Pid, _) when is_pid(Pid) -> a_pid;
replace(Term, _) -> Term.

%% Once more: pids sort by what they are made of.
sorted({Result, Seen}) ->
    {Result, [{Who, case is_list(Messages) of true -> lists:sort(Messages); false -> Messages end} || {Who, Messages} <- Seen]}.
