%% SPDX-License-Identifier: Apache-2.0
%%
%% What real syn nodes said to each other (tests/golden/syn-*.txt, see
%% cnode_syn_record) with a C node in the place of either of them: it is told what
%% the other one said, and has to say what the one in its place did. No syn is
%% needed for it.
%%
%% A small BEAM plays the other node: processes with the names of scope processes
%% that send what they are told and tell what they get.
-module(cnode_syn_replay_tests).

-include_lib("eunit/include/eunit.hrl").

-export([begin_fakes/1, begin_call/3]).

-define(S, scope).
-define(PATIENCE, 10000).
-define(QUIET_MS, 30).

-record(play, {
    c, beam,
    role,          % the side that the C node is
    pids,          % recorded pid => that of the replay
    fakes,         % kind => process of the BEAM
    agents         % {N, Side} => process of the replay
}).

%% 3.3.0 does not announce the losers of conflicts, and a C node does: what it
%% says is compared with the newer ones.
replay_test_() ->
    cnode_peer:tests([
        {"syn " ++ Version ++ ", the C node is " ++ atom_to_list(Role), fun() -> replay(Version, Role) end}
     || Version <- ["3.4.1", "807efaf"], Role <- [a, b]
    ]).

replay(Version, Role) ->
    {Who, Steps} = read("tests/golden/syn-" ++ Version ++ ".txt"),
    C = cnode_peer:start(#{
        node => #{mesh => false},
        syn => #{scopes => [?S]},
        services => #{probe => #{behaviour => probe}}
    }),
    Beam = cnode_peer:start_beam(["-connect_all", "false", "-kernel", "prevent_overlapping_partitions", "false"]),
    Fakes = cnode_syn:on(Beam, ?MODULE, begin_fakes, [self()]),
    Agents = maps:from_list([{{N, Side}, agent(Side =:= Role, C, Beam)} || {Side, N, _} <- Who, is_integer(N)]),
    Pids = maps:from_list([{Recorded, actual(Which, Side, Role, C, Fakes, Agents)} || {Side, Which, Recorded} <- Who]),
    Play = #play{c = C, beam = Beam, role = Role, pids = Pids, fakes = Fakes, agents = Agents},
    [step(Step, Play) || Step <- Steps],
    cnode_peer:stop_beam(Beam),
    0 = cnode_peer:stop(C).

agent(true, C, _) -> cnode_syn:probe(C);
agent(false, _, Beam) -> cnode_syn:agent(Beam).

actual(N, Side, _, _, _, Agents) when is_integer(N) -> maps:get({N, Side}, Agents);
actual(Kind, Role, Role, C, _, _) -> cnode_syn:call(C, {whereis, process_name(Kind)});
actual(Kind, _, _, _, Fakes, _) -> maps:get(Kind, Fakes).

process_name(registry) -> syn_registry_scope;
process_name(pg) -> syn_pg_scope.

%% ------------------------------------------------------------ on the small BEAM

begin_fakes(To) ->
    maps:from_list([
        begin
            Pid = spawn(fun() -> fake(Kind, To) end),
            true = register(process_name(Kind), Pid),
            {Kind, Pid}
        end
     || Kind <- [registry, pg]
    ]).

fake(Kind, To) ->
    receive
        {say, Node, Message} -> {process_name(Kind), Node} ! Message;
        {answer, From, Answer} -> gen_server:reply(From, Answer);
        {'$gen_call', From, Request} -> To ! {said, Kind, {request, From, Request}};
        Message when element(1, Message) =:= '3.0' -> To ! {said, Kind, {message, Message}};
        _ -> ok
    end,
    fake(Kind, To).

begin_call(To, Kind, {Node, Request}) ->
    spawn(fun() -> To ! {answered, Kind, gen_server:call({process_name(Kind), Node}, Request)} end).

%% ---------------------------------------------------------------- a recording

