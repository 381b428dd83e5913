%% SPDX-License-Identifier: Apache-2.0
%%
%% State kept in PostgreSQL, on a private server in a temporary folder: nodes
%% that share it, a server that crashes or is away.
-module(cnode_postgres_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/2, name/1]).

-define(POOL, 'Elixir.Kept').

%% ------------------------------------------------------------------ a server

%% The newest of those installed; nobody but root may become another user, and
%% root may not run a server.
bin() ->
    case lists:sort(filelib:wildcard("/usr/lib/postgresql/*/bin/postgres")) of
        [] -> false;
        Found -> filename:dirname(lists:last(Found))
    end.

is_there() ->
    bin() =/= false andalso
        (not is_root() orelse (os:find_executable("setpriv") =/= false andalso os:cmd("id -u postgres 2>/dev/null") =/= "")).

is_root() -> os:cmd("id -u") =:= "0\n".

%% As the user postgres when this is root.
as_postgres(Program, Args) when is_list(Program) ->
    case is_root() of
        true -> {os:find_executable("setpriv"), ["--reuid=postgres", "--regid=postgres", "--clear-groups", Program | Args]};
        false -> {Program, Args}
    end.

run(Program, Args) ->
    {Executable, All} = as_postgres(Program, Args),
    Port = open_port({spawn_executable, Executable}, [{args, All}, exit_status, stderr_to_stdout, binary, {cd, "/"}]),
    run_result(Port, <<>>).

run_result(Port, Said) ->
    receive
        {Port, {data, More}} -> run_result(Port, <<Said/binary, More/binary>>);
        {Port, {exit_status, Status}} -> {Status, Said}
    end.

init_server() ->
    Dir = "/tmp/cn-pg-" ++ os:getpid() ++ "-" ++ integer_to_list(erlang:unique_integer([positive])),
    ok = file:make_dir(Dir),
    is_root() andalso ([] = os:cmd("chown postgres:postgres " ++ Dir)),
    {0, _} = run(filename:join(bin(), "initdb"), ["-D", data(Dir), "-A", "trust", "-U", "postgres", "--no-sync"]),
    Dir.

data(Dir) -> filename:join(Dir, "data").

start_server(Dir) ->
    {Executable, Args} = as_postgres(filename:join(bin(), "postgres"), [
        "-D", data(Dir), "-c", "listen_addresses=", "-c", "unix_socket_directories=" ++ Dir
    ]),
    Holder = cnode_peer:start_program(Executable, Args),
    eventually(fun() -> element(1, sql(Dir, "select 1")) =:= 0 end, 20000),
    Holder.

sql(Dir, Text) -> run(filename:join(bin(), "psql"), ["-h", Dir, "-U", "postgres", "-At", "-c", Text, "postgres"]).

%% What a power cut does to it: nothing is written any more.
crash_server(Dir, Holder) -> end_server(Dir, Holder, "QUIT").

%% INT: also while nodes are connected.
stop_server(Dir, Holder) -> end_server(Dir, Holder, "INT").

end_server(Dir, Holder, Signal) ->
    case file:read_file(filename:join(data(Dir), "postmaster.pid")) of
        {ok, File} ->
            [Pid | _] = binary:split(File, <<"\n">>),
            _ = os:cmd("kill -" ++ Signal ++ " " ++ binary_to_list(Pid));
        {error, enoent} ->
            ok
    end,
    _ = cnode_peer:stop_program(Holder),
    ok.

with_server(Fun) ->
    Dir = init_server(),
    Holder = start_server(Dir),
    put(server, Holder),
    try
        Fun(Dir)
    after
        stop_server(Dir, get(server)),
        file:del_dir_r(Dir)
    end.

tests_test_() ->
    Tests = [
        {"a worker finds its state on another node, also after SIGKILL", fun shared/0},
        {"ids and values of all sizes, and many updates of one worker", fun sizes/0},
        {"while the server is away calls wait, and starts are told", fun away/0},
        {"no answered value is lost when the server crashes", fun crashes/0},
        {"what is no URL is refused at the start", fun no_url/0}
    ],
    case is_there() of
        true -> cnode_peer:tests([{Text, {timeout, 120, Fun}} || {Text, Fun} <- Tests], length(Tests));
        false ->
            io:format(user, "  left out ~b tests: no PostgreSQL server is installed~n", [length(Tests)]),
            []
    end.

%% --------------------------------------------------------------------- nodes

config(Dir) -> config(Dir, counter).

config(Dir, Behaviour) ->
    Url = list_to_binary("postgresql:///postgres?host=" ++ Dir ++ "&user=postgres"),
    #{
        stores => #{shared => #{type => postgres, url => Url}},
        pools => #{
            ?POOL => #{
                behaviour => Behaviour, registry => none,
                worker => #{idle_timeout => null},
                persist => #{store => shared, mode => on_change}
            }
        }
    }.

