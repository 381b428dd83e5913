%% SPDX-License-Identifier: Apache-2.0
%%
%% A C node and its epmd: registered, forgotten, registered anew; on an epmd of
%% its own, so that nobody else is disturbed when it goes.
-module(cnode_epmd_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cnode_peer, [epmd_names/1, eventually/1, name/1]).

epmd_test_() ->
    cnode_peer:tests([
        {"it is registered with its port, and forgotten when it ends", fun has_entry/0},
        {"it registers again when epmd restarts", fun restarted/0},
        {"it starts epmd when there is none", fun started/0},
        {"a name in use is refused with exit code 1", fun in_use/0},
        {"its creation differs from life to life", fun creations/0}
    ]).

%% A C node at the epmd of that port; what it is called there.
start(Port) -> start(Port, #{}).

start(Port, Opts) ->
    Env = [{"ERL_EPMD_PORT", integer_to_list(Port)}],
    Config = #{services => #{echo => #{behaviour => echo}}},
    cnode_peer:try_start(Config, Opts#{env => Env}).

entry(Node) ->
    [Alive, _] = string:lexemes(atom_to_list(name(Node)), "@"),
    {Alive, list_to_integer(maps:get("port", cnode_peer:info(Node)))}.

has_entry() ->
    Port = cnode_peer:free_port(),
    Epmd = cnode_peer:start_epmd(Port),
    {ok, Node} = start(Port),
    ?assertEqual([entry(Node)], epmd_names(Port)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    eventually(fun() -> epmd_names(Port) =:= [] end),
    {ok, Killed} = start(Port),
    _ = cnode_peer:kill(Killed),
    eventually(fun() -> epmd_names(Port) =:= [] end),
    cnode_peer:stop_epmd(Epmd).

restarted() ->
    Port = cnode_peer:free_port(),
    First = cnode_peer:start_epmd(Port),
    {ok, Node} = start(Port),
    _ = cnode_peer:stop_epmd(First),
    Second = cnode_peer:start_epmd(Port),
    cnode_peer:eventually(fun() -> epmd_names(Port) =:= [entry(Node)] end, 15000),
    ?assertEqual(0, cnode_peer:stop(Node)),
    cnode_peer:stop_epmd(Second).

started() ->
    Port = cnode_peer:free_port(),
    {ok, Node} = start(Port),
    ?assertEqual([entry(Node)], epmd_names(Port)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    eventually(fun() -> epmd_names(Port) =:= [] end),
    %% A daemon, as erl leaves one; not ours to keep.
    Kill = io_lib:format("~s -port ~b -kill", [os:find_executable("epmd"), Port]),
    _ = os:cmd(lists:flatten(Kill)),
    eventually(fun() -> not is_list(epmd_names(Port)) end).

in_use() ->
    Port = cnode_peer:free_port(),
    Epmd = cnode_peer:start_epmd(Port),
    {ok, Node} = start(Port),
    {error, {1, Lines}} = start(Port, #{name => name(Node)}),
    ?assert(
        lists:any(fun(L) -> string:find(L, atom_to_list(name(Node))) =/= nomatch end, Lines)
    ),
    ?assertEqual([entry(Node)], epmd_names(Port)),
    ?assertEqual(0, cnode_peer:stop(Node)),
    cnode_peer:stop_epmd(Epmd).

creations() ->
    Port = cnode_peer:free_port(),
    Epmd = cnode_peer:start_epmd(Port),
    Name = cnode_peer:unique("c"),
    Creations = [
        begin
            {ok, Node} = start(Port, #{name => Name}),
            Creation = list_to_integer(maps:get("creation", cnode_peer:info(Node))),
            0 = cnode_peer:stop(Node),
            eventually(fun() -> epmd_names(Port) =:= [] end),
            ?assert(Creation > 3),
            Creation
        end
     || _ <- lists:seq(1, 3)
    ],
    ?assertEqual(3, length(lists:usort(Creations))),
    cnode_peer:stop_epmd(Epmd).
