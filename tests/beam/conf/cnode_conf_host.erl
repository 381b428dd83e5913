%% SPDX-License-Identifier: Apache-2.0
%%
%% Nodes for the cases: the node under test, in C or on a BEAM, and BEAMs beside
%% it. This side may live in the root of another OTP release, where executables
%% of this machine do not run; so C nodes are started by the script that started
%% us, which is asked over a socket (see the script `conformance`).
-module(cnode_conf_host).

-export([start/2, stop/1, kill/1, signal/2, start_beam/1, start_beam/3, start_third/1, start_like_third/1, stop_beam/1]).

%% A node under test. Options: name (as text, without host), args, config (more
%% of a C node's configuration), hidden.
start(#{spec := #{target := Target} = Spec} = C, Opts) ->
    Name = maps:get(name, Opts, unique("t")),
    Visible = maps:get(visible, Spec) andalso not maps:get(hidden, Opts, false),
    Started = start(Target, Name, Opts#{hidden => not Visible}, Spec),
    Node = list_to_atom(Name ++ "@127.0.0.1"),
    (maps:without([beam], maps:merge(C, Started)))#{
        node => Node, name => Name, probe => {probe, Node}, target => Target, visible => Visible,
        is_member => Target =:= beam orelse maps:get(global, Spec) =:= full
    }.

start(c, Name, Opts, Spec) ->
    Asked = #{
        name => Name ++ "@127.0.0.1",
        cookie => maps:get(cookie, Opts, erlang:get_cookie()),
        args => ["--hidden" || maps:get(hidden, Opts)] ++ maps:get(args, Opts, []),
        config => merge(c_config(Spec), maps:get(config, Opts, #{}))
    },
    {ok, OsPid} = host(Spec, {start, Asked}),
    #{os_pid => OsPid};
start(beam, Name, Opts, Spec) ->
    Args = ["-hidden" || maps:get(hidden, Opts)] ++ maps:get(beam_args, Opts, []),
    {Peer, Node} = start_beam(Name, Args, Spec),
    {ok, _} = peer:call(Peer, cnode_conf_probe, start_service, []),
    Cookie = maps:get(cookie, Opts, erlang:get_cookie()),
    true = peer:call(Peer, erlang, set_cookie, [Node, Cookie]),
    OsPid = peer:call(Peer, os, getpid, []),
    #{os_pid => list_to_integer(OsPid), peer => Peer}.

c_config(#{schedulers := Schedulers, global := Global}) ->
    #{
        node => #{global => Global},
        services => #{probe => #{behaviour => probe}},
        spawn => #{'cnode_conf_probe:spawned' => probe},
        pools => #{conf_pool => #{behaviour => counter, registry => none}},
        runtime => #{schedulers => Schedulers}
    }.

merge(A, B) ->
    maps:fold(
        fun
            (K, V, M) when is_map(V), is_map_key(K, M) -> M#{K := merge(maps:get(K, M), V)};
            (K, V, M) -> M#{K => V}
        end,
        A,
        B
    ).

%% Ends it as an operator does; its status is 0.
stop(#{target := c, spec := Spec, os_pid := OsPid}) -> host(Spec, {stop, OsPid});
stop(#{peer := Peer}) -> peer:stop(Peer).

%% Ends it without a word.
kill(#{target := c, spec := Spec, os_pid := OsPid}) ->
    host(Spec, {kill, OsPid});
kill(#{os_pid := OsPid} = C) ->
    signal(C, "KILL"),
    eventually_gone(OsPid).

eventually_gone(OsPid) ->
    case os:cmd("kill -0 " ++ integer_to_list(OsPid)) of
        [] -> receive after 5 -> eventually_gone(OsPid) end;
        _ -> ok
    end.

%% After "STOP" it stands still: the signal reaches its threads one after the
%% other, and what runs answers meanwhile.
signal(#{os_pid := OsPid}, Signal) ->
    [] = os:cmd("kill -" ++ Signal ++ " " ++ integer_to_list(OsPid)),
    Signal =/= "STOP" orelse until_it_stands_still(OsPid),
    ok.

until_it_stands_still(OsPid) ->
    Threads = filelib:wildcard("/proc/" ++ integer_to_list(OsPid) ++ "/task/*/stat"),
    case lists:all(fun is_stopped/1, Threads) of
        true -> ok;
        false -> receive after 1 -> until_it_stands_still(OsPid) end
    end.

%% `Pid (Name) State ...`; one that has ended meanwhile does nothing either.
is_stopped(Thread) ->
    case file:read_file(Thread) of
        {ok, Text} -> match =:= re:run(Text, "\\) T", [{capture, none}]);
        {error, _} -> true
    end.

%% --------------------------------------------------------------------- BEAMs

start_beam(Args) -> start_beam(unique("b"), Args, cnode_conf:spec()).

start_beam(Name, Args, Spec) -> start_beam(Name, Args, Spec, os:find_executable("erl")).

start_beam(Name, Args, Spec, Exec) ->
    {ok, Peer, Node} = peer:start(#{
        name => Name,
        host => "127.0.0.1",
        longnames => true,
        connection => standard_io,
        exec => Exec,
        args => cnode_conf:beam_args(Spec) ++ Args
    }),
    {Peer, Node}.

%% The BEAM beside the node under test; of another release, when asked for, and
%% then it needs our code in that release's root.
start_third(#{third := here} = Spec) ->
    start_beam(unique("b"), [], Spec);
start_third(#{third_exec := Exec, code_dir := Dir} = Spec) ->
    Beam = {Peer, _} = start_beam(unique("b"), [], Spec, Exec),
    ok = peer:call(Peer, filelib, ensure_dir, [filename:join(Dir, "x")]),
    Sources = filelib:wildcard(filename:join(Dir, "*.?rl")),
    [
        begin
            {ok, Text} = file:read_file(File),
            ok = peer:call(Peer, file, write_file, [File, Text])
        end
     || File <- Sources
    ],
    Options = [{outdir, Dir}, {i, Dir}, nowarn_deprecated_catch],
    [{ok, _} = peer:call(Peer, compile, file, [F, Options], 60000) || F <- Sources, filename:extension(F) =:= ".erl"],
    true = peer:call(Peer, code, add_patha, [Dir]),
    Beam.

%% Another of that release.
start_like_third(Args) ->
    case cnode_conf:spec() of
        #{third := here} -> start_beam(Args);
        #{third_exec := Exec} = Spec -> start_beam(unique("b"), Args, Spec, Exec)
    end.

stop_beam({Peer, _Node}) ->
    catch peer:stop(Peer),
    ok.

unique(Prefix) ->
    Number = integer_to_list(erlang:unique_integer([positive])),
    lists:append([Prefix, "_", os:getpid(), "_", Number]).

%% ------------------------------------------------------------------- the host

host(#{host_port := Port}, Request) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {packet, 4}, {active, false}]),
    ok = gen_tcp:send(Socket, term_to_binary(Request)),
    {ok, Answer} = gen_tcp:recv(Socket, 0, 20000),
    ok = gen_tcp:close(Socket),
    binary_to_term(Answer).
