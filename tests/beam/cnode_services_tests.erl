%% SPDX-License-Identifier: Apache-2.0
%%
%% What tools ask of a node and its processes: OTP's sys, rpc and erpc,
%% process_info, the calls of observer and etop, supervisors.
-module(cnode_services_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/1, name/1]).

-define(CONFIG, #{
    services => #{echo => #{behaviour => echo}, counter => #{behaviour => counter}},
    pools => #{'Elixir.Counters' => #{behaviour => counter, registry => none}}
}).

%% ----------------------------------------------------------------------- sys

sys_test_() ->
    cnode_peer:suite(?CONFIG, [
        {"get_state gives the state of every kind of process", fun get_state/1},
        {"get_status is as of a gen_server", fun get_status/1},
        {"replace_state raises an error that says who refused", fun replace_state/1},
        {"suspended, a process keeps its messages until it is resumed", fun suspend/1},
        {"stop ends a worker with exactly that reason", fun stop/1},
        {"debug functions are accepted", fun debug/1},
        {"an unknown request is an error", fun unknown/1},
        {"malformed ones do no harm", fun malformed/1},
        {"gen_event calls do not hang", fun event_calls/1}
    ]).

%% All processes that a peer can get hold of.
processes_of(Node) ->
    Pool = {'Elixir.Counters', name(Node)},
    Children = [Pid || {_, Pid, _, _} <- supervisor:which_children(Pool)],
    [{echo, name(Node)}, {net_kernel, name(Node)}, Pool, cnode_peer:worker(Node, 1) | Children].

%% Releases before 26.1 show the tuple around the state.
state({ok, State}) -> State;
state(State) -> State.

get_state(Node) ->
    Worker = cnode_peer:worker(Node, state),
    1 = gen_server:call(Worker, increment),
    ?assertEqual(1, state(sys:get_state(Worker))),
    ?assertEqual(0, state(sys:get_state({counter, name(Node)}))),
    ?assertMatch(#{behaviour := echo}, state(sys:get_state({echo, name(Node)}))),
    ?assertMatch(#{workers := 1, segments := _},
        state(sys:get_state({'Elixir.Counters', name(Node)}))),
    [sys:get_state(Process) || Process <- processes_of(Node)].

get_status(Node) ->
    Worker = cnode_peer:worker(Node, status),
    ok = gen_server:cast(Worker, {add, 5}),
    {status, Worker, {module, gen_server}, [Dictionary, running, Parent, [], Misc]} =
        sys:get_status(Worker),
    ?assertEqual({'Elixir.Counters.Worker', init, 1},
        proplists:get_value('$initial_call', Dictionary)),
    ?assertEqual([Parent, 'Elixir.Counters'], proplists:get_value('$ancestors', Dictionary)),
    [{header, Header}, {data, First}, {data, [{"State", 5}]}] = Misc,
    ?assertMatch("Status for generic server <" ++ _, Header),
    ?assertEqual(running, proplists:get_value("Status", First)),
    ?assertEqual(Parent, proplists:get_value("Parent", First)),
    [{status, _, {module, _}, [_, _, _, _, _]} = sys:get_status(P) || P <- processes_of(Node)].

replace_state(Node) ->
    [
        ?assertError({callback_failed, {gen_server, system_replace_state}, {error, notsup}},
            sys:replace_state(Process, fun(State) -> State end))
     || Process <- processes_of(Node)
    ].

suspend(Node) ->
    Worker = cnode_peer:worker(Node, suspended),
    ok = sys:suspend(Worker),
    Request = gen_server:send_request(Worker, increment),
    ok = gen_server:cast(Worker, {add, 10}),
    {status, _, _, [_, suspended | _]} = sys:get_status(Worker),
    ?assertEqual(timeout, gen_server:wait_response(Request, 100)),
    ?assertEqual(0, state(sys:get_state(Worker))),
    ok = sys:resume(Worker),
    ?assertEqual({reply, 1}, gen_server:wait_response(Request, 5000)),
    ?assertEqual(11, gen_server:call(Worker, get)),
    [
        begin
            ok = sys:suspend(Process),
            ok = sys:resume(Process)
        end
     || Process <- processes_of(Node)
    ].

stop(Node) ->
    Reasons = [normal, shutdown, {shutdown, <<"why">>}, kill, {any, [term]}],
    [
        begin
            Worker = cnode_peer:worker(Node, {stop, Reason}),
            Ref = monitor(process, Worker),
            ok = gen_server:stop(Worker, Reason, 5000),
            ?assertEqual(Reason,
                receive {'DOWN', Ref, process, Worker, Why} -> Why after 5000 -> none end)
        end
     || Reason <- Reasons
    ],
    ok = gen_server:stop({counter, name(Node)}, shutdown, 5000),
    eventually(fun() ->
        try gen_server:call({counter, name(Node)}, get) =:= 0
        catch exit:{noproc, _} -> false
        end
    end),
    ?assertExit(noproc, gen_server:stop({nobody, name(Node)})).

debug(Node) ->
    Echo = {echo, name(Node)},
    ok = sys:trace(Echo, true),
    ok = sys:trace(Echo, false),
    ok = sys:log(Echo, true),
    {ok, []} = sys:log(Echo, get),
    ok = sys:statistics(Echo, true),
    {ok, no_statistics} = sys:statistics(Echo, get),
    ok = sys:no_debug(Echo),
    ok = sys:install(Echo, {fun(_, _, _) -> done end, state}).

unknown(Node) ->
    {ok, Answer} = gen:call({echo, name(Node)}, system, {what, is, this}, 5000),
    ?assertEqual({error, {unknown_system_msg, {what, is, this}}}, Answer).

malformed(Node) ->
    Worker = cnode_peer:worker(Node, malformed),
    [
        [Process ! Message || Process <- [Worker, {'Elixir.Counters', name(Node)}]]
     || Message <- [
            {system, x, get_state},
            {system, {self()}, get_state},
            {system, {x, make_ref()}, {terminate, normal}},
            {system, [], []},
            {system}
        ]
    ],
    ?assertEqual(0, gen_server:call(Worker, get)).

event_calls(Node) ->
    [
        begin
            ?assertEqual([], gen_event:which_handlers(Process)),
            ?assertEqual({error, bad_module}, gen_event:call(Process, handler, query)),
            ?assertEqual(ok, gen_event:sync_notify(Process, event)),
            ?assertEqual({error, notsup}, gen_event:add_handler(Process, handler, args)),
            ?assertEqual({error, module_not_found},
                gen_event:delete_handler(Process, handler, args)),
            ok = gen_event:notify(Process, event)
        end
     || Process <- processes_of(Node)
    ].
