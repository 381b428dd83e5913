%% SPDX-License-Identifier: Apache-2.0
%%
%% What the suites with the real AdvancedPool share: which one, what is built for
%% them, C nodes, and BEAM nodes that are members of its cluster.
%%
%% CNODE_ADVANCED_POOL_EBIN names the ebin folders of AdvancedPool and of what it
%% needs (ElixirCore, elixir_uuid), separated by colons; syn is the first of
%% CNODE_SYN_EBIN. Without them these suites say how many tests were left out.
%%
%% CNODE_ADVANCED_POOL_OTP=27: the BEAM nodes are of that release. One that does not
%% take the installed Elixir needs another: CNODE_ADVANCED_POOL_ELIXIR, its lib.
%% CNODE_ADVANCED_POOL_TARGET=beam: a BEAM takes the place of the C nodes. Where
%% AdvancedPool keeps less than it promises, those tests fail then.
-module(cnode_advanced_pool).

-export([tests/1, suite/3, is_beam_target/0]).
-export([build/0, remove/1]).
-export([start_c/2, start_c/3, stop_c/1, kill_c/1, start_beam/4, start_alone/2, bring_online/1, stop_beam/1, kill_beam/1]).
-export([on/4, 'try'/4, context/1, ref/2, window/3]).
-export([wait_for_pool/3, status/3, workers/3, supervisors/3]).

-import(cnode_peer, [eventually/2]).

-define(PATIENCE, 20000).
-define(CLUSTER, 'Elixir.Noizu.AdvancedPool.ClusterManager').

%% ------------------------------------------------------------------ fixtures

%% Tests, {Sentence, fun(Build)}, that start their nodes themselves.
tests(Tests) ->
    with_all(Tests, fun() ->
        {setup, fun build/0, fun remove/1, fun(Build) ->
            [{Sentence, {timeout, 200, fun() -> Fun(Build) end}} || {Sentence, Fun} <- Tests]
        end}
    end).

%% Tests, {Sentence, fun(Context)}, that share nodes: Start(Build), Stop(Context).
suite(Start, Stop, Tests) ->
    with_all(Tests, fun() ->
        {setup,
            fun() ->
                Build = build(),
                {Build, Start(Build)}
            end,
            fun({Build, Context}) ->
                Stop(Context),
                remove(Build)
            end,
            fun({_, Context}) ->
                [{Sentence, {timeout, 120, fun() -> Fun(Context) end}} || {Sentence, Fun} <- Tests]
            end}
    end).

with_all(Tests, Fun) ->
    case {ebins(), cnode_syn:versions(), os:find_executable("elixirc")} of
        {[], _, _} -> left_out(Tests, "CNODE_ADVANCED_POOL_EBIN names no AdvancedPool");
        {_, [], _} -> left_out(Tests, "CNODE_SYN_EBIN names no syn");
        {_, _, false} -> left_out(Tests, "there is no elixirc");
        _ -> cnode_peer:tests(Fun(), length(Tests))
    end.

%% Said once, though EUnit asks for its tests more than once.
left_out(Tests, Why) ->
    Key = {?MODULE, [element(1, Test) || Test <- Tests]},
    _ = persistent_term:get(Key, new) =:= new andalso
        io:format(user, "  skipped ~b tests: ~s~n", [length(Tests), Why]),
    persistent_term:put(Key, said),
    [].

ebins() -> string:lexemes(os:getenv("CNODE_ADVANCED_POOL_EBIN", ""), ":").

is_beam_target() -> os:getenv("CNODE_ADVANCED_POOL_TARGET") =:= "beam".

%% ----------------------------------------------------------- what is built

