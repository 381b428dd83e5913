%% SPDX-License-Identifier: Apache-2.0
%%
%% The way of a message from a caller to a worker in C, for Erlang and, through
%% 'Elixir.CNode.Pool', for Elixir. No process of its own: everything runs in
%% the caller.
%%
%%     Pool = cnode_pool:new(#{name => 'Elixir.Demo.Counters',
%%                             nodes => ['c1@127.0.0.1']}),
%%     1 = cnode_pool:call(Pool, 123, increment),
%%     ok = cnode_pool:cast(Pool, 123, {add, 5}),
%%     {ok, true} = cnode_pool:ping(Pool, 123).
%%
%% A worker is named by its id, by {ref, Module, Id}, or by a link that link/2
%% gave. The first two go to the pool's registered name on the ref's home node,
%% which passes them on to the worker and starts it if asked; a link goes
%% straight to the worker's pid.
%%
%% Home. Of the pool's nodes that are connected, a ref lives on the one with
%% the highest hash of {Node, Ref} (rendezvous hashing). So all callers agree
%% without asking anybody, and when a node leaves, only its own refs move.
%% While 'Elixir.CNode.Connector' runs for the pool, it keeps the nodes
%% connected and a call never dials; else the call dials the ref's home itself.
%%
%% Where syn is on the code path and this node has the pool's scope (the
%% connector sees to that), a worker that is registered there is where syn says:
%% its node is the home of its ref, and link/2 needs no round trip.
%%
%% How it fails: no node to be had is {error, unavailable}; an id that no worker
%% can have, {error, {unsupported, Id}}; a worker that is absent and not to be
%% started, {nack, not_registered}. Everything else is as with gen_server:call:
%% the caller exits with noproc, timeout, {nodedown, Node} or the worker's own
%% reason.
-module(cnode_pool).

-export([new/1, ref/2, home/2, registered/2]).
-export([call/3, call/4, cast/3, cast/4]).
-export([fetch/3, fetch/4, link/2, link/3, ping/2, ping/3]).
-export([kill/2, kill/3, crash/2, crash/3, hibernate/2, hibernate/3]).
-export([persist/2, persist/3, reload/2, reload/3]).

-export_type([pool/0, ref/0, worker_link/0, target/0, opts/0, nack/0, failure/0]).

-type pool() :: #{
    %% the pool's registered name on its nodes
    name := atom(),
    nodes := [node()],
    %% the module in the refs of its workers, <name>.Worker by default
    worker => module(),
    %% of calls, 60 s by default
    timeout => timeout(),
    %% what a cast's envelope says, 5 s by default
    cast_timeout => timeout(),
    %% the process that keeps the nodes connected, if it runs
    connector => atom(),
    %% the scope of syn that has the workers, <name>.Registry by default; nil:
    %% syn is not asked
    scope => atom(),
    %% gen_server:call/3 or 'Elixir.GenServer':call/3: they exit differently
    caller => fun((term(), term(), timeout()) -> term())
}.
-type ref() :: {ref, module(), Id :: term()}.
-type worker_link() :: {link, node() | nil, pid() | nil, ref()}.
-type target() :: ref() | worker_link() | Id :: term().
-type opts() :: #{
    %% start the worker if it is absent
    spawn => boolean(),
    %% carried to the worker as it is
    context => term(),
    %% a list of pairs or a map, the worker's; of it `timeout`, `safe`, 'ack?' and
    %% 'sticky?' are also ours: they are in the envelope's settings
    options => term(),
    timeout => timeout()
}.
-type nack() :: {nack, not_registered}.
-type failure() :: {error, unavailable | {unsupported, term()} | term()}.

%% Fills in what is left out.
-spec new(pool()) -> pool().
new(#{name := Name, nodes := Nodes} = Given) when is_atom(Name), is_list(Nodes) ->
    Text = atom_to_list(Name),
    Defaults = #{
        worker => list_to_atom(Text ++ ".Worker"),
        connector => list_to_atom(Text ++ ".Connector"),
        scope => list_to_atom(Text ++ ".Registry"),
        timeout => 60000,
        cast_timeout => 5000,
        caller => fun gen_server:call/3
    },
    maps:merge(Defaults, Given).

