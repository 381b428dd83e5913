%% SPDX-License-Identifier: Apache-2.0
%%
%% The real AdvancedPool calls workers of a C node that keep their state in a
%% store: what a caller was told is there, whatever happened to the node.
-module(cnode_advanced_pool_store_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [eventually/2, name/1]).
-import(cnode_advanced_pool, [on/4, 'try'/4, workers/3]).

-define(ROOMS, 'Elixir.Judge.Rooms').
-define(PATIENCE, 20000).

-record(ctx, {build, dir, name, mode, c, a, b}).

store_test_() ->
    case cnode_advanced_pool:is_beam_target() of
        true ->
            [];
        false ->
            cnode_advanced_pool:tests([
                {"a worker that crashed has what it had", fun crashed/1},
                {"persist! is answered when it is kept", fun manual/1},
                {"a node that was killed has what it answered", fun killed/1},
                {"100 000 updates, and SIGKILL in the midst of them", fun many/1}
            ])
    end.

%% ------------------------------------------------------------------- fixtures

start(#{dir := Dir} = Build, Mode) ->
    Ctx = #ctx{build = Build, dir = Dir, name = cnode_peer:unique("c"), mode = Mode},
    C = start_c(Ctx, []),
    Pools = #{?ROOMS => [Ctx#ctx.name]},
    A = cnode_advanced_pool:start_beam(Build, Pools, manager, [C]),
    B = cnode_advanced_pool:start_beam(Build, Pools, member, [C, A]),
    [cnode_advanced_pool:bring_online(X) || X <- [A, B]],
    ready(Ctx#ctx{c = C, a = A, b = B}).

start_c(#ctx{build = Build, dir = Dir, name = Name, mode = Mode}, Join) ->
    Path = list_to_binary(filename:join(Dir, atom_to_list(Name))),
    cnode_advanced_pool:start_c(Build, #{?ROOMS => #{persist => #{store => main, mode => Mode}}}, #{
        name => Name,
        node => #{join => Join},
        stores => #{main => #{type => lmdb, path => Path}}
    }).

ready(#ctx{a = A, b = B, name = Name} = Ctx) ->
    [cnode_advanced_pool:wait_for_pool(X, ?ROOMS, Name) || X <- [A, B]],
    Ctx.

kill(#ctx{c = C}) -> cnode_advanced_pool:kill_c(C).

%% Under its name, with its folder.
again(#ctx{a = A, b = B} = Ctx) -> ready(Ctx#ctx{c = start_c(Ctx, [element(2, A), element(2, B)])}).

stop(#ctx{c = C, a = A, b = B}) ->
    [cnode_advanced_pool:stop_beam(X) || X <- [A, B]],
    cnode_advanced_pool:stop_c(C).

call(#ctx{a = A}, Id, Call) -> on(A, ?ROOMS, 's_call!', [Id, Call, cnode_advanced_pool:context(A)]).

hook(#ctx{a = A}, Hook, Id) -> 'try'(A, ?ROOMS, Hook, [Id, cnode_advanced_pool:context(A), nil]).

%% ---------------------------------------------------------------------- cases

crashed(Build) ->
    Ctx = start(Build, on_change),
    [?assertEqual(N, call(Ctx, crashed, visit)) || N <- [1, 2, 3]],
    ?assertMatch({exit, _}, hook(Ctx, 'crash!', crashed)),
    eventually(fun() -> catch call(Ctx, crashed, get) =:= 3 end, ?PATIENCE),
    ?assertEqual({ok, ok}, hook(Ctx, 'kill!', crashed)),
    eventually(fun() -> catch call(Ctx, crashed, get) =:= 3 end, ?PATIENCE),
    ?assertEqual(4, call(Ctx, crashed, visit)),
    stop(Ctx).

manual(Build) ->
    Ctx = start(Build, manual),
    [?assertEqual(N, call(Ctx, saved, visit)) || N <- [1, 2]],
    ?assertEqual({ok, ok}, hook(Ctx, 'persist!', saved)),
    ?assertEqual(3, call(Ctx, saved, visit)),
    _ = kill(Ctx),
    Again = again(Ctx),
    ?assertEqual(2, call(Again, saved, get)),
    stop(Again).

killed(Build) ->
    Ctx = start(Build, on_change),
    Last = lists:foldl(
        fun(Round, C) ->
            [?assertEqual({Id, Round}, {Id, call(C, Id, visit)}) || Id <- lists:seq(1, 20)],
            _ = kill(C),
            again(C)
        end,
        Ctx,
        lists:seq(1, 5)
    ),
    stop(Last).

%% Each id has one caller, who keeps count of what he was told.
many(Build) ->
    Ctx = #ctx{a = A, b = B} = start(Build, on_change),
    Self = self(),
    Callers = [
        spawn_link(fun() ->
            Self ! {self(), on(X, 'Elixir.Judge.Node', insist, [?ROOMS, ids(N), 100, cnode_advanced_pool:context(X)])}
        end)
     || {N, X} <- [{1, A}, {2, B}]
    ],
    Last = kill_until_done(Ctx, Callers, 8),
    Told = lists:append([receive {Pid, Some} -> Some after 150000 -> error(hangs) end || Pid <- Callers]),
    ?assertEqual(1000, length(Told)),
    ?assert(lists:sum([Visits || {_, _, Visits, _} <- Told]) >= 100000),
    ?assertEqual([], lists:sublist([Id || {Id, _, _, Honest} <- Told, not Honest], 5)),
    _ = kill(Last),
    Again = again(Last),
    Lost = [{Id, Count, Is} || {Id, Count, _, _} <- Told, Is <- [call(Again, Id, get)], Is < Count],
    ?assertEqual([], lists:sublist(Lost, 5)),
    stop(Again).

ids(Caller) -> [{Caller, N} || N <- lists:seq(1, 500)].

%% Kills and starts it while they call, at most so often.
kill_until_done(Ctx, _, 0) ->
    Ctx;
kill_until_done(Ctx, Callers, Times) ->
    timer:sleep(300 + rand:uniform(700)),
    case lists:any(fun is_process_alive/1, Callers) of
        true ->
            _ = kill(Ctx),
            kill_until_done(again(Ctx), Callers, Times - 1);
        false ->
            Ctx
    end.
