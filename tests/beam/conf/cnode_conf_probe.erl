%% SPDX-License-Identifier: Apache-2.0
%%
%% The reference peer: the probe of docs/behaviours.md as a BEAM process. What
%% behaviours/probe.c does in C, this does with OTP's own means, so that the
%% cases of this folder can ask both the same and demand the same.
%%
%%     {ok, _} = cnode_conf_probe:start_service(),
%%     pong = gen_server:call({probe, Node}, {echo, pong}).
%%
%% A call of a row returns its result; the same term as a cast or as a plain
%% message acts without a reply. Every other plain message is kept for `flush`.
%% The rows of syn need it on the code path.
-module(cnode_conf_probe).
-behaviour(gen_server).

-export([start_service/0, start/0, start/1, spawned/0]).
-export([start_pool/0, start_children/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
%% For spawn_request: children that end in every way there is.
-export([run/1, wait/0, tell/2]).

-record(probe, {kept = [], calls = #{}, report_to = none}).

%% The service `probe` comes back when it exits, as in C.
start_service() ->
    {ok, _} = pg:start(pg),
    Me = self(),
    Keeper = spawn(fun() ->
        process_flag(trap_exit, true),
        {ok, _} = start_pool(),
        Me ! {self(), keep(), up},
        kept()
    end),
    receive
        {Keeper, Pid, up} -> {ok, Pid}
    end.

%% A supervisor of supervisors, as a pool is.
start_pool() -> supervisor:start_link({local, conf_pool}, ?MODULE, pool).
start_children() -> supervisor:start_link(?MODULE, children).

keep() ->
    {ok, Pid} = gen_server:start_link({local, probe}, ?MODULE, [], []),
    Pid.

kept() ->
    receive
        {'EXIT', _, _} ->
            keep(),
            kept()
    end.

start() -> start(undefined).

start(undefined) -> gen_server:start(?MODULE, [], []);
start(Name) -> gen_server:start({local, Name}, ?MODULE, [], []).

%% What others may spawn: a process that becomes a probe.
spawned() ->
    put('$ancestors', [self()]),
    put('$initial_call', {?MODULE, init, 1}),
    gen_server:enter_loop(?MODULE, [], #probe{}).

%% ------------------------------------------------- what children of spawn run

run(Fun) -> Fun().
wait() -> receive stop -> ok end.
tell(Pid, Message) -> Pid ! Message.

%% ------------------------------------------------------------------ gen_server

init([]) -> {ok, #probe{}};
init(pool) -> {ok, {#{}, [#{id => children, start => {?MODULE, start_children, []}, type => supervisor}]}};
init(children) -> {ok, {#{strategy => simple_one_for_one}, [#{id => child, start => {?MODULE, start, []}}]}}.

handle_call({exit, Reason}, _From, Probe) -> {stop, Reason, Probe};
handle_call(Request, From, Probe) ->
    case act(Request, From, Probe) of
        {reply, Reply, Next} -> {reply, Reply, Next};
        {later, Next} -> {noreply, Next};
        unknown -> {reply, {error, badarg}, Probe}
    end.

handle_cast({exit, Reason}, Probe) -> {stop, Reason, Probe};
handle_cast(Request, Probe) -> acted(act(Request, nobody, Probe), Probe).

handle_info({exit, Reason}, Probe) -> {stop, Reason, Probe};
handle_info({timeout, Timer, {call, Id}}, Probe) -> timed_out(Timer, Id, Probe);
handle_info({syn_multi_call, {exit, Reason}, _, _}, Probe) -> {stop, Reason, Probe};
handle_info({syn_multi_call, Request, Caller, _}, Probe) ->
    case act(Request, {syn, Caller}, Probe) of
        {reply, Reply, Next} ->
            reply({syn, Caller}, Reply),
            {noreply, Next};
        unknown ->
            reply({syn, Caller}, {error, badarg}),
            {noreply, Probe};
        Acted -> acted(Acted, Probe)
    end;
handle_info(Message, Probe) ->
    case answered(Message, Probe) of
        {yes, Next} -> {noreply, Next};
        no ->
            case act(Message, nobody, Probe) of
                unknown -> {noreply, keep(Message, Probe)};
                Acted -> acted(Acted, Probe)
            end
    end.

acted({reply, _, Next}, _) -> {noreply, Next};
acted({later, Next}, _) -> {noreply, Next};
acted(unknown, Probe) -> {noreply, Probe}.

keep(Message, #probe{kept = Kept, report_to = To} = Probe) ->
    _ = To =:= none orelse (To ! {report, self(), Message}),
    Probe#probe{kept = [Message | Kept]}.

%% ------------------------------------------------------------------- the rows

act({echo, Term}, _, P) -> {reply, Term, P};
act(self, _, P) -> {reply, self(), P};
act(node, _, P) -> {reply, node(), P};
act(nodes, _, P) -> {reply, nodes(), P};
act({nodes, hidden}, _, P) -> {reply, nodes(hidden), P};
act(noreply, _, P) -> {later, P};
act(flush, _, #probe{kept = Kept} = P) -> {reply, lists:reverse(Kept), P#probe{kept = []}};
act({spawn, Name}, _, P) when is_atom(Name) ->
    case start(Name) of
        {ok, Pid} -> {reply, Pid, P};
        {error, _} -> {reply, {error, badarg}, P}
    end;
act({defer, Ms, Term}, From, P) ->
    _ = spawn(fun() -> reply_after(Ms, From, Term) end),
    {later, P};
act({report_to, Pid}, _, P) when is_pid(Pid) -> {reply, ok, P#probe{report_to = Pid}};
%% messages
act({send, Dest, Term}, _, P) -> {reply, send(resolved(Dest), Term), P};
act({cast, Dest, Term}, _, P) -> {reply, gen_server:cast(resolved(Dest), Term), P};
act({call, Dest, Term, Ms}, From, P) -> {later, call(Dest, Term, Ms, From, P)};
act({send_after, Ms, Dest, Term}, _, P) ->
    _ = spawn(fun() ->
        timer:sleep(Ms),
        send(Dest, Term)
    end),
    {reply, ok, P};
act({burst, Dest, N}, _, P) ->
    [send(Dest, {burst, I}) || I <- lists:seq(1, N)],
    {reply, ok, P};
act(alias, _, P) -> {reply, alias(), P};
act({unalias, Ref}, _, P) -> {reply, checked(fun() -> unalias(Ref) end), P};
%% other processes
act({monitor, Dest}, _, P) -> {reply, checked(fun() -> monitor(process, resolved(Dest)) end), P};
act({demonitor, Ref}, _, P) -> {reply, checked(fun() -> demonitor(Ref, [flush]) end), P};
act({link, Pid}, _, P) -> {reply, checked(fun() -> link(Pid) end), P};
act({unlink, Pid}, _, P) -> {reply, checked(fun() -> unlink(Pid) end), P};
act({exit, Pid, Reason}, _, P) -> {reply, checked(fun() -> exit(Pid, Reason) end), P};
act({trap_exit, Flag}, _, P) -> {reply, checked(fun() -> process_flag(trap_exit, Flag) end), P};
act({spawn_request, Node, {M, F, A}, Opts}, _, P) ->
    {reply, checked(fun() -> spawn_request(Node, M, F, A, Opts) end), P};
%% names
act({register, Name}, _, P) -> {reply, checked(fun() -> register(Name, self()) end), P};
act({unregister, Name}, _, P) -> {reply, checked(fun() -> unregister(Name) end), P};
act({whereis, Name}, _, P) -> {reply, checked(fun() -> whereis(Name) end), P};
act({global, register, Name}, From, P) -> {aside(From, fun(Me) -> global:register_name(Name, Me) end), P};
act({global, unregister, Name}, From, P) -> {aside(From, fun(_) -> global:unregister_name(Name) end), P};
act({global, whereis, Name}, From, P) -> {aside(From, fun(_) -> global:whereis_name(Name) end), P};
act({pg, join, Scope, Group}, _, P) -> {reply, pg:join(Scope, Group, self()), P};
act({pg, leave, Scope, Group}, _, P) -> {reply, pg:leave(Scope, Group, self()), P};
act({pg, members, Scope, Group}, _, P) -> {reply, pg:get_members(Scope, Group), P};
act({pg, local_members, Scope, Group}, _, P) -> {reply, pg:get_local_members(Scope, Group), P};
act({syn, register, Scope, Name, Meta}, F, P) -> act({syn, register, Scope, Name, Meta, self()}, F, P);
act({syn, register, Scope, Name, Meta, Pid}, _, P) -> {reply, syn(register, [Scope, Name, Pid, Meta]), P};
act({syn, unregister, Scope, Name}, _, P) -> {reply, syn(unregister, [Scope, Name]), P};
act({syn, lookup, Scope, Name}, _, P) -> {reply, syn(lookup, [Scope, Name]), P};
act({syn, count, Scope}, _, P) -> {reply, syn(registry_count, [Scope]), P};
act({syn, count, Scope, Node}, _, P) -> {reply, syn(registry_count, [Scope, Node]), P};
act({syn, join, Scope, Group, Meta}, F, P) -> act({syn, join, Scope, Group, Meta, self()}, F, P);
act({syn, join, Scope, Group, Meta, Pid}, _, P) -> {reply, syn(join, [Scope, Group, Pid, Meta]), P};
act({syn, leave, Scope, Group}, F, P) -> act({syn, leave, Scope, Group, self()}, F, P);
act({syn, leave, Scope, Group, Pid}, _, P) -> {reply, syn(leave, [Scope, Group, Pid]), P};
act({syn, multi_call, Scope, Group, Message, Ms}, From, P) ->
    {aside(From, fun(_) -> syn(multi_call, [Scope, Group, Message, Ms]) end), P};
act({syn, dump, Kind, Scope}, _, P) -> {reply, syn_table(Kind, Scope), P};
act({syn, What, Scope, Group}, _, P) -> {reply, syn(What, [Scope, Group]), P};
act({syn, What, Scope, Group, X}, _, P) -> {reply, syn(What, [Scope, Group, X]), P};
%% nodes
act({connect, Node}, From, P) -> {aside(From, fun(_) -> net_kernel:connect_node(Node) end), P};
act({disconnect, Node}, _, P) -> {reply, disconnect_node(Node), P};
act({erpc, Node, M, F, Args, Ms}, From, P) ->
    {aside(From, fun(_) ->
        try
            {ok, erpc:call(Node, M, F, Args, Ms)}
        catch
            Class:Reason -> {error, Class, Reason}
        end
    end), P};
act(_, _, _) -> unknown.

checked(Fun) ->
    try
        Fun()
    catch
        error:badarg -> {error, badarg}
    end.

syn(Function, Args) ->
    try
        apply(syn, Function, Args)
    catch
        error:Reason -> {error, Reason}
    end.

syn_table(registry, Scope) ->
    [{Name, Pid, Meta} || {Name, Pid, Meta, _, _, _} <- syn_entries(syn_registry_by_name, Scope)];
syn_table(pg, Scope) ->
    [{Group, Pid, Meta} || {{Group, Pid}, Meta, _, _, _} <- syn_entries(syn_pg_by_name, Scope)].

syn_entries(Kind, Scope) -> ets:tab2list(syn_backbone:get_table_name(Kind, Scope)).

%% The names of syn as something that messages can be sent to.
resolved({via, syn, Name}) ->
    case syn:whereis_name(Name) of
        undefined -> nobody();
        Pid -> Pid
    end;
resolved(Dest) -> Dest.

nobody() ->
    {Pid, Monitor} = spawn_monitor(fun() -> ok end),
    receive
        {'DOWN', Monitor, process, Pid, _} -> Pid
    end.

%% What takes its time is done by a helper, as a C process goes on meanwhile.
aside(From, Fun) ->
    Me = self(),
    _ = spawn(fun() -> reply(From, Fun(Me)) end),
    later.

reply_after(Ms, From, Term) ->
    timer:sleep(Ms),
    reply(From, Term).

reply(nobody, _) -> ok;
reply({syn, Caller}, Term) -> syn:multi_call_reply(Caller, Term);
reply(From, Term) -> gen_server:reply(From, Term).

%% To a name that nobody has is no error.
send(Dest, Term) ->
    _ = catch erlang:send(Dest, Term),
    ok.

%% ------------------------------------------------ calls that this probe makes

call(Dest, Term, Ms, From, #probe{calls = Calls} = P) ->
    Id = gen_server:send_request(Dest, Term),
    Timer = erlang:start_timer(Ms, self(), {call, Id}),
    P#probe{calls = Calls#{Id => {From, Timer}}}.

answered(Message, #probe{calls = Calls} = P) -> answered(maps:to_list(Calls), Message, P).

answered([], _, _) -> no;
answered([{Id, {From, Timer}} | Rest], Message, #probe{calls = Calls} = P) ->
    case gen_server:check_response(Message, Id) of
        no_reply ->
            answered(Rest, Message, P);
        Response ->
            _ = erlang:cancel_timer(Timer),
            reply(From, result(Response)),
            {yes, P#probe{calls = maps:remove(Id, Calls)}}
    end.

result({reply, Reply}) -> {ok, Reply};
result({error, {Reason, _}}) -> {error, Reason}.

timed_out(_Timer, Id, #probe{calls = Calls} = P) ->
    case Calls of
        #{Id := {From, _}} ->
            _ = gen_server:receive_response(Id, 0), % gives it up
            reply(From, {error, timeout}),
            {noreply, P#probe{calls = maps:remove(Id, Calls)}};
        #{} ->
            {noreply, P}
    end.