%% judge.ex against AdvancedPool; visits.c outside the tree, against an installed
%% cnode, as somebody else would.
build() ->
    Dir = filename:join(cnode_peer:tmp_dir(), atom_to_list(cnode_peer:unique_atom("judge"))),
    Judge = filename:join(Dir, "ebin"),
    ok = filelib:ensure_path(Judge),
    Paths = [hd(cnode_syn:versions()) | ebins()],
    run(["elixirc -o ", Judge, [[" -pa ", Path] || Path <- Paths], " ", data("judge.ex")]),
    #{dir => Dir, paths => [Judge | Paths], behaviour => build_behaviour(Dir)}.

build_behaviour(Dir) ->
    Prefix = filename:join(Dir, "prefix"),
    Object = filename:join(Dir, "visits.so"),
    run(["cmake --install ", build_folder(), " --prefix ", Prefix]),
    [Pc] = filelib:fold_files(Prefix, "^cnode\\.pc$", true, fun(File, Found) -> [File | Found] end, []),
    Flags = string:trim(run(["PKG_CONFIG_PATH=", filename:dirname(Pc), " pkg-config --cflags --libs cnode"])),
    run(["cc -Wall -Wextra -Werror -shared -fPIC -o ", Object, " ", data("visits.c"), " ", Flags]),
    list_to_binary(Object).

build_folder() -> filename:dirname(filename:dirname(os:getenv("CNODE_BIN", "build/release/bin/cnode"))).

data(File) -> filename:absname(filename:join("tests/beam/data", File)).

run(Command) ->
    Text = os:cmd(lists:flatten([Command, " && echo succeeded || echo failed"])),
    case lists:reverse(string:lexemes(Text, "\n")) of
        ["succeeded" | Lines] -> lists:flatten(lists:join("\n", lists:reverse(Lines)));
        _ -> error({lists:flatten(Command), Text})
    end.

