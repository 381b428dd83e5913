%% SPDX-License-Identifier: Apache-2.0
%%
%% What cases say things with. Nothing here knows whether the node under test is
%% a BEAM or written in C.
-module(cnode_conf_lib).

-export([
    probe/1, probe/2, ask/2, barrier/1, quiet/1, flushed/2, flush/1,
    down/1, exit_of/1, puppet/0, on/2, eventually/1, eventually/2,
    stale/1, never/1, name/0, exit_reasons/0, big/1, otp/0, fails/1,
    start_target/1, start_target/2, stop_target/1, kill_target/1, signal_target/2,
    start_beam/0, start_beam/1, start_like_third/1, stop_beam/1, connected/1, within/2, messages/0
]).
-export([clean_up/0]).

-define(PATIENCE, 5000).

%% --------------------------------------------------------------------- probes

%% A probe of this case's own on the node under test.
probe(C) -> probe(C, undefined).

probe(#{probe := Service}, Name) ->
    Pid = gen_server:call(Service, {spawn, Name}),
    true = is_pid(Pid),
    at_the_end(fun() -> exit(Pid, kill) end),
    Pid.

ask(Probe, Request) -> gen_server:call(Probe, Request, ?PATIENCE).

%% Everything the probe sent us before has arrived, and what we sent it is done.
barrier(Probe) ->
    Ref = make_ref(),
    Ref = ask(Probe, {echo, Ref}),
    ok.

%% Nothing came from the probe that the case did not ask for.
quiet(Probe) ->
    barrier(Probe),
    [] = messages(),
    ok.

flush(Probe) -> ask(Probe, flush).

%% What the probe received, as soon as it is that many messages.
flushed(Probe, Count) -> flushed(Probe, Count, []).

flushed(_Probe, Count, Got) when length(Got) >= Count -> Got;
flushed(Probe, Count, Got) ->
    eventually(fun() ->
        case flush(Probe) of
            [] -> false;
            More -> self() ! {cnode_conf_more, More}, true
        end
    end),
    receive
        {cnode_conf_more, More} -> flushed(Probe, Count, Got ++ More)
    end.

%% --------------------------------------------------------- signals to this side

down(Monitor) ->
    receive
        {'DOWN', Monitor, process, _, Reason} -> Reason
    after ?PATIENCE -> error({no_down, messages()})
    end.

exit_of(Pid) ->
    receive
        {'EXIT', Pid, Reason} -> Reason
    after ?PATIENCE -> error({no_exit_of, Pid, messages()})
    end.

messages() -> element(2, process_info(self(), messages)).

%% A process of this node that does what it is told: on(Puppet, Fun).
puppet() ->
    Owner = self(),
    Pid = spawn(fun() -> puppet(monitor(process, Owner)) end),
    at_the_end(fun() -> exit(Pid, kill) end),
    Pid.

puppet(Owner) ->
    receive
        {do, From, Ref, Fun} ->
            From ! {Ref, Fun()},
            puppet(Owner);
        {'DOWN', Owner, _, _, _} ->
            ok
    end.

on(Puppet, Fun) ->
    Ref = monitor(process, Puppet),
    Puppet ! {do, self(), Ref, Fun},
    receive
        {Ref, Result} ->
            demonitor(Ref, [flush]),
            Result;
        {'DOWN', Ref, _, _, Reason} ->
            {ended, Reason}
    after ?PATIENCE -> error(puppet_hangs)
    end.

%% ------------------------------------------------------------------------ time

eventually(Fun) -> eventually(Fun, ?PATIENCE).

%% Polls until the fun gives true (or a value that is not false).
eventually(Fun, Ms) -> poll(Fun, erlang:monotonic_time(millisecond) + Ms).

poll(Fun, Deadline) ->
    case Fun() of
        false ->
            erlang:monotonic_time(millisecond) < Deadline orelse error(not_true_in_time),
            receive after 5 -> poll(Fun, Deadline) end;
        Value ->
            Value
    end.

%% The fun's value if it comes within that time; the case fails otherwise.
within(Ms, Fun) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit({value, Fun()}) end),
    receive
        {'DOWN', Monitor, process, Pid, {value, Value}} -> Value;
        {'DOWN', Monitor, process, Pid, Reason} -> error(Reason)
    after Ms ->
        exit(Pid, kill),
        error({not_within, Ms})
    end.

%% ----------------------------------------------------------------------- terms

%% The pid as an earlier incarnation of its node would have had it.
stale(Pid) -> with_ids(Pid, fun(Id, Serial, Creation) -> {Id, Serial, Creation - 1} end).

%% A pid of that incarnation which no process ever had.
never(Pid) -> with_ids(Pid, fun(_, Serial, Creation) -> {16#7FFE, Serial + 64, Creation} end).

with_ids(Pid, Change) ->
    Bytes = term_to_binary(Pid),
    Size = byte_size(Bytes) - 12,
    <<Head:Size/binary, Id:32, Serial:32, Creation:32>> = Bytes,
    {NewId, NewSerial, NewCreation} = Change(Id, Serial, Creation),
    binary_to_term(<<Head/binary, NewId:32, NewSerial:32, NewCreation:32>>).

%% A name nobody else has.
name() -> list_to_atom("conf_" ++ integer_to_list(erlang:unique_integer([positive]))).

exit_reasons() ->
    [
        shutdown, {shutdown, because}, boom, {a, "tuple", [full, <<"of things">>]}, 4711, 1.5, "text", [],
        <<"binary">>, <<5:3>>, #{a => {map, 1}}, self(), make_ref(), {}, [improper | tail],
        1 bsl 200, fun erlang:node/0, {badmatch, [{m, f, 1, [{line, 3}]}]}
    ].

big(Size) -> binary:copy(<<"0123456789abcdef">>, Size div 16).

otp() -> list_to_integer(erlang:system_info(otp_release)).

%% How a fun fails: {Class, Reason}.
fails(Fun) ->
    try Fun() of
        Value -> error({did_not_fail, Value})
    catch
        Class:Reason -> {Class, Reason}
    end.

%% ------------------------------------------- nodes that one case has for itself

%% Another node of the kind under test; gives a context as the case's own.
start_target(C) -> start_target(C, #{}).

start_target(C, Opts) ->
    Own = cnode_conf_host:start(C, Opts),
    at_the_end(fun() -> cnode_conf_host:kill(Own) end),
    Own.

stop_target(C) -> cnode_conf_host:stop(C).
kill_target(C) -> cnode_conf_host:kill(C).
signal_target(C, Signal) -> cnode_conf_host:signal(C, Signal).

start_beam() -> start_beam([]).

%% {Peer, Node}: a BEAM of its own, with this code.
start_beam(Args) ->
    Beam = cnode_conf_host:start_beam(Args),
    at_the_end(fun() -> cnode_conf_host:stop_beam(Beam) end),
    Beam.

%% The same, of the third node's release.
start_like_third(Args) ->
    Beam = cnode_conf_host:start_like_third(Args),
    at_the_end(fun() -> cnode_conf_host:stop_beam(Beam) end),
    Beam.

stop_beam(Beam) -> cnode_conf_host:stop_beam(Beam).

connected(Node) -> lists:member(Node, nodes(connected)).

%% -------------------------------------------------------------------- the end

at_the_end(Fun) ->
    _ = put(at_the_end, [Fun | ends()]),
    ok.

ends() ->
    case get(at_the_end) of
        undefined -> [];
        Funs -> Funs
    end.

clean_up() ->
    [catch Fun() || Fun <- ends()],
    ok.
