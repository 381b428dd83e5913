%% SPDX-License-Identifier: Apache-2.0
%%
%% What supervisors are asked from outside. `conf_pool` is one on both kinds of
%% nodes: a pool in C, a supervisor of OTP on a BEAM.
-module(cnode_conf_supervisor).

-include("cnode_conf.hrl").

pool(#{node := Node}) -> {conf_pool, Node}.

'which_children lists children'(C) ->
    Children = supervisor:which_children(pool(C)),
    true = length(Children) > 0,
    [
        begin
            true = is_pid(Child),
            true = lists:member(Type, [worker, supervisor]),
            true = is_list(Modules) orelse Modules =:= dynamic
        end
     || {_Id, Child, Type, Modules} <- Children
    ],
    Ids = [Id || {Id, _, _, _} <- Children],
    true = length(Ids) =:= length(lists:usort(Ids)).

'count_children counts them'(C) ->
    Children = supervisor:which_children(pool(C)),
    Counts = supervisor:count_children(pool(C)),
    Count = length(Children),
    Count = proplists:get_value(specs, Counts),
    Count = proplists:get_value(active, Counts),
    true = proplists:get_value(supervisors, Counts) =:= length([S || {_, _, supervisor, _} = S <- Children]),
    true = proplists:get_value(workers, Counts) =:= length([W || {_, _, worker, _} = W <- Children]).

'children that are supervisors answer as well'(C) ->
    [
        begin
            true = is_list(supervisor:which_children(Pid)),
            true = is_list(supervisor:count_children(Pid))
        end
     || {_, Pid, supervisor, _} <- supervisor:which_children(pool(C))
    ].

'children are alive'(#{node := Node} = C) ->
    Processes = erpc:call(Node, erlang, processes, []),
    [true = lists:member(Pid, Processes) || {_, Pid, _, _} <- supervisor:which_children(pool(C))].

'a child nobody knows is not found'(C) ->
    [
        {error, not_found} = supervisor:Function(pool(C), Id)
     || Function <- [terminate_child, delete_child, restart_child, get_childspec],
        Id <- [no_such_child, {worker_supervisor, 0}, {worker_supervisor, a}, {a, b, c}, <<>>, self()]
    ].

'a child that runs is neither restarted nor deleted'(C) ->
    [{Id, _, _, _} | _] = supervisor:which_children(pool(C)),
    {error, running} = supervisor:restart_child(pool(C), Id),
    {error, running} = supervisor:delete_child(pool(C), Id).

'a child that was terminated is restarted or deleted'(C) ->
    Own = start_target(C),
    Pool = pool(Own),
    [{Id, Pid, supervisor, Modules} | _] = supervisor:which_children(Pool),
    Counts = lists:sort(supervisor:count_children(Pool)),
    {ok, Spec} = supervisor:get_childspec(Pool, Id),
    M = monitor(process, Pid),
    ok = supervisor:terminate_child(Pool, Id),
    ?GOT({'DOWN', M, process, Pid, shutdown}),
    {Id, undefined, supervisor, Modules} = lists:keyfind(Id, 1, supervisor:which_children(Pool)),
    Active = proplists:get_value(active, Counts),
    true = lists:sort(supervisor:count_children(Pool)) =:= lists:keyreplace(active, 1, Counts, {active, Active - 1}),
    ok = supervisor:terminate_child(Pool, Id),
    {ok, Spec} = supervisor:get_childspec(Pool, Id),
    {ok, New} = supervisor:restart_child(Pool, Id),
    true = New =/= Pid,
    true = is_list(supervisor:which_children(New)),
    true = Counts =:= lists:sort(supervisor:count_children(Pool)),
    ok = supervisor:terminate_child(Pool, Id),
    ok = supervisor:delete_child(Pool, Id),
    {error, not_found} = supervisor:restart_child(Pool, Id),
    {error, not_found} = supervisor:get_childspec(Pool, Id),
    false = lists:keyfind(Id, 1, supervisor:which_children(Pool)).

'a supervisor of workers that are all alike has no children by name'(C) ->
    [{_, Pid, supervisor, _} | _] = supervisor:which_children(pool(C)),
    {error, simple_one_for_one} = supervisor:restart_child(Pid, child),
    {error, simple_one_for_one} = supervisor:delete_child(Pid, child).

'a child specification that is none is refused'(C) ->
    {error, _} = supervisor:start_child(pool(C), nonsense),
    {error, _} = supervisor:start_child(pool(C), {id, nonsense}),
    {error, _} = supervisor:start_child(pool(C), #{id => x}).

'a message that is none of a supervisor\'s does not end it'(#{node := Node} = C) ->
    Pid = erpc:call(Node, erlang, whereis, [conf_pool]),
    pool(C) ! {no, such, message},
    true = is_list(supervisor:which_children(Pid)).

'sys functions work on it'(C) ->
    _ = sys:get_state(pool(C)),
    {status, _, _, [_, running, _, _, _]} = sys:get_status(pool(C)),
    ok = sys:suspend(pool(C)),
    ok = sys:resume(pool(C)),
    true = is_list(supervisor:which_children(pool(C))).
