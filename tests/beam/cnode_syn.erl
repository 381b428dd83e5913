%% SPDX-License-Identifier: Apache-2.0
%%
%% What the suites about syn share: BEAM nodes with a version of syn, agents on
%% them, and what each node of a scope knows.
%%
%% CNODE_SYN_EBIN names the versions: the ebin folders, separated by colons, each
%% in a folder that is named after its version. Without it these suites say how
%% many tests were left out.
%%
%% CNODE_SYN_OTP=27: the BEAM nodes are of that release (scripts/otp.sh).
%% CNODE_SYN_TARGET=beam runs them against a BEAM with the first version instead
%% of the C node: what they demand is what syn does.
-module(cnode_syn).

-export([versions/0, label/1, tests/1, suite/3]).
-export([start_c/1, start_c/2, stop_c/1, start_beam/2, start_beam/3, start_beam_as/3, kill_beam/1, stop_beam/1, on/4]).
-export([call/2, cast/2, probe/1, agent/1, agents/2, kept/1, ask/2]).
-export([table/3, agreed/3, agreed/4, connect/2, split/2, heal/2]).
%% on a BEAM node
-export([begin_syn/1, begin_agent/0, begin_agents/1, begin_probe/0, begin_flood/2, dump/2, safe/2]).

-import(cnode_peer, [eventually/2]).

-define(PATIENCE, 20000).

%% --------------------------------------------------------------- which tests

versions() -> [Dir || Dir <- string:lexemes(os:getenv("CNODE_SYN_EBIN", ""), ":"), is_syn(Dir)].

is_syn(Dir) ->
    filelib:is_regular(filename:join(Dir, "syn.app")) orelse error({no_syn_in, Dir}).

label(Dir) -> filename:basename(filename:dirname(Dir)).

%% Tests that start their nodes themselves, {Sentence, fun(Version)}: with each
%% version of syn.
tests(Tests) ->
    with_syn(Tests, fun(Dir) ->
        [{title(Dir, Sentence), {timeout, 120, fun() -> Fun(Dir) end}} || {Sentence, Fun} <- Tests]
    end).

%% Tests, {Sentence, fun(Context)}, that share their nodes.
suite(Start, Stop, Tests) ->
    with_syn(Tests, fun(Dir) ->
        {setup, fun() -> Start(Dir) end, Stop, fun(Context) ->
            [{title(Dir, Sentence), {timeout, 120, fun() -> Fun(Context) end}} || {Sentence, Fun} <- Tests]
        end}
    end).

with_syn(Tests, Fun) ->
    case versions() of
        [] -> left_out(Tests);
        Dirs -> cnode_peer:tests([Fun(Dir) || Dir <- Dirs], length(Tests) * length(Dirs))
    end.

%% Said once, though EUnit asks for its tests more than once.
left_out(Tests) ->
    Key = {?MODULE, [element(1, Test) || Test <- Tests]},
    _ = persistent_term:get(Key, new) =:= new andalso
        io:format(user, "  skipped ~b tests: CNODE_SYN_EBIN names no syn~n", [length(Tests)]),
    persistent_term:put(Key, said),
    [].

title(Dir, Sentence) -> lists:flatten(["syn ", label(Dir), ": ", Sentence]).

%% -------------------------------------------------------------------- C nodes