remove(#{dir := Dir}) -> ok = file:del_dir_r(Dir).

%% ------------------------------------------------------------------- C nodes

%% Pools: #{Pool => options of its configuration}. Options: node, cluster, stores,
%% limits, services (more of the configuration), args, name.
start_c(Build, Pools) -> start_c(Build, Pools, #{}).

start_c(#{behaviour := Behaviour} = Build, Pools, Opts) ->
    case is_beam_target() of
        true ->
            start_reference(Build, Pools, Opts);
        false ->
            Default = #{behaviour => visits, registry => syn},
            Config = (maps:with([node, cluster, stores, limits, services], Opts))#{
                behaviours => [Behaviour],
                pools => maps:map(fun(_, More) -> maps:merge(Default, More) end, Pools)
            },
            cnode_peer:start(Config, maps:with([args, name], Opts))
    end.

start_reference(Build, Pools, Opts) ->
    Hidden =
        case Opts of
            #{node := #{hidden := true}} -> ["-hidden"];
            _ -> []
        end,
    Beam = start_alone(Build, Hidden),
    Name = element(2, Beam),
    {ok, _} = on(Beam, 'Elixir.Judge.Node', start, [maps:map(fun(_, _) -> [Name] end, Pools), member]),
    #{name => Name, beam => Beam}.

stop_c(#{beam := Beam}) -> cnode_peer:stop_beam(Beam);
stop_c(Node) -> 0 = cnode_peer:stop(Node).

kill_c(#{beam := Beam}) -> kill_beam(Beam);
kill_c(Node) -> cnode_peer:kill(Node).

%% ----------------------------------------------------------------- BEAM nodes

%% A member of the cluster, not yet online: Pools is #{Pool => [Node]}; `self`
%% stands for the new node. Role: manager or member.
start_beam(Build, Pools, Role, Others) ->
    {_, Name} = Beam = start_alone(Build, []),
    Nodes = maps:map(fun(_, List) -> [own(Node, Name) || Node <- List] end, Pools),
    [true = on(Beam, net_kernel, connect_node, [node_of(Other)]) || Other <- Others],
    {ok, _} = on(Beam, 'Elixir.Judge.Node', start, [Nodes, Role]),
    Beam.

own(self, Name) -> Name;
own(Node, _) -> Node.

node_of(#{name := Name}) -> Name;
node_of({_, Name}) -> Name.

%% With all the code, and nothing started.
start_alone(#{paths := Paths}, Args) ->
    Split = ["-kernel", "prevent_overlapping_partitions", "false"],
    case os:getenv("CNODE_ADVANCED_POOL_OTP") of
        false ->
            cnode_peer:start_beam(lists:append([Split, Args, ["-pa" | elixir() ++ Paths]]));
        Release ->
            Beam = cnode_peer:start_beam_of(Release, Split ++ Args),
            [load_folder(Beam, Path) || Path <- elixir() ++ Paths],
            Beam
    end.

elixir() ->
    Lib =
        case os:getenv("CNODE_ADVANCED_POOL_ELIXIR") of
            false -> filename:dirname(string:trim(run(["elixir -e 'IO.puts(:code.lib_dir(:elixir))'"])));
            Given -> Given
        end,
    [filename:join([Lib, App, "ebin"]) || App <- ["elixir", "logger"]].

%% Other releases live in a root of their own, where our folders are not.
load_folder(Beam, Dir) ->
    Modules = [
        begin
            {ok, Code} = file:read_file(File),
            {list_to_atom(filename:basename(File, ".beam")), File, Code}
        end
     || File <- filelib:wildcard(filename:join(Dir, "*.beam"))
    ],
    [{module, Module} = on(Beam, code, load_binary, [Module, File, Code]) || {Module, File, Code} <- Modules],
    [
        begin
            {ok, [App]} = file:consult(File),
            ok = on(Beam, application, load, [App])
        end
     || File <- filelib:wildcard(filename:join(Dir, "*.app"))
    ].

%% Members once there is a manager; C nodes are online by themselves.
bring_online(#{beam := Beam}) -> bring_online(Beam);
bring_online(#{}) -> ok;
bring_online(Beam) -> {ok, _} = on(Beam, 'Elixir.Judge.Node', bring_online, []).

stop_beam(Beam) -> cnode_peer:stop_beam(Beam).
kill_beam(Beam) -> cnode_syn:kill_beam(Beam).

on({Peer, _}, M, F, A) -> peer:call(Peer, M, F, A, 150000).

%% {ok, Reply}, {raised, Exception} or {exit, Reason}.
'try'(Beam, M, F, A) -> on(Beam, 'Elixir.Judge.Node', 'try', [M, F, A]).

context(Beam) -> on(Beam, 'Elixir.Noizu.ElixirCore.CallingContext', system, []).

ref(Pool, Id) -> {ref, list_to_atom(atom_to_list(Pool) ++ ".Worker"), Id}.

window(Low, Target, High) -> #{low => Low, target => Target, high => High}.

%% -------------------------------------------------------------- what is known

%% What a BEAM knows of a pool at a node: {Pid, pool_status} or undefined.
status(Beam, Pool, Node) ->
    Members = on(Beam, syn, members, [?CLUSTER, {service, Pool}]),
    case [Member || {_, Status} = Member <- Members, element(5, Status) =:= Node] of
        [Member] -> Member;
        [] -> undefined
    end.

%% Until the pool is placed to.
wait_for_pool(Beam, Pool, Node) ->
    eventually(fun() ->
        case {status(Beam, Pool, Node), supervisors(Beam, Pool, Node)} of
            {{_, Status}, [_ | _]} -> element(2, Status) =:= online orelse {Status, Pool, Node};
            Other -> {Other, Pool, Node}
        end
    end, ?PATIENCE).

%% Names of workers in syn, at a node.
workers(Beam, Pool, Node) ->
    Scope = list_to_atom(atom_to_list(Pool) ++ ".Registry"),
    on(Beam, syn, registry_count, [Scope, Node]).

supervisors(Beam, Pool, Node) -> on(Beam, syn, members, [Pool, {Node, worker_sups}]).