%% {[{Side, Which, Pid}], [{{Side, What}, [{message | request | answer, Side, Kind, Term}]}]}
read(File) ->
    {ok, Text} = file:read_file(File),
    Lines = [string:split(Line, "\t", all) || Line <- string:lexemes(binary_to_list(Text), "\n"), hd(Line) =/= $#],
    {Who, Rest} = lists:splitwith(fun([Kind | _]) -> Kind =:= "who" end, Lines),
    {[{atom(Side), which(Which), term(Hex)} || ["who", Side, Which, Hex] <- Who], steps(Rest)}.

steps([]) -> [];
steps([["do", Side, What] | Rest]) ->
    {Said, Others} = lists:splitwith(fun([Kind | _]) -> Kind =/= "do" end, Rest),
    {ok, Tokens, _} = erl_scan:string(What ++ "."),
    {ok, Term} = erl_parse:parse_term(Tokens),
    [{{atom(Side), Term}, [{atom(How), atom(Who), atom(Kind), term(Hex)} || [How, Who, Kind, Hex] <- Said]} | steps(Others)].

atom(Text) -> list_to_atom(Text).
which(Text) when hd(Text) =< $9 -> list_to_integer(Text);
which(Text) -> atom(Text).
term(Hex) -> binary_to_term(<<131, (binary:decode_hex(list_to_binary(Hex)))/binary>>).

%% ------------------------------------------------------------------- a replay

step({{Side, What}, Said}, #play{role = Role} = Play) ->
    Waiting = act(Side, What, Play),
    {Ours, Theirs} = lists:partition(fun({_, Who, _, _}) -> Who =:= Role end, Said),
    [tell(Line, Play) || Line <- Theirs],
    Heard = heard(length(Ours), [Answer || {answer, _, _, Answer} <- Theirs], Play),
    Expected = [{How, Kind, plain(actual(Term, Play))} || {How, _, Kind, Term} <- Ours],
    ?assertEqual({What, sorted(What, Expected)}, {What, sorted(What, Heard)}),
    [?assertMatch({reply, _}, gen_server:receive_response(Request, ?PATIENCE)) || Request <- Waiting].

%% In what order a node deals with several conflicts is its own affair; nor do
%% registry and groups know each other.
sorted(together, Said) -> lists:sort(Said);
sorted(_, Said) -> lists:keysort(2, Said).

act(both, together, #play{c = C, beam = Beam}) -> cnode_syn:heal(Beam, C), [];
act(both, apart, #play{c = C, beam = Beam}) -> cnode_syn:split(Beam, C), [];
act(Role, {exit, Agent, Reason}, #play{role = Role, agents = Agents}) ->
    cnode_syn:cast(maps:get(Agent, Agents), {exit, Reason}),
    [];
act(Role, What, #play{role = Role, agents = Agents}) ->
    [gen_server:send_request(maps:get({1, Role}, Agents), request(What, Agents))];
act(_, {exit, Agent, Reason}, #play{agents = Agents}) ->
    maps:get(Agent, Agents) ! {exit, Reason},
    [];
act(_, {_, Agent, Key, _}, #play{agents = Agents}) ->
    _ = put({time, maps:get(Agent, Agents), Key}, erlang:system_time()),
    [];
act(_, _, _) -> [].

request({register, Agent, Name, Meta}, Agents) -> {syn, register, ?S, Name, Meta, maps:get(Agent, Agents)};
request({unregister, Name}, _) -> {syn, unregister, ?S, Name};
request({join, Agent, Group, Meta}, Agents) -> {syn, join, ?S, Group, Meta, maps:get(Agent, Agents)};
request({leave, Agent, Group}, Agents) -> {syn, leave, ?S, Group, maps:get(Agent, Agents)}.

%% What the other node said is said to the C node.
tell({message, _, Kind, Term}, #play{c = C, fakes = Fakes} = Play) ->
    maps:get(Kind, Fakes) ! {say, cnode_peer:name(C), timed(actual(Term, Play))},
    ok;
tell({request, _, Kind, Term}, #play{c = C, beam = Beam} = Play) ->
    _ = cnode_syn:on(Beam, ?MODULE, begin_call, [self(), Kind, {cnode_peer:name(C), actual(Term, Play)}]),
    ok;
tell({answer, _, _, _}, _) -> ok. % when it is asked

%% What the C node says: so much, and nothing more.
heard(0, _, Play) -> heard_within(?QUIET_MS, 0, [], Play);
heard(Left, Answers, Play) -> heard_within(?PATIENCE, Left, Answers, Play).

heard_within(Ms, Left, Answers, #play{fakes = Fakes} = Play) ->
    receive
        {said, Kind, {message, Message}} ->
            [{message, Kind, plain(Message)} | heard(max(Left - 1, 0), Answers, Play)];
        {said, Kind, {request, From, Request}} ->
            More = answer(maps:get(Kind, Fakes), From, Answers, Play),
            [{request, Kind, plain(Request)} | heard(max(Left - 1, 0), More, Play)];
        {answered, Kind, Answer} ->
            [{answer, Kind, plain(Answer)} | heard(max(Left - 1, 0), Answers, Play)]
    after Ms -> []
    end.

answer(_, _, [], _) -> [];
answer(Fake, From, [Answer | More], Play) ->
    Fake ! {answer, From, timed(actual(Answer, Play))},
    More.

%% --------------------------------------------------------------------- terms

%% The processes and nodes of the replay for those of the recording.
actual(Pid, #play{pids = Pids}) when is_pid(Pid) -> maps:get(Pid, Pids);
actual('a@127.0.0.1', Play) -> node_of(a, Play);
actual('b@127.0.0.1', Play) -> node_of(b, Play);
actual(Term, Play) -> each(fun(T) -> actual(T, Play) end, Term).

node_of(Role, #play{role = Role, c = C}) -> cnode_peer:name(C);
node_of(_, #play{beam = {_, Node}}) -> Node.

%% The times of now for those of the recording, with the same order among each
%% other and those of the C node.
timed({'3.0', Sync, Key, Pid, Meta, Time, Reason}) ->
    {'3.0', Sync, Key, Pid, Meta, time(Pid, Key, Time, Reason), Reason};
timed({'3.0', ack_sync, Scope, Entries}) ->
    {'3.0', ack_sync, Scope, [{Key, Pid, Meta, time(Pid, Key, Time, normal)} || {Key, Pid, Meta, Time} <- Entries]};
timed({ok, {Event, Old, Meta, _, ByName, ByPid}}) ->
    {ok, {Event, Old, Meta, erlang:system_time(), ByName, ByPid}};
timed(Term) -> Term.

time(_, _, _, syn_conflict_resolution) -> erlang:system_time();
time(Pid, Key, _, _) ->
    case get({time, Pid, Key}) of
        undefined -> erlang:system_time();
        Time -> Time
    end.

%% Without times.
plain(Time) when is_integer(Time), Time > 1000000000000000000 -> time;
plain({'3.0', ack_sync, Scope, Entries}) -> {'3.0', ack_sync, Scope, lists:sort(plain(Entries))};
plain(Term) -> each(fun plain/1, Term).

each(Fun, [Head | Tail]) -> [Fun(Head) | Fun(Tail)];
each(Fun, Tuple) when is_tuple(Tuple) -> list_to_tuple(each(Fun, tuple_to_list(Tuple)));
each(Fun, Map) when is_map(Map) -> maps:map(fun(_, Value) -> Fun(Value) end, Map);
each(_, Term) -> Term.