%% The ref of a target; a ref of another pool is refused.
-spec ref(pool(), target()) -> {ok, ref()} | failure().
ref(#{worker := Worker}, {ref, Worker, _Id} = Ref) -> {ok, Ref};
ref(#{worker := Worker}, {link, _Node, _Pid, {ref, Worker, _Id} = Ref}) -> {ok, Ref};
ref(_Pool, {ref, _, _} = Other) -> {error, {unsupported, Other}};
ref(_Pool, {link, _, _, _} = Other) -> {error, {unsupported, Other}};
ref(#{worker := Worker}, Id) -> {ok, {ref, Worker, Id}}.

%% The worker of a ref as syn knows it. Where nobody has loaded syn there is none
%% of its scopes, and nothing is searched for on the disk.
-spec registered(pool(), ref()) -> pid() | undefined.
registered(#{scope := nil}, _Ref) ->
    undefined;
registered(#{scope := Scope}, Ref) ->
    case erlang:function_exported(syn, lookup, 2) of
        true -> looked_up(Scope, {worker, Ref});
        false -> undefined
    end.

looked_up(Scope, Name) ->
    try syn:lookup(Scope, Name) of
        {Pid, _Meta} -> Pid;
        undefined -> undefined
    catch
        error:{invalid_scope, Scope} -> undefined;
        %% it is not running
        error:badarg -> undefined
    end.

%% The node where a ref lives now. A pid of a node that is none of the pool's is
%% no worker of ours: the pool passes on to it what is sent to the ref.
-spec home(pool(), ref()) -> {ok, node()} | {error, unavailable}.
home(#{nodes := Nodes} = Pool, Ref) ->
    Registered =
        case registered(Pool, Ref) of
            undefined -> nowhere;
            Pid -> node(Pid)
        end,
    case lists:member(Registered, Nodes) of
        true -> {ok, Registered};
        false -> ranked(Pool, Ref)
    end.

ranked(#{nodes := Nodes, connector := Connector}, Ref) ->
    Ranked = lists:reverse(lists:sort([{erlang:phash2({N, Ref}), N} || N <- Nodes])),
    MayDial = whereis(Connector) =:= undefined,
    first_reachable(Ranked, [node() | nodes(connected)], MayDial).

first_reachable([], _Up, _MayDial) ->
    {error, unavailable};
first_reachable([{_Hash, Node} | Rest], Up, MayDial) ->
    IsUp = lists:member(Node, Up) orelse (MayDial andalso net_kernel:connect_node(Node) =:= true),
    case IsUp of
        true -> {ok, Node};
        false -> first_reachable(Rest, Up, MayDial)
    end.

%% ------------------------------------------------------------------ messages

-spec call(pool(), target(), term()) -> term().
call(Pool, Target, Msg) -> call(Pool, Target, Msg, #{}).

%% The worker's reply as it is. Starts the worker unless told otherwise.
-spec call(pool(), target(), term(), opts()) -> term().
call(#{caller := Caller, timeout := Default} = Pool, Target, Msg, Opts) ->
    Timeout = timeout(Opts, Default),
    case route(Pool, Target) of
        {ok, Dest, Recipient} ->
            Envelope = envelope(call, Recipient, Msg, Timeout, Opts),
            case is_safe(Opts) of
                true -> safely(fun() -> Caller(Dest, Envelope, Timeout) end);
                false -> Caller(Dest, Envelope, Timeout)
            end;
        {error, _} = Error ->
            Error
    end.

is_safe(Opts) -> proplists:get_value(safe, pairs(maps:get(options, Opts, nil)), nil) =:= true.

%% No exit reaches the caller, as AdvancedPool's setting `safe` promises.
safely(Call) ->
    try
        Call()
    catch
        exit:{Reason, {_, call, _}} -> {error, {exit, Reason}};
        exit:Reason -> {error, {exit, Reason}}
    end.

-spec cast(pool(), target(), term()) -> ok | nack() | failure().
cast(Pool, Target, Msg) -> cast(Pool, Target, Msg, #{}).

%% With `spawn => false` asks first whether the worker is there: then it takes a
%% round trip and waits for the pool, not for the worker.
-spec cast(pool(), target(), term(), opts()) -> ok | nack() | failure().
cast(Pool, Target, Msg, #{spawn := false} = Opts) ->
    try call(Pool, Target, {fetch, process}, Opts) of
        {{ref, _, _}, _Node, Pid} when is_pid(Pid) -> send_cast(Pool, Target, Msg, Opts);
        Absent -> Absent
    catch
        exit:{Reason, {_, call, _}} -> {error, Reason}
    end;
cast(Pool, Target, Msg, Opts) ->
    send_cast(Pool, Target, Msg, Opts).

send_cast(#{cast_timeout := Default} = Pool, Target, Msg, Opts) ->
    case route(Pool, Target) of
        {ok, Dest, Recipient} ->
            gen_server:cast(Dest, envelope(cast, Recipient, Msg, timeout(Opts, Default), Opts));
        {error, _} = Error ->
            Error
    end.

%% ------------------------------------------- what every worker understands

-spec fetch(pool(), target(), state | process | term()) -> term().
fetch(Pool, Target, What) -> fetch(Pool, Target, What, #{}).

%% process: {ok, {Pid, Node}}; state: the state its behaviour shows; anything
%% else is the behaviour's own. Starts the worker.
-spec fetch(pool(), target(), state | process | term(), opts()) -> term().
fetch(Pool, Target, What, Opts) ->
    case {What, call(Pool, Target, {fetch, What}, Opts)} of
        {process, {{ref, _, _}, Node, Pid}} -> {ok, {Pid, Node}};
        {state, #{worker := State}} -> State;
        {_, Other} -> Other
    end.

-spec link(pool(), target()) -> worker_link() | failure().
link(Pool, Target) -> link(Pool, Target, #{}).

%% A link for later calls that go straight to the worker; without a pid when
%% the worker is absent, which is not started for it.
-spec link(pool(), target(), opts()) -> worker_link() | failure().
link(Pool, Target, Opts) ->
    case ref(Pool, Target) of
        {ok, Ref} ->
            case registered(Pool, Ref) of
                undefined -> fetched_link(Pool, Ref, Opts);
                Pid -> {link, node(Pid), Pid, Ref}
            end;
        {error, _} = Error ->
            Error
    end.

fetched_link(Pool, Ref, Opts) ->
    case call(Pool, Ref, {fetch, process}, Opts#{spawn => false}) of
        {{ref, _, _}, Node, Pid} -> {link, Node, Pid, Ref};
        _Absent -> {link, nil, nil, Ref}
    end.

-spec ping(pool(), target()) -> {ok, boolean()}.
ping(Pool, Target) -> ping(Pool, Target, #{}).

%% Whether the worker answers. Never starts it, never exits.
-spec ping(pool(), target(), opts()) -> {ok, boolean()}.
ping(Pool, Target, Opts) ->
    try
        {ok, call(Pool, Target, ping, Opts#{spawn => false}) =:= pong}
    catch
        exit:{_Reason, {_, call, _}} -> {ok, false}
    end.

-spec kill(pool(), target()) -> ok | nack() | failure().
kill(Pool, Target) -> kill(Pool, Target, #{}).

%% Ends the worker for good, whatever its restart rule: the option tells its
%% supervisor so. The next call that spawns starts a new one.
-spec kill(pool(), target(), opts()) -> ok | nack() | failure().
kill(Pool, Target, Opts) ->
    Options = [{restart, false} | proplists:delete(restart, pairs(maps:get(options, Opts, nil)))],
    call(Pool, Target, 'kill!', Opts#{spawn => false, options => Options}).

-spec crash(pool(), target()) -> nack() | failure().
crash(Pool, Target) -> crash(Pool, Target, #{}).

%% Makes the worker crash; the caller exits with its reason. Its restart rule
%% applies.
-spec crash(pool(), target(), opts()) -> nack() | failure().
crash(Pool, Target, Opts) -> call(Pool, Target, 'crash!', Opts#{spawn => false}).

-spec hibernate(pool(), target()) -> term().
hibernate(Pool, Target) -> hibernate(Pool, Target, #{}).

-spec hibernate(pool(), target(), opts()) -> term().
hibernate(Pool, Target, Opts) -> call(Pool, Target, hibernate, Opts#{spawn => false}).

-spec persist(pool(), target()) -> term().
persist(Pool, Target) -> persist(Pool, Target, #{}).

-spec persist(pool(), target(), opts()) -> term().
persist(Pool, Target, Opts) -> call(Pool, Target, 'persist!', Opts#{spawn => false}).

-spec reload(pool(), target()) -> term().
reload(Pool, Target) -> reload(Pool, Target, #{}).

-spec reload(pool(), target(), opts()) -> term().
reload(Pool, Target, Opts) -> call(Pool, Target, 'reload!', Opts#{spawn => false}).

%% ------------------------------------------------------------------ wire form

%% Where it goes, and the recipient to write on the envelope: the whole link if
%% the caller gave one, so that the worker can tell.
route(Pool, {link, _Node, Pid, _Ref} = Link) when is_pid(Pid) ->
    case ref(Pool, Link) of
        {ok, _} -> {ok, Pid, Link};
        {error, _} = Error -> Error
    end;
route(#{name := Name} = Pool, Target) ->
    case ref(Pool, Target) of
        {ok, Ref} ->
            case home(Pool, Ref) of
                {ok, Node} -> {ok, {Name, Node}, Ref};
                {error, _} = Error -> Error
            end;
        {error, _} = Error ->
            Error
    end.

%% As AdvancedPool writes it, record by record. `nil`, not `undefined`, is its
%% word for nothing.
envelope(Type, Recipient, Msg, Timeout, Opts) ->
    Identifier = {self(), erlang:system_time(millisecond)},
    Spawn = maps:get(spawn, Opts, true),
    Pairs = pairs(maps:get(options, Opts, nil)),
    Setting = fun(Key) -> proplists:get_value(Key, Pairs, nil) end,
    Settings =
        {settings, Setting(safe), Spawn, nil, Setting('ack?'), Setting('sticky?'), Timeout},
    Inner = {s, Msg, maps:get(context, Opts, nil), maps:get(options, Opts, nil)},
    {msg_envelope, Identifier, Type, Recipient, Settings, Inner}.

timeout(#{timeout := Timeout}, _Default) -> Timeout;
timeout(#{options := Options}, Default) -> proplists:get_value(timeout, pairs(Options), Default);
timeout(_Opts, Default) -> Default.

%% Options are the user's own; what is neither a list nor a plain map says
%% nothing to us.
pairs(Options) when is_list(Options) -> Options;
pairs(#{'__struct__' := _}) -> [];
pairs(#{} = Options) -> maps:to_list(Options);
pairs(_) -> [].
