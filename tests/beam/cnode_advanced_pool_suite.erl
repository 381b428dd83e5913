%% SPDX-License-Identifier: Apache-2.0
%%
%% The cluster that the suites about calls and about operating share: a C node
%% that hosts all pools of judge.ex, and two BEAM nodes with AdvancedPool.
-module(cnode_advanced_pool_suite).

-include("cnode_advanced_pool.hrl").

-export([suite/2]).
-export([call/3, try_call/3, hook/3, try_hook/3, process/2, known/3, children/1]).
-export([field/2, has_status/3]).

-import(cnode_peer, [eventually/2]).
-import(cnode_advanced_pool, [on/4, 'try'/4, ref/2, status/3, supervisors/3]).

%% ------------------------------------------------------------------- fixtures

suite(Node, Tests) ->
    cnode_advanced_pool:suite(fun(Build) -> start(Build, Node) end, fun stop/1, [
        {Sentence ++ suffix(Node), Fun}
     || {Sentence, Fun} <- Tests
    ]).

suffix(#{hidden := true}) -> " (hidden)";
suffix(_) -> "".

start(Build, Node) ->
    Window = #{worker => #{target => cnode_advanced_pool:window(50, 100, 200)}},
    C = cnode_advanced_pool:start_c(
        Build,
        #{
            ?ROOMS => Window#{supervisors => #{max_restarts => 10000}},
            ?MIXED => Window,
            ?STICKY => Window,
            ?FRAIL => #{health => #{degraded => 3, critical => 6}},
            ?SMALL => #{worker => #{max => 5}}
        },
        #{node => Node}
    ),
    Name = cnode_peer:name(C),
    Pools = #{?ROOMS => [Name], ?SMALL => [Name], ?FRAIL => [Name], ?STICKY => [Name], ?MIXED => [self, Name]},
    A = cnode_advanced_pool:start_beam(Build, Pools, manager, [C]),
    B = cnode_advanced_pool:start_beam(Build, Pools#{?MIXED => [Name]}, member, [C, A]),
    [cnode_advanced_pool:bring_online(X) || X <- [C, A, B]],
    [cnode_advanced_pool:wait_for_pool(X, P, Name) || X <- [A, B], P <- maps:keys(Pools)],
    #ctx{c = C, node = Name, a = A, b = B, x = cnode_advanced_pool:context(A)}.

stop(#ctx{c = C, a = A, b = B}) ->
    [cnode_advanced_pool:stop_beam(X) || X <- [A, B]],
    cnode_advanced_pool:stop_c(C).

%% -------------------------------------------------------------------- helpers

call(#ctx{a = A, x = X}, Id, Call) -> on(A, ?ROOMS, 's_call!', [Id, Call, X]).
try_call(#ctx{a = A, x = X}, Id, Call) -> 'try'(A, ?ROOMS, 's_call!', [Id, Call, X]).

%% A hook of the pool: ping, kill!, ...
hook(#ctx{a = A, x = X}, Hook, Id) -> on(A, ?ROOMS, Hook, [Id, X, nil]).
try_hook(#ctx{a = A, x = X}, Hook, Id) -> 'try'(A, ?ROOMS, Hook, [Id, X, nil]).

process(#ctx{a = A, x = X}, Id) ->
    {_, _, Pid} = on(A, ?ROOMS, fetch, [Id, process, X]),
    Pid.

%% Both BEAMs know this process as the worker, or nobody.
known(#ctx{a = A, b = B}, Id, What) ->
    eventually(
        fun() ->
            Seen = [pid(on(Beam, syn, lookup, [?REGISTRY, {worker, ref(?ROOMS, Id)}])) || Beam <- [A, B]],
            Seen =:= [What, What] orelse {Seen, What}
        end,
        ?PATIENCE
    ).

pid({Pid, _}) -> Pid;
pid(undefined) -> undefined.

%% The fields of pool_status and worker_sup_status.
field(status, Tuple) -> element(2, Tuple);
field(health, Tuple) -> element(4, Tuple);
field(node, Tuple) -> element(5, Tuple);
field(count, Tuple) -> element(6, Tuple);
field(target, Tuple) -> element(7, Tuple).

has_status(Ctx, Pool, Status) ->
    #ctx{a = A, b = B, node = Node} = Ctx,
    eventually(
        fun() ->
            Seen = [field(status, element(2, status(Beam, Pool, Node))) || Beam <- [A, B]],
            Seen =:= [Status, Status] orelse {Seen, Status}
        end,
        ?PATIENCE
    ).

%% What all worker supervisors count, asked as AdvancedPool does.
children(#ctx{a = A, node = Node}) ->
    Counts = [on(A, 'Elixir.Supervisor', count_children, [Pid]) || {Pid, _} <- supervisors(A, ?ROOMS, Node)],
    lists:sum([Workers || #{workers := Workers} <- Counts]).
