%% SPDX-License-Identifier: Apache-2.0
%%
%% Private nodes for the suites in this folder: this BEAM made distributed, C
%% nodes, and further BEAM nodes.
%%
%%     Node = cnode_peer:start(#{services => #{echo => #{behaviour => echo}}}),
%%     hello = gen_server:call({echo, cnode_peer:name(Node)}, hello),
%%     0 = cnode_peer:stop(Node).
%%
%% All of it works over TLS too: see cnode_tls, of which one call makes a BEAM
%% that runs the same cases over TLS.
%%
%% Each executable is held by a process that owns its port; elixir_bridge's
%% until_eof.sh between the two sees to it that nothing outlives this BEAM.
-module(cnode_peer).

-export([suite/2, suite/3, tests/1, tests/2]).
-export([start/1, start/2, try_start/2, stop/1, kill/1, signal/2]).
-export([name/1, info/1, os_pid/1, lines/1]).
-export([start_beam/0, start_beam/1, start_beam_of/1, start_beam_of/2, start_beam_as/2, stop_beam/1]).
-export([start_program/2, stop_program/1]).
-export([start_epmd/1, stop_epmd/1, epmd_names/1, free_port/0]).
-export([start_distribution/0, unique/1, unique_atom/1, tmp_dir/0, eventually/1, eventually/2, resident_kib/1]).
-export([worker/2, counters/1]).

-define(START_MS, 15000).

%% ------------------------------------------------------------------ fixtures

%% A fixture for EUnit: one C node for all tests of a list; each test is
%% {Sentence, fun(Node)} or {Sentence, Seconds, fun(Node)}.
suite(Config, Tests) -> suite(Config, #{}, Tests).

suite(Config, Opts, Tests) ->
    tests(
        {setup, fun() -> start(Config, Opts) end, fun stop/1, fun(Node) ->
            [test(Test, Node) || Test <- Tests]
        end},
        length(Tests)
    ).

%% Tests, {Sentence, fun()}, that start their nodes themselves.
tests(Tests) ->
    tests([{Sentence, {timeout, 60, Fun}} || {Sentence, Fun} <- Tests], length(Tests)).

tests(Tests, Count) ->
    case executable() of
        false ->
            io:format(user, "  skipped ~b tests: there is no executable~n", [Count]),
            [];
        _ ->
            Tests
    end.

test({Sentence, Fun}, Node) -> test({Sentence, 60, Fun}, Node);
test({Sentence, Seconds, Fun}, Node) -> {Sentence, {timeout, Seconds, fun() -> Fun(Node) end}}.

executable() ->
    Path =
        case os:getenv("CNODE_BIN") of
            false -> filename:absname("build/release/bin/cnode");
            Given -> Given
        end,
    filelib:is_regular(Path) andalso Path.

%% ------------------------------------------------------------------- C nodes

start(Config) -> start(Config, #{}).

%% Options: name, cookie, args (more of the command line), env, tls (what stands
%% at node.tls; false: a plain node; by default as this BEAM).
start(Config, Opts) ->
    case try_start(Config, Opts) of
        {ok, Node} -> Node;
        {error, Reason} -> error({no_c_node, Reason})
    end.

try_start(Config, Opts) ->
    maps:is_key(cookie, Opts) orelse start_distribution(),
    Name = maps:get(name, Opts, unique("c")),
    Cookie = maps:get(cookie, Opts, erlang:get_cookie()),
    File = filename:join(tmp_dir(), atom_to_list(unique("config")) ++ ".json"),
    ok = file:write_file(File, json(with_tls(Config, Opts))),
    Args =
        ["start", "--config", File, "--name", atom_to_list(Name)] ++ schedulers() ++
            maps:get(args, Opts, []),
    Env = [{"CNODE_COOKIE", atom_to_list(Cookie)} | maps:get(env, Opts, [])],
    Holder = hold(executable(), Args, Env),
    Started = ask(Holder, ready),
    _ = file:delete(File),
    case Started of
        {ok, Info} -> {ok, Info#{name => Name, holder => Holder}};
        {error, _} = Error -> Error
    end.

%% The suites run again with other numbers of them (run-test.sh).
schedulers() ->
    case os:getenv("CNODE_TEST_SCHEDULERS") of
        false -> [];
        Number -> ["--set", "runtime.schedulers=" ++ Number]
    end.

with_tls(Config, Opts) ->
    case {maps:find(tls, Opts), cnode_tls:inherited()} of
        {{ok, false}, _} -> Config;
        {{ok, Tls}, _} -> put_tls(Config, Tls);
        {error, #{settings := Tls}} -> put_tls(Config, Tls);
        {error, plain} -> Config
    end.

put_tls(Config, Tls) -> Config#{node => (maps:get(node, Config, #{}))#{tls => Tls}}.

name(#{name := Name}) -> Name.
os_pid(#{os_pid := Pid}) -> Pid.
%% What the line said that it printed when it was ready.
info(#{said := Said}) -> Said.
%% All lines so far, oldest first.
lines(#{holder := Holder}) -> ask(Holder, lines).

%% SIGTERM; gives the exit status.
stop(#{holder := Holder}) -> ask(Holder, stop).

%% SIGKILL.
kill(#{holder := Holder} = Node) ->
    signal(Node, "KILL"),
    ask(Holder, wait).

%% After "STOP" it stands still: the signal reaches its threads one after the
%% other, and what runs answers meanwhile.
signal(#{os_pid := Pid}, Signal) ->
    [] = os:cmd("kill -" ++ Signal ++ " " ++ integer_to_list(Pid)),
    Signal =/= "STOP" orelse eventually(fun() -> stands_still(Pid) end),
    ok.

stands_still(Pid) ->
    Threads = filelib:wildcard("/proc/" ++ integer_to_list(Pid) ++ "/task/*/stat"),
    lists:all(fun is_stopped/1, Threads).

%% `Pid (Name) State ...`; one that has ended meanwhile does nothing either.
is_stopped(Thread) ->
    case file:read_file(Thread) of
        {ok, Text} -> match =:= re:run(Text, "\\) T", [{capture, none}]);
        {error, _} -> true
    end.

%% A pool of counters and the pid of one of its workers.
counters(Node) -> cnode_pool:new(#{name => 'Elixir.Counters', nodes => [name(Node)]}).

worker(Node, Id) ->
    {ok, {Pid, _}} = cnode_pool:fetch(counters(Node), Id, process),
    Pid.

%% ---------------------------------------- a process that holds an executable

hold(Executable, Args, Env) ->
    Script = until_eof(),
    spawn(fun() ->
        Port = open_port({spawn_executable, "/bin/sh"}, [
            {args, [Script, "5", Executable | Args]},
            {env, Env},
            {line, 8192},
            exit_status,
            stderr_to_stdout
        ]),
        held(#{port => Port, lines => [], part => "", status => running, waiting => []})
    end).

%% Without rebar we are run from the top of the tree.
until_eof() ->
    case code:priv_dir(cnode) of
        {error, bad_name} -> filename:absname("elixir_bridge/priv/until_eof.sh");
        Dir -> filename:join(Dir, "until_eof.sh")
    end.

held(#{port := Port, lines := Lines, part := Part} = State) ->
    receive
        {Port, {data, {noeol, Text}}} -> held(State#{part := Part ++ Text});
        {Port, {data, {eol, Text}}} -> held(answer(State#{lines := [Part ++ Text | Lines], part := ""}));
        {Port, {exit_status, Status}} -> held(answer(State#{status := Status}));
        {ask, From, What} -> held(asked(What, From, State))
    end.

asked(lines, From, #{lines := Lines} = State) ->
    From ! {self(), lists:reverse(Lines)},
    State;
asked(stop, From, #{port := Port, status := running} = State) ->
    true = port_command(Port, "stop\n"),
    asked(wait, From, State);
asked(What, From, #{waiting := Waiting} = State) ->
    answer(State#{waiting := [{What, From} | Waiting]}).

%% Answers who can be answered by now.
answer(#{waiting := Waiting} = State) ->
    State#{waiting := [W || W <- Waiting, not answered(W, State)]}.

answered({ready, From}, #{lines := Lines, status := Status}) ->
    case [Fields || "ready " ++ Fields <- Lines] of
        [Fields | _] ->
            "pid=" ++ Pid = lists:last(Lines),
            From ! {self(), {ok, #{os_pid => list_to_integer(Pid), said => fields(Fields)}}},
            true;
        [] when Status =/= running ->
            From ! {self(), {error, {Status, lists:reverse(Lines)}}},
            true;
        [] ->
            false
    end;
answered({_Wait, From}, #{status := Status}) when Status =/= running ->
    From ! {self(), Status},
    true;
answered(_, _) ->
    false.

ask(Holder, What) ->
    Holder ! {ask, self(), What},
    receive
        {Holder, Answer} -> Answer
    after ?START_MS -> error({no_answer, What})
    end.

fields(Line) ->
    maps:from_list([
        list_to_tuple(string:split(Field, "="))
     || Field <- string:lexemes(Line, " ")
    ]).

%% ---------------------------------------------------------------- BEAM nodes

start_beam() -> start_beam([]).

%% A BEAM that knows our code and cookie; over TLS if this one is; ends with its
%% starter.
start_beam(Args) -> start_beam_as(unique("b"), Args).

start_beam_as(Full, Args) ->
    Tls =
        case cnode_tls:inherited() of
            #{args := Inherited} -> Inherited;
            plain -> []
        end,
    start_beam(Full, os:find_executable("erl"), ["-pa" | code:get_path()] ++ Tls ++ Args).

%% One of another release, "27", that scripts/otp.sh has made; it has none of our
%% code. `here`: of this one.
start_beam_of(Release) -> start_beam_of(Release, []).

start_beam_of(here, Args) -> start_beam(Args);
start_beam_of(Release, Args) ->
    start_beam(unique("b"), {filename:absname("scripts/otp.sh"), ["run", Release, "erl"]}, Args).

start_beam(Full, Exec, Args) ->
    start_distribution(),
    [Name, Host] = string:lexemes(atom_to_list(Full), "@"),
    Quiet = ["-kernel", "logger_level", "emergency"],
    {ok, Peer, Node} = peer:start_link(#{
        name => Name,
        host => Host,
        longnames => true,
        connection => standard_io,
        exec => Exec,
        wait_boot => 30000,
        args => ["-setcookie", atom_to_list(erlang:get_cookie())] ++ Quiet ++ Args
    }),
    {Peer, Node}.

stop_beam({Peer, _Node}) -> peer:stop(Peer).

%% ---------------------------------------------------------------------- epmd

%% Any program; it ends with stop_program, which gives its status, or with this
%% BEAM.
start_program(Executable, Args) -> hold(Executable, Args, []).
stop_program(Holder) -> ask(Holder, stop).

%% An epmd of our own on a port; ends with stop_epmd or with this BEAM.
start_epmd(Port) ->
    Args = ["-address", "127.0.0.1", "-port", integer_to_list(Port), "-relaxed_command_check"],
    Holder = hold(os:find_executable("epmd"), Args, []),
    eventually(fun() -> is_list(epmd_names(Port)) end),
    Holder.

stop_epmd(Holder) -> ask(Holder, stop).

%% [{Name, Port}], read from epmd itself as this BEAM knows only its own.
epmd_names(Port) ->
    case gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]) of
        {ok, Socket} ->
            ok = gen_tcp:send(Socket, <<1:16, $n>>),
            Text = read_all(Socket, <<>>),
            parse_names(Text);
        {error, _} = Error ->
            Error
    end.

read_all(Socket, Read) ->
    case gen_tcp:recv(Socket, 0, 5000) of
        {ok, More} ->
            read_all(Socket, <<Read/binary, More/binary>>);
        {error, closed} ->
            gen_tcp:close(Socket),
            Read
    end.

parse_names(<<_Port:32, Lines/binary>>) ->
    [
        {Name, list_to_integer(Port)}
     || Line <- string:lexemes(binary_to_list(Lines), "\n"),
        ["name", Name, "at", "port", Port] <- [string:lexemes(Line, " ")]
    ];
parse_names(_) ->
    {error, closed}.

free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Port.

%% --------------------------------------------------------------- this BEAM

%% Makes this BEAM a node, with an epmd if there is none at its port.
start_distribution() ->
    case erlang:is_alive() of
        true ->
            ok;
        false ->
            Port = epmd_port(),
            case epmd_names(Port) of
                {error, _} -> start_epmd(Port);
                _ -> ok
            end,
            {ok, _} = net_kernel:start([unique("m"), longnames]),
            true = erlang:set_cookie(node(), unique_atom("cookie")),
            ok
    end.

epmd_port() ->
    case init:get_argument(epmd_port) of
        {ok, [[Port | _] | _]} -> list_to_integer(Port);
        error -> 4369
    end.

unique(Prefix) -> list_to_atom(atom_to_list(unique_atom(Prefix)) ++ "@127.0.0.1").

unique_atom(Prefix) ->
    Number = integer_to_list(erlang:unique_integer([positive])),
    list_to_atom(lists:append([Prefix, "_", os:getpid(), "_", Number])).

eventually(Fun) -> eventually(Fun, 5000).

%% Polls until the fun gives true; never a fixed sleep.
eventually(Fun, Milliseconds) ->
    poll(Fun, erlang:monotonic_time(millisecond) + Milliseconds).

poll(Fun, Deadline) ->
    case Fun() of
        true ->
            ok;
        Other ->
            case erlang:monotonic_time(millisecond) > Deadline of
                true -> error({not_true_in_time, Other});
                false -> timer:sleep(10)
            end,
            poll(Fun, Deadline)
    end.

%% Resident memory of a C node.
resident_kib(#{os_pid := Pid}) ->
    {ok, Text} = file:read_file("/proc/" ++ integer_to_list(Pid) ++ "/status"),
    {match, [Kib]} = re:run(Text, "VmRSS:\\s+(\\d+) kB", [{capture, [1], list}]),
    list_to_integer(Kib).

tmp_dir() ->
    case os:getenv("TMPDIR") of
        false -> "/tmp";
        Dir -> Dir
    end.

%% ---------------------------------------------------------------------- json

%% Maps, lists, numbers, booleans, null; atoms and binaries are strings.
json(Map) when is_map(Map) ->
    Pairs = [[json(text(K)), $:, json(V)] || {K, V} <- maps:to_list(Map)],
    [${, lists:join($,, Pairs), $}];
json(List) when is_list(List) -> [$[, lists:join($,, [json(E) || E <- List]), $]];
json(Number) when is_integer(Number) -> integer_to_list(Number);
json(Word) when Word =:= true; Word =:= false; Word =:= null -> atom_to_list(Word);
json(Atom) when is_atom(Atom) -> json(text(Atom));
json(Text) when is_binary(Text) ->
    [$", re:replace(Text, "[\"\\\\]", "\\\\&", [global]), $"].

text(Atom) when is_atom(Atom) -> atom_to_binary(Atom, utf8);
text(Text) when is_binary(Text) -> Text.