%% A node with the service probe. Its name is what the tests know of it.
start_c(Scopes) -> start_c(Scopes, #{}).

%% Options: node, syn, limits (more of the configuration), name.
start_c(Scopes, Opts) ->
    case os:getenv("CNODE_SYN_TARGET") of
        "beam" -> start_reference(Scopes, Opts);
        _ -> start_real(Scopes, Opts)
    end.

start_real(Scopes, Opts) ->
    Config = #{
        node => maps:get(node, Opts, #{}),
        syn => (maps:get(syn, Opts, #{}))#{scopes => Scopes},
        limits => maps:get(limits, Opts, #{}),
        services => #{probe => #{behaviour => probe}}
    },
    cnode_peer:start(Config, maps:with([name], Opts)).

start_reference(Scopes, Opts) ->
    Hidden =
        case maps:get(node, Opts, #{}) of
            #{hidden := true} -> ["-hidden"];
            _ -> []
        end,
    Beam = start_beam(hd(versions()), Scopes, Hidden),
    {ok, Module, Code} = compile:file("tests/beam/conf/cnode_conf_probe.erl", [binary]),
    {module, Module} = on(Beam, code, load_binary, [Module, "", Code]),
    [ok = on(Beam, application, set_env, [syn, Key, Value]) || {Key, Value} <- maps:to_list(maps:get(syn, Opts, #{}))],
    {ok, _} = on(Beam, cnode_syn, begin_probe, []),
    #{name => element(2, Beam), beam => Beam}.

stop_c(#{beam := Beam}) -> stop_beam(Beam);
stop_c(Node) -> 0 = cnode_peer:stop(Node).

%% ----------------------------------------------------------------- BEAM nodes

start_beam(Dir, Scopes) -> start_beam(Dir, Scopes, []).

%% {Peer, Node}, with syn running. Splits are the test's to make: `global` does
%% not add more of them. {otp, Release} instead of arguments: of that release.
start_beam(Dir, Scopes, {otp, Release}) ->
    with_scopes(cnode_peer:start_beam_of(Release, no_more_splits()), Dir, Scopes);
start_beam(Dir, Scopes, Args) ->
    Release =
        case os:getenv("CNODE_SYN_OTP") of
            false -> here;
            Given -> Given
        end,
    with_scopes(cnode_peer:start_beam_of(Release, no_more_splits() ++ Args), Dir, Scopes).

start_beam_as(Name, Dir, Scopes) -> with_scopes(cnode_peer:start_beam_as(Name, no_more_splits()), Dir, Scopes).

no_more_splits() -> ["-kernel", "prevent_overlapping_partitions", "false"].

with_scopes(Beam, Dir, Scopes) ->
    {ok, [App]} = file:consult(filename:join(Dir, "syn.app")),
    Beams = [{beam_module(File), File} || File <- filelib:wildcard(filename:join(Dir, "*.beam"))],
    [load(Beam, Module, File) || {Module, File} <- [{?MODULE, code:which(?MODULE)} | Beams]],
    ok = on(Beam, application, load, [App]),
    ok = on(Beam, ?MODULE, begin_syn, [Scopes]),
    Beam.

beam_module(File) -> list_to_atom(filename:basename(File, ".beam")).

load(Beam, Module, File) ->
    {ok, Code} = file:read_file(File),
    {module, Module} = on(Beam, code, load_binary, [Module, File, Code]).

stop_beam(Beam) -> cnode_peer:stop_beam(Beam).

kill_beam({Peer, _} = Beam) ->
    Os = on(Beam, os, getpid, []),
    unlink(Peer),
    cnode_peer:signal(#{os_pid => list_to_integer(Os)}, "KILL").

on({Peer, _}, M, F, A) -> peer:call(Peer, M, F, A, 6 * ?PATIENCE).

begin_syn(Scopes) ->
    {ok, _} = application:ensure_all_started(syn),
    syn:add_node_to_scopes(Scopes).

begin_probe() -> cnode_conf_probe:start_service().

%% What it raises is a result.
safe(Function, Args) ->
    try
        apply(syn, Function, Args)
    catch
        Class:Reason -> {Class, Reason}
    end.

%% ---------------------------------------------------- processes for the tests

%% What a C process is asked: the service, or a probe by its pid.
call(#{name := Name}, Term) -> call({probe, Name}, Term);
call(Dest, Term) -> gen_server:call(Dest, Term, ?PATIENCE).

cast(#{name := Name}, Term) -> gen_server:cast({probe, Name}, Term);
cast(Dest, Term) -> gen_server:cast(Dest, Term).

%% A new C process.
probe(C) -> call(C, {spawn, undefined}).

%% A process on a BEAM: it keeps what it gets, and answers multi_call.
agent(Beam) -> on(Beam, ?MODULE, begin_agent, []).
agents(Beam, Count) -> on(Beam, ?MODULE, begin_agents, [Count]).

begin_agent() -> spawn(fun() -> agent_loop([]) end).
begin_agents(Count) -> [begin_agent() || _ <- lists:seq(1, Count)].

%% Names, each of a process of its own.
begin_flood(Scope, Count) ->
    [ok = syn:register(Scope, {flood, N}, begin_agent(), N) || N <- lists:seq(1, Count)],
    ok.

agent_loop(Kept) ->
    receive
        {syn_multi_call, die, _, _} -> exit(died);
        {syn_multi_call, silent, _, _} -> agent_loop(Kept);
        {syn_multi_call, Message, Caller, Meta} ->
            syn:multi_call_reply(Caller, {got, Message, Meta}),
            agent_loop(Kept);
        {ask, From, kept} ->
            From ! {self(), lists:reverse(Kept)},
            agent_loop([]);
        {ask, From, {trap_exit, Flag}} ->
            From ! {self(), process_flag(trap_exit, Flag)},
            agent_loop(Kept);
        {ask, From, {F, A}} ->
            From ! {self(), safe(F, A)},
            agent_loop(Kept);
        {'$gen_call', From, Request} ->
            gen_server:reply(From, {agent, Request}),
            agent_loop(Kept);
        {exit, Reason} -> exit(Reason);
        Other -> agent_loop([Other | Kept])
    end.

%% What an agent got since it was asked last; what syn's API gives it.
kept(Agent) -> ask(Agent, kept).

ask(Agent, What) ->
    Agent ! {ask, self(), What},
    receive
        {Agent, Answer} -> Answer
    after ?PATIENCE -> error({no_answer, What})
    end.

%% -------------------------------------------------------------- what they know

dump(registry, Scope) ->
    [{Name, Pid, Meta} || {Name, Pid, Meta, _, _, _} <- entries(syn_registry_by_name, Scope)];
dump(pg, Scope) ->
    [{Group, Pid, Meta} || {{Group, Pid}, Meta, _, _, _} <- entries(syn_pg_by_name, Scope)].

entries(Kind, Scope) -> ets:tab2list(syn_backbone:get_table_name(Kind, Scope)).

%% [{Key, Pid, Meta}] as a node has it.
table(#{name := _} = C, Kind, Scope) -> lists:sort(call(C, {syn, dump, Kind, Scope}));
table(Beam, Kind, Scope) -> lists:sort(on(Beam, ?MODULE, dump, [Kind, Scope])).

%% Waits until all have the same table, and gives it; or until it is this one.
agreed(Nodes, Kind, Scope) ->
    agreed(Nodes, Kind, Scope, fun(_) -> true end).

agreed(Nodes, Kind, Scope, Is) when is_function(Is) ->
    Last = make_ref(),
    eventually(
        fun() ->
            Tables = [table(Node, Kind, Scope) || Node <- Nodes],
            put(Last, Tables),
            case lists:usort(Tables) of
                [One] -> Is(One) =:= true orelse {all_have, One};
                _ -> {differ, Tables}
            end
        end,
        ?PATIENCE
    ),
    hd(erase(Last));
agreed(Nodes, Kind, Scope, Table) ->
    Sorted = lists:sort(Table),
    agreed(Nodes, Kind, Scope, fun(Is) -> Is =:= Sorted end).

%% ------------------------------------------------------------------ connections

node_of(#{name := Name}) -> Name;
node_of({_, Name}) -> Name.

%% From a BEAM to any other.
connect(Beam, Other) -> true = on(Beam, net_kernel, connect_node, [node_of(Other)]).

%% They lose each other, and stay apart until heal/2.
split(Beam, Other) ->
    Name = node_of(Other),
    true = on(Beam, erlang, set_cookie, [Name, nonsense]),
    eventually(
        fun() ->
            %% Again, for a handshake that was under way with the old cookie.
            _ = on(Beam, erlang, disconnect_node, [Name]),
            not lists:member(Name, on(Beam, erlang, nodes, [connected]))
        end,
        ?PATIENCE
    ).

heal(Beam, Other) ->
    true = on(Beam, erlang, set_cookie, [node_of(Other), erlang:get_cookie()]),
    eventually(fun() -> on(Beam, net_kernel, connect_node, [node_of(Other)]) end, ?PATIENCE).
