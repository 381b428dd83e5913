%% SPDX-License-Identifier: Apache-2.0
%%
%% Runs the cases against one node under test and prints a line for each. Lives
%% on the BEAM side, in whatever OTP release that is.
-module(cnode_conf).

-export([run/1, spec/0, beam_args/1]).

-define(CASE_MS, 15000).

%% {Passed, Failed, Skipped}. The spec, made by the script `conformance`:
%% target, over, visible, schedulers, third, only; and modules, code_dir, cookie,
%% host_port, dist_args, third_exec.
run(Spec) ->
    persistent_term:put(?MODULE, Spec),
    {ok, _} = net_kernel:start([list_to_atom("tester_" ++ os:getpid() ++ "@127.0.0.1"), longnames]),
    true = erlang:set_cookie(node(), maps:get(cookie, Spec)),
    Context = start(Spec),
    Results = lists:append([run_module(Module, Context) || Module <- maps:get(modules, Spec)]),
    stop(Context),
    list_to_tuple([length([R || R <- Results, R =:= Kind]) || Kind <- [passed, failed, skipped]]).

spec() -> persistent_term:get(?MODULE).

%% The command line of every BEAM here but the first. Cases cut connections; that
%% must not make global cut others (who wants that asks for it).
beam_args(#{code_dir := Dir, cookie := Cookie, dist_args := DistArgs}) ->
    ["-setcookie", atom_to_list(Cookie), "-pa", Dir, "-kernel", "logger_level", "emergency",
        "-kernel", "prevent_overlapping_partitions", "false" | DistArgs].

start(Spec) ->
    Beam = {_, Third} = cnode_conf_host:start_third(Spec),
    true = net_kernel:connect_node(Third),
    Context = cnode_conf_host:start(#{spec => Spec, third => Third}, #{}),
    Context#{beam => Beam}.

stop(#{beam := {Peer, _} = Beam, spec := #{code_dir := Dir}} = Context) ->
    _ = peer:call(Peer, file, del_dir_r, [Dir]), % maybe in another root
    _ = (catch cnode_conf_host:stop(Context)),
    cnode_conf_host:stop_beam(Beam).

%% A module may say that it is of no use here: then why, by applies/1.
run_module(Module, #{spec := Spec} = Context) ->
    {module, Module} = code:ensure_loaded(Module),
    Applies = not erlang:function_exported(Module, applies, 1) orelse Module:applies(Spec),
    case [Case || Case <- cases(Module), wanted(Module, Case, Spec)] of
        [] -> [];
        Cases when Applies =:= true -> [run_case(Module, Case, Context) || Case <- Cases];
        Cases -> [report(title(Module, io_lib:format("~b cases", [length(Cases)])), {skipped, Applies}, 0)]
    end.

%% In the order of the source.
cases(Module) ->
    [Name || {Name, 1} <- Module:module_info(functions), is_sentence(Name)].

%% Not the funs inside of cases, whose names begin with a minus.
is_sentence(Name) ->
    Text = atom_to_list(Name),
    hd(Text) =/= $- andalso lists:member($\s, Text).

wanted(_, _, #{only := []}) -> true;
wanted(Module, Case, #{only := Texts}) ->
    lists:any(fun(Text) -> string:find(title(Module, Case), Text) =/= nomatch end, Texts).

title(Module, Case) when is_atom(Case) -> title(Module, atom_to_list(Case));
title(Module, Text) ->
    "cnode_conf_" ++ Topic = atom_to_list(Module),
    lists:flatten([Topic, ": ", Text]).

%% In a process of its own, bounded in time: who hangs has failed.
run_case(Module, Case, Context) ->
    Started = erlang:monotonic_time(millisecond),
    {Pid, Monitor} = spawn_monitor(fun() -> exit({result, outcome(Module, Case, Context)}) end),
    Result =
        receive
            {'DOWN', Monitor, process, Pid, {result, Outcome}} -> Outcome;
            {'DOWN', Monitor, process, Pid, Reason} -> {failed, Reason, []}
        after limit(Module, Case) ->
            {current_stacktrace, Stack} = process_info(Pid, current_stacktrace),
            exit(Pid, kill),
            {failed, hangs, Stack}
        end,
    report(title(Module, Case), Result, erlang:monotonic_time(millisecond) - Started).

%% A module may say that a case needs longer.
limit(Module, Case) ->
    case erlang:function_exported(Module, limit, 1) of
        true -> Module:limit(Case);
        false -> ?CASE_MS
    end.

outcome(Module, Case, Context) ->
    try Module:Case(Context) of
        {skip, Why} -> {skipped, Why};
        _ -> passed
    catch
        _:Reason:Stack -> {failed, Reason, Stack}
    after
        cnode_conf_lib:clean_up()
    end.

report(Title, passed, Ms) ->
    io:format("ok    ~ts (~b ms)~n", [Title, Ms]),
    passed;
report(Title, {skipped, Why}, _) ->
    io:format("skip  ~ts: ~ts~n", [Title, Why]),
    skipped;
report(Title, {failed, Reason, Stack}, Ms) ->
    io:format("FAIL  ~ts (~b ms)~n      ~tP~n", [Title, Ms, Reason, 40]),
    [
        io:format("      ~ts:~b~n", [filename:basename(File), Line])
     || {Module, _, _, Where} <- Stack,
        lists:prefix("cnode_conf_", atom_to_list(Module)),
        File <- [proplists:get_value(file, Where)], Line <- [proplists:get_value(line, Where)],
        File =/= undefined
    ],
    failed.
