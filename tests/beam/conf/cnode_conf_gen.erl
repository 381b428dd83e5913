%% SPDX-License-Identifier: Apache-2.0
%%
%% gen calls and casts of every kind, both ways.
-module(cnode_conf_gen).

-include("cnode_conf.hrl").
-export([init/1, handle_call/3, handle_cast/2, callback_mode/0, idle/3]).

%% --------------------------------------------------------------- calls to there

'a call by pid and by name'(#{probe := Service} = C) ->
    {echo, 1} = gen_server:call(probe(C), {echo, {echo, 1}}),
    {echo, 2} = gen_server:call(Service, {echo, {echo, 2}}).

'a call of what nobody understands is answered'(C) ->
    {error, badarg} = ask(probe(C), {no, such, row}).

'a call to a name that nobody has is noproc'(#{node := Node}) ->
    Name = name(),
    {exit, {noproc, {gen_server, call, _}}} = fails(fun() -> gen_server:call({Name, Node}, x) end).

'a call without time-out to a name that nobody has is noproc'(#{node := Node}) ->
    Name = name(),
    {exit, {noproc, _}} =
        within(5000, fun() -> fails(fun() -> gen_server:call({Name, Node}, x, infinity) end) end).

'a call to a pid that ended is noproc'(C) ->
    P = probe(C),
    exit(P, kill),
    Monitor = monitor(process, P),
    _ = down(Monitor),
    {exit, {noproc, _}} = fails(fun() -> gen_server:call(P, x) end).

'a call to an older incarnation is noproc'(C) ->
    P = stale(probe(C)),
    {exit, {noproc, _}} = fails(fun() -> gen_server:call(P, x) end).

'a call whose server ends tells its reason'(C) ->
    P = probe(C),
    {exit, {{my, reason}, _}} = fails(fun() -> gen_server:call(P, {exit, {my, reason}}) end).

'a call whose server ends normally tells that'(C) ->
    P = probe(C),
    {exit, {normal, _}} = fails(fun() -> gen_server:call(P, {exit, normal}) end).

'a call whose server is killed tells that'(C) ->
    P = probe(C),
    Q = puppet(),
    spawn(fun() -> exit(P, kill), Q ! done end),
    {exit, {Reason, _}} = fails(fun() -> gen_server:call(P, noreply, infinity) end),
    true = lists:member(Reason, [killed, noproc]).

'a call that nobody answers times out'(C) ->
    {exit, {timeout, _}} = fails(fun() -> gen_server:call(probe(C), noreply, 50) end).

'a reply that comes too late does not litter the mailbox'(C) ->
    P = probe(C),
    {exit, {timeout, _}} = fails(fun() -> gen_server:call(P, {defer, 100, late}, 20) end),
    now = ask(P, {defer, 150, now}),
    [] = messages().

'other calls are answered while one waits'(C) ->
    P = probe(C),
    Slow = gen_server:send_request(P, {defer, 200, slow}),
    [I = ask(P, {echo, I}) || I <- lists:seq(1, 10)],
    {reply, slow} = gen_server:receive_response(Slow, 5000).

'deferred replies come in the order of their times'(C) ->
    P = probe(C),
    A = gen_server:send_request(P, {defer, 150, a}),
    B = gen_server:send_request(P, {defer, 50, b}),
    {reply, b} = gen_server:receive_response(B, 5000),
    {reply, a} = gen_server:receive_response(A, 5000).

'requests sent first, responses received later'(C) ->
    P = probe(C),
    Requests = [gen_server:send_request(P, {echo, I}) || I <- lists:seq(1, 100)],
    [{reply, I} = gen_server:receive_response(R, 5000) || {I, R} <- lists:zip(lists:seq(1, 100), Requests)].

'requests in a collection'(C) ->
    P = probe(C),
    Collection = lists:foldl(
        fun(I, Ids) -> gen_server:send_request(P, {echo, I}, {label, I}, Ids) end,
        gen_server:reqids_new(),
        lists:seq(1, 20)
    ),
    collect(Collection, 20).

collect(Collection, 0) ->
    no_request = gen_server:receive_response(Collection, 0, true);
collect(Collection, N) ->
    {{reply, I}, {label, I}, Rest} = gen_server:receive_response(Collection, 5000, true),
    collect(Rest, N - 1).

'a request to one that ends tells the reason'(C) ->
    P = probe(C),
    Request = gen_server:send_request(P, {exit, boom}),
    {error, {boom, P}} = gen_server:receive_response(Request, 5000).

'wait_response and check_response'(C) ->
    P = probe(C),
    A = gen_server:send_request(P, {echo, a}),
    {reply, a} = gen_server:wait_response(A, 5000),
    B = gen_server:send_request(P, {echo, b}),
    Message = receive Any -> Any after 5000 -> none end,
    {reply, b} = gen_server:check_response(Message, B).

'a cast to a pid and to a name'(#{probe := Service} = C) ->
    P = probe(C),
    ok = gen_server:cast(P, {send, self(), {cast, 1}}),
    ok = gen_server:cast(Service, {send, self(), {cast, 2}}),
    _ = ?GOT({cast, 1}),
    _ = ?GOT({cast, 2}).

'a cast to nobody is fine'(#{node := Node} = C) ->
    ok = gen_server:cast({name(), Node}, x),
    ok = gen_server:cast(stale(probe(C)), x),
    quiet(probe(C)).

'abcast to several nodes'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    register(Name, self()),
    abcast = gen_server:abcast([Node, node(), 'nobody@127.0.0.1'], Name, {send, self(), {from, Name}}),
    _ = ?GOT({from, Name}),
    _ = ?GOT({'$gen_cast', {send, _, {from, Name}}}),
    quiet(P).

'multi_call to several nodes'(#{node := Node, third := Third} = C) ->
    Name = name(),
    _ = probe(C, Name),
    {ok, Q} = erpc:call(Third, cnode_conf_probe, start, [Name]),
    {Replies, Bad} = gen_server:multi_call([Node, Third, node(), 'nobody@127.0.0.1'], Name, {echo, x}),
    exit(Q, kill),
    true = lists:sort([{Node, x}, {Third, x}]) =:= lists:sort(Replies),
    true = lists:sort([node(), 'nobody@127.0.0.1']) =:= lists:sort(Bad).

'multi_call with a time-out'(#{node := Node} = C) ->
    Name = name(),
    P = probe(C, Name),
    {[], [Node]} = gen_server:multi_call([Node], Name, noreply, 50),
    {[{Node, y}], []} = gen_server:multi_call([Node], Name, {echo, y}, 5000),
    {[], [Node]} = gen_server:multi_call([Node], Name, {defer, 100, late}, 20),
    now = ask(P, {defer, 150, now}),
    [] = messages().

'multi_call without time-out to a name that nobody has'(#{node := Node}) ->
    Name = name(),
    {[], [Node]} = within(5000, fun() -> gen_server:multi_call([Node], Name, x) end).

'any tag is echoed as it came'(C) ->
    P = probe(C),
    Alias = alias(),
    Tags = [
        make_ref(), {make_ref(), node()}, tag, 1, 1 bsl 80, [list], #{{a, b} => 1}, <<"binary">>, <<1:3>>, {}, [a | b],
        "text", 1.5, self(), fun erlang:node/0, fun() -> Alias end, [[alias | Alias] | make_ref()], [alias | Alias]
    ],
    [
        begin
            P ! {'$gen_call', {self(), Tag}, {echo, {tagged, N}}},
            {Got, _} = ?GOT({_, {tagged, N}}),
            true = Got =:= Tag
        end
     || {N, Tag} <- lists:zip(lists:seq(1, length(Tags)), Tags)
    ].

'a reply goes to the alias in the tag, not to the pid'(C) ->
    P = probe(C),
    Q = puppet(),
    Alias = alias(),
    P ! {'$gen_call', {Q, [alias | Alias]}, {echo, x}},
    _ = ?GOT({[alias | Alias], x}).

'a reply to an alias that is gone is dropped'(C) ->
    P = probe(C),
    Alias = alias(),
    true = unalias(Alias),
    P ! {'$gen_call', {self(), [alias | Alias]}, {echo, x}},
    quiet(P).

'a reply goes to the caller in From, not to the sender'(C) ->
    P = probe(C),
    Me = self(),
    Ref = make_ref(),
    spawn(fun() -> P ! {'$gen_call', {Me, Ref}, {echo, hello}} end),
    _ = ?GOT({Ref, hello}).

'a reply goes to a caller of a third node'(#{third := Third} = C) ->
    P = probe(C),
    {ok, Q} = erpc:call(Third, cnode_conf_probe, start, []),
    P ! {'$gen_call', {Q, tag}, {echo, hello}},
    [{tag, hello}] = flushed(Q, 1),
    exit(Q, kill).

'the caller may end before the reply'(C) ->
    P = probe(C),
    [
        begin
            {_, M} = spawn_monitor(fun() -> gen_server:send_request(P, {defer, 20, lost}) end),
            normal = down(M)
        end
     || _ <- lists:seq(1, 50)
    ],
    now = ask(P, {defer, 50, now}).

'a large call and a large reply'(C) ->
    P = probe(C),
    Big = big(10000000),
    true = Big =:= gen_server:call(P, {echo, Big}, 15000).

'many callers at once'(C) ->
    P = probe(C),
    Me = self(),
    [spawn_link(fun() -> [N = ask(P, {echo, N}) || _ <- lists:seq(1, 20)], Me ! {done, N} end) || N <- lists:seq(1, 100)],
    [_ = ?GOT({done, N}) || N <- lists:seq(1, 100)].

'gen_statem calls and casts'(C) ->
    P = probe(C),
    x = gen_statem:call(P, {echo, x}),
    y = gen_statem:call(P, {echo, y}, {clean_timeout, 5000}),
    z = gen_statem:call(P, {echo, z}, {dirty_timeout, 5000}),
    ok = gen_statem:cast(P, {send, self(), {from, statem}}),
    _ = ?GOT({from, statem}),
    Request = gen_statem:send_request(P, {echo, r}),
    {reply, r} = gen_statem:receive_response(Request, 5000).

'calls of an Agent and of a Task.Supervisor fail cleanly'(#{node := Node} = C) ->
    P = probe(C),
    {error, badarg} = ask(P, {get, fun(S) -> S end}),
    {error, badarg} = ask(P, {update, fun(S) -> S end}),
    {error, badarg} = ask(P, {get_and_update, fun(S) -> {S, S} end}),
    {error, badarg} = ask(P, {start_task, [{Node, self(), self()}, monitor], temporary, nil}),
    {error, badarg} = ask(P, {start_child, {{m, f, []}, permanent, 5000, worker, [m]}}).

'messages that only look like gen messages harm nobody'(#{probe := Service, node := Node} = C) ->
    P = probe(C),
    erlang:monitor_node(Node, true),
    Junk = [
        '$gen_call', '$gen_cast', {'$gen_call'}, {'$gen_cast'}, {'$gen_call', x}, {'$gen_call', x, y, z},
        {'$gen_cast', x, y}, {'$gen_cast', [a | b]}, {'$gen_reply', make_ref(), x},
        {system, x}, {'EXIT', x}, {'DOWN', x}, {'DOWN', make_ref(), process, self(), noproc},
        {spawn_reply, make_ref(), ok, self()}, {'$gen_event', x}, {timeout, make_ref(), x}
    ],
    [begin P ! J, Service ! J end || J <- Junk],
    quiet(P),
    barrier(Service),
    true = erlang:monitor_node(Node, false).

%% A gen_server of OTP fails here; a process in C may do better, as long as
%% everybody else is well.
'a call whose From is nonsense harms nobody else'(#{node := Node} = C) ->
    Other = probe(C),
    erlang:monitor_node(Node, true),
    [
        begin
            P = probe(C),
            P ! {'$gen_call', From, {echo, x}}
        end
     || From <- [x, {}, {self()}, {x, y}, {self(), [alias | nonsense]}, {name, make_ref()}, [a | b], 17]
    ],
    barrier(Other),
    receive {nodedown, Node} -> error(nodedown) after 0 -> ok end,
    true = erlang:monitor_node(Node, false).

%% ------------------------------------------------------------- calls from there

'a process there calls a gen_server here'(C) ->
    {ok, Server} = gen_server:start(?MODULE, server, []),
    {ok, {you, said, x}} = ask(probe(C), {call, Server, x, 5000}).

'a process there calls a name here'(C) ->
    Name = name(),
    {ok, _} = gen_server:start({local, Name}, ?MODULE, server, []),
    {ok, {you, said, x}} = ask(probe(C), {call, {Name, node()}, x, 5000}).

'a process there calls a gen_statem here'(C) ->
    {ok, Server} = gen_statem:start(?MODULE, statem, []),
    {ok, {you, said, x}} = ask(probe(C), {call, Server, x, 5000}).

'its call names it as the caller'(C) ->
    P = probe(C),
    {ok, Server} = gen_server:start(?MODULE, server, []),
    {ok, P} = ask(P, {call, Server, who, 5000}).

'its call is answered by another process'(C) ->
    {ok, Server} = gen_server:start(?MODULE, server, []),
    {ok, by_another} = ask(probe(C), {call, Server, by_another, 5000}).

'its call of nobody is noproc'(C) ->
    P = probe(C),
    {error, noproc} = ask(P, {call, {name(), node()}, x, 5000}),
    {error, noproc} = ask(P, {call, stale(self()), x, 5000}).

'its call tells how the server ended'(C) ->
    P = probe(C),
    [
        begin
            {ok, Server} = gen_server:start(?MODULE, server, []),
            {error, Got} = ask(P, {call, Server, {exit, Reason}, 5000}),
            true = Got =:= Reason
        end
     || Reason <- [normal, shutdown, {a, "reason"}, 17]
    ].

'its call times out'(C) ->
    P = probe(C),
    {error, timeout} = ask(P, {call, self(), x, 20}),
    {'$gen_call', From, x} = ?GOT({'$gen_call', _, x}),
    gen_server:reply(From, late),
    barrier(P),
    [] = flush(P).

'its call to a node that nobody can reach is noconnection'(C) ->
    {error, Reason} = ask(probe(C), {call, {name, 'nobody@127.0.0.1'}, x, 5000}),
    true = lists:member(Reason, [noconnection, {nodedown, 'nobody@127.0.0.1'}]).

'other calls are answered while its own call waits'(C) ->
    P = probe(C),
    Request = gen_server:send_request(P, {call, self(), x, 5000}),
    {'$gen_call', From, x} = ?GOT({'$gen_call', _, x}),
    y = ask(P, {echo, y}),
    gen_server:reply(From, z),
    {reply, {ok, z}} = gen_server:receive_response(Request, 5000).

'it calls back who calls it'(C) ->
    P = probe(C),
    {ok, Server} = gen_server:start(?MODULE, server, []),
    {ok, {ok, {you, said, deep}}} = ask(P, {call, Server, {and_you, P, {call, Server, deep, 5000}}, 5000}).

'it calls another of its own node'(#{probe := Service} = C) ->
    {P, Q} = {probe(C), probe(C)},
    {ok, x} = ask(P, {call, Q, {echo, x}, 5000}),
    {ok, y} = ask(P, {call, Service, {echo, y}, 5000}),
    {ok, z} = ask(P, {call, probe, {echo, z}, 5000}),
    {error, noproc} = ask(P, {call, name(), x, 5000}),
    {error, boom} = ask(P, {call, Q, {exit, boom}, 5000}).

'it calls a third node'(#{third := Third} = C) ->
    {ok, Q} = erpc:call(Third, cnode_conf_probe, start, []),
    {ok, x} = ask(probe(C), {call, Q, {echo, x}, 5000}),
    exit(Q, kill).

'its large call gets a large reply'(C) ->
    {ok, Server} = gen_server:start(?MODULE, server, []),
    Big = big(5000000),
    {ok, {you, said, Got}} = gen_server:call(probe(C), {call, Server, Big, 15000}, 15000),
    true = Got =:= Big.

'a hundred calls of one process are under way at once'(C) ->
    P = probe(C),
    Requests = [gen_server:send_request(P, {call, self(), {n, I}, 5000}) || I <- lists:seq(1, 100)],
    Froms = [begin {_, F, _} = ?GOT({'$gen_call', _, {n, I}}), {I, F} end || I <- lists:seq(1, 100)],
    [gen_server:reply(F, {answer, I}) || {I, F} <- lists:reverse(Froms)],
    [
        {reply, {ok, {answer, I}}} = gen_server:receive_response(R, 5000)
     || {I, R} <- lists:zip(lists:seq(1, 100), Requests)
    ].

'after its calls nothing is left here'(C) ->
    P = probe(C),
    {ok, Server} = gen_server:start(?MODULE, server, []),
    [{ok, _} = ask(P, {call, Server, I, 5000}) || I <- lists:seq(1, 50)],
    eventually(fun() -> {monitored_by, []} =:= process_info(Server, monitored_by) end).

'its casts arrive'(C) ->
    {ok, Server} = gen_server:start(?MODULE, server, []),
    P = probe(C),
    ok = ask(P, {cast, Server, {tell, self(), hello}}),
    _ = ?GOT({told, hello}),
    ok = ask(P, {cast, {name(), node()}, lost}),
    ok = ask(P, {cast, stale(self()), lost}),
    quiet(P).

'its gen_event notifications and calls'(C) ->
    {ok, Manager} = gen_event:start(),
    P = probe(C),
    ok = ask(P, {send, Manager, {notify, hello}}),
    [] = gen_event:which_handlers(Manager),
    ok = gen_event:stop(Manager).

%% --------------------------------------------- a server to call, of either kind

init(server) -> {ok, server};
init(statem) -> {ok, idle, none}.

handle_call(who, {Pid, _}, S) -> {reply, Pid, S};
handle_call({exit, Reason}, _, S) -> {stop, Reason, S};
handle_call({and_you, Dest, Request}, _, S) ->
    %% The one we call calls us: somebody else has to ask for us.
    {reply, aside(Dest, Request), S};
handle_call(by_another, From, S) ->
    spawn(fun() -> gen_server:reply(From, by_another) end),
    {noreply, S};
handle_call(Request, _, S) -> {reply, {you, said, Request}, S}.

aside(Dest, {call, _Back, Term, Ms}) ->
    {ok, Other} = gen_server:start(?MODULE, server, []),
    gen_server:call(Dest, {call, Other, Term, Ms}).

handle_cast({tell, Pid, What}, S) ->
    Pid ! {told, What},
    {noreply, S}.

callback_mode() -> state_functions.
idle({call, From}, Request, Data) -> {keep_state, Data, [{reply, From, {you, said, Request}}]};
idle(_, _, Data) -> {keep_state, Data}.
