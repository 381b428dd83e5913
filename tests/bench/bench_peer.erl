%% SPDX-License-Identifier: Apache-2.0
%%
%% The BEAM side of the comparison: what an experienced Erlang programmer would
%% run instead of the C node. An echo gen_server, and a pool of supervised
%% counters, found through an ETS table, started by their first message, that
%% takes the same envelopes.
-module(bench_peer).
-behaviour(gen_server).
-export([start/0, start_worker/1]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(TABLE, bench_workers).

start() ->
    {ok, _} = gen_server:start({local, echo}, ?MODULE, echo, []),
    {ok, _} = gen_server:start({local, 'Elixir.Bench'}, ?MODULE, pool, []),
    ok.

start_worker(Id) ->
    gen_server:start_link(?MODULE, {worker, Id}, []).

init(echo) ->
    {ok, echo};
init(pool) ->
    ?TABLE = ets:new(?TABLE, [named_table, public, set,
                              {write_concurrency, true}]),
    {ok, {pool, list_to_tuple([start_supervisor() || _ <- lists:seq(1, 8)])}};
init(supervisor) ->
    {ok, {#{strategy => simple_one_for_one, intensity => 1000, period => 5},
          [#{id => worker, start => {?MODULE, start_worker, []}}]}};
init({worker, Id}) ->
    true = ets:insert(?TABLE, {Id, self()}),
    {ok, {worker, 0}}.

start_supervisor() ->
    {ok, Pid} = supervisor:start_link(?MODULE, supervisor),
    Pid.

handle_call({msg_envelope, _, _, {ref, _, Id}, _, {s, Call, _, _}}, From,
            {pool, Sups} = State) ->
    Pid = case ets:lookup(?TABLE, Id) of
              [{_, P}] -> P;
              [] ->
                  Sup = element(1 + erlang:phash2(Id, tuple_size(Sups)), Sups),
                  {ok, P} = supervisor:start_child(Sup, [Id]),
                  P
          end,
    Pid ! {'$gen_call', From, Call},
    {noreply, State};
handle_call(increment, _, {worker, N}) ->
    {reply, N + 1, {worker, N + 1}};
handle_call(X, _, State) ->
    {reply, X, State}.

handle_cast(_, State) ->
    {noreply, State}.