call(Node, Id, Msg) -> cnode_pool:call(pool(Node), Id, Msg, #{timeout => 30000}).

pool(Node) -> cnode_pool:new(#{name => ?POOL, nodes => [name(Node)]}).

%% --------------------------------------------------------------------- tests

shared() ->
    with_server(fun(Dir) ->
        One = cnode_peer:start(config(Dir)),
        Two = cnode_peer:start(config(Dir)),
        [?assertEqual(N, call(One, 7, increment)) || N <- lists:seq(1, 10)],
        _ = cnode_peer:kill(One),
        ?assertEqual(11, call(Two, 7, increment)),
        ?assertEqual(0, cnode_peer:stop(Two)),
        ?assertMatch({0, <<"1\n">>}, sql(Dir, "select count(*) from cnode_state"))
    end).

sizes() ->
    with_server(fun(Dir) ->
        One = cnode_peer:start(config(Dir, kv)),
        Ids = [1, <<"text">>, {a, #{b => 1}}, binary:copy(<<"x">>, 3000), binary:copy(<<"x">>, 3001)],
        Values = [<<>>, binary:copy(<<0>>, 100), binary:copy(<<"y">>, 2000000), [], 1 bsl 200],
        [ok = call(One, Id, {put, v, V}) || {Id, V} <- lists:zip(Ids, Values)],
        [cnode_pool:cast(pool(One), 1, {put, N, N}) || N <- lists:seq(1, 500)],
        ?assertEqual({ok, 500}, call(One, 1, {get, 500})),
        _ = cnode_peer:kill(One),
        Two = cnode_peer:start(config(Dir, kv)),
        [?assertEqual({ok, V}, call(Two, Id, {get, v})) || {Id, V} <- lists:zip(Ids, Values)],
        [?assertEqual({ok, N}, call(Two, 1, {get, N})) || N <- lists:seq(1, 500, 99)],
        ?assertEqual(0, cnode_peer:stop(Two))
    end).

away() ->
    with_server(fun(Dir) ->
        Node = cnode_peer:start(config(Dir)),
        1 = call(Node, 1, increment),
        crash_server(Dir, get(server)),
        %% Who waits for a state or a write is told, and the write goes on.
        ?assertEqual({error, {store, unreachable}}, call(Node, 2, increment)),
        ?assertEqual({error, unreachable}, call(Node, 1, increment)),
        ?assertEqual({error, unreachable}, call(Node, 1, get)),
        Self = self(),
        spawn_link(fun() -> Self ! {late, call(Node, 1, increment)} end),
        put(server, start_server(Dir)),
        Late = receive {late, N} -> N after 20000 -> none end,
        ?assert(lists:member(Late, [3, {error, unreachable}])),
        eventually(fun() -> call(Node, 1, get) =:= 3 end, 20000),
        ?assertEqual(1, call(Node, 2, increment)),
        crash_server(Dir, get(server)),
        %% The node ends all the same.
        spawn(fun() -> catch call(Node, 1, increment) end),
        timer:sleep(200),
        ?assertEqual(0, cnode_peer:stop(Node)),
        put(server, start_server(Dir))
    end).

crashes() ->
    with_server(fun(Dir) ->
        Node = cnode_peer:start(config(Dir)),
        Stop = counters:new(1, []),
        Self = self(),
        Writers = [spawn_link(fun() -> writer(Self, Stop, Node, Id, 0) end) || Id <- lists:seq(1, 16)],
        lists:foreach(
            fun(_) ->
                timer:sleep(700),
                crash_server(Dir, get(server)),
                put(server, start_server(Dir))
            end,
            lists:seq(1, 3)
        ),
        timer:sleep(1000),
        counters:add(Stop, 1, 1),
        Answered = [receive {Writer, Id, N} -> {Id, N} end || Writer <- Writers],
        _ = cnode_peer:kill(Node),
        Next = cnode_peer:start(config(Dir)),
        [?assertEqual({Id, N}, {Id, call(Next, Id, get)}) || {Id, N} <- Answered],
        ?assertEqual(0, cnode_peer:stop(Next)),
        io:format(user, "  ~b answered updates, 3 crashes~n", [lists:sum([N || {_, N} <- Answered])])
    end).

%% The node lives on all the while. What was not answered in time was done, and
%% is there in the end, but nobody was promised that: the last one is answered.
writer(Parent, Stop, Node, Id, N) ->
    case {call(Node, Id, increment), counters:get(Stop, 1)} of
        {{error, Why}, _} when Why =:= unreachable; Why =:= overloaded -> writer(Parent, Stop, Node, Id, N + 1);
        {Next, 0} when Next =:= N + 1 -> writer(Parent, Stop, Node, Id, Next);
        {Next, _} when Next =:= N + 1 -> Parent ! {self(), Id, Next}
    end.

no_url() ->
    #{stores := #{shared := Store}} = Config = config("/nowhere"),
    {error, Reason} = cnode_peer:try_start(
        Config#{stores := #{shared => Store#{url := <<"postgresql://[bad">>}}}, #{}
    ),
    ?assertNotEqual(nomatch, string:find(io_lib:format("~p", [Reason]), "store shared: url:")).
