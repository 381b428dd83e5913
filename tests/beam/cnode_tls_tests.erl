%% SPDX-License-Identifier: Apache-2.0
%%
%% Distribution over TLS: suites of this folder run again by a BEAM that speaks
%% it, and who is refused, with one line that says why.
-module(cnode_tls_tests).

-include_lib("eunit/include/eunit.hrl").

-export([call_much/1]).
-import(cnode_peer, [eventually/1, eventually/2, name/1]).

-define(CONFIG, #{services => #{echo => #{behaviour => echo}}}).
-define(ELSEWHERE, #{hosts => "DNS:elsewhere.example"}).

%% --------------------------------------------------------- the same, over TLS

suites_test_() ->
    cnode_peer:tests([
        {lists:concat([Suite, " over TLS ", Versions]), fun() -> over_tls(Suite, Versions) end}
     || {Suite, Versions} <- suites()
    ]).

suites() ->
    case is_full() of
        true -> [{S, V} || S <- [cnode_process_tests, cnode_cluster_tests], V <- ['1.2', '1.3']];
        false -> [{cnode_process_tests, '1.2'}]
    end.

is_full() -> os:getenv("CNODE_FULL_TESTS") =/= false.

versions() -> ['1.2' || is_full()] ++ ['1.3'].

over_tls(Suite, Versions) ->
    {Peer, _} = cnode_tls:start_beam(Versions),
    %% OpenSSL allocates for each record, and a sanitizer keeps what is freed
    %% for a while: tests look at memory.
    true = peer:call(Peer, os, putenv, [
        "ASAN_OPTIONS", os:getenv("ASAN_OPTIONS", "") ++ ":quarantine_size_mb=1"
    ]),
    try
        ?assertEqual(ok, peer:call(Peer, eunit, test, [Suite], 120000))
    after
        peer:stop(Peer)
    end.

%% ------------------------------------------------------------------ let in

let_in_test_() ->
    cnode_peer:tests([
        {"without a certificate, when only servers need one", fun() ->
            {true, []} = beam_dials(both, #{options => [{certfile, ""}]}, #{verify => server})
        end},
        {"of another host, when hosts do not matter", fun() ->
            {true, []} = beam_dials(both, #{certificates => made("elsewhere", ?ELSEWHERE)}, #{
                match_name => false
            })
        end}
    ]).

%% The BEAM changes keys all the time: by renegotiation, by KeyUpdate.
new_keys_test_() ->
    cnode_peer:tests([
        {lists:concat([Option, ", TLS ", Versions, ", dialled by the ", Dialler]), fun() ->
            new_keys(Versions, [{Option, At}], Dialler)
        end}
     || {Versions, Option, At} <- [{'1.2', renegotiate_at, 50}, {'1.3', key_update_at, 20000}],
        Dialler <- ['BEAM', 'C node']
    ]).

new_keys(Versions, Options, Dialler) ->
    {Peer, Beam} = start_beam(Versions, #{options => Options}),
    Join = [A || 'C node' <- [Dialler], A <- ["--join", atom_to_list(Beam)]],
    Node = cnode_peer:start(?CONFIG, #{tls => tls(#{}), args => Join}),
    Echo = {echo, name(Node)},
    _ = [peer:call(Peer, net_kernel, connect_node, [name(Node)]) || Dialler =:= 'BEAM'],
    eventually(fun() -> lists:member(name(Node), peer:call(Peer, erlang, nodes, [])) end),
    ?assertEqual(ok, peer:call(Peer, ?MODULE, call_much, [Echo], 60000)),
    ?assertEqual([], [L || L <- cnode_peer:lines(Node), contains(L, "event=nodedown")]),
    0 = cnode_peer:stop(Node),
    peer:stop(Peer).

%% In the BEAM over TLS.
call_much(Echo) ->
    Large = binary:copy(<<"0123456789abcdef">>, 200000),
    [N = gen_server:call(Echo, N) || N <- lists:seq(1, 300)],
    Requests = [gen_server:send_request(Echo, {N, Large}) || N <- lists:seq(1, 5)],
    [{reply, {_, Large}} = gen_server:receive_response(R, 20000) || R <- Requests],
    ok.

%% ----------------------------------------------------------------- refused

%% What is wrong with the BEAM that dials, and what the line says.
refused_dialler_test_() ->
    cnode_peer:tests([
        {lists:concat([Sentence, ", TLS ", Versions]), fun() ->
            {Up, Lines} = beam_dials(Versions, Beam(), #{}),
            ?assertEqual(false, Up),
            one_line(Lines, Words)
        end}
     || Versions <- versions(),
        {Sentence, Beam, Words} <- [
            {"an expired certificate", fun() -> certified("stale", #{days => -1}) end, [
                "error=bad_certificate", "CN=stale has expired on "
            ]},
            {"a certificate of another CA", fun() -> foreign() end, ["error="]},
            {"no certificate", fun() -> #{options => [{certfile, ""}]} end, ["error="]},
            {"a certificate for another host", fun() -> certified("elsewhere", ?ELSEWHERE) end, [
                "error=bad_certificate",
                "CN=elsewhere is for elsewhere.example and not for 127.0.0.1: its "
                "subjectAltName needs the iPAddress 127.0.0.1"
            ]}
        ]
    ]).

plain_test_() ->
    cnode_peer:tests([
        {"a plain BEAM that dials a node over TLS", fun() ->
            {false, Lines} = beam_dials(both, #{tls => false}, #{}),
            one_line(Lines, ["error=no_tls", "what it said is not TLS", "inet_tls"])
        end},
        {"a BEAM over TLS that dials a plain node", fun() ->
            {false, Lines} = beam_dials(both, #{}, false),
            one_line(Lines, ["error=is_tls", "node.tls is not set"])
        end},
        {"dialling a plain BEAM over TLS", fun() ->
            one_line(c_dials(#{tls => false, setup_time => <<"1s">>}, tls(#{})), ["error=no_tls", "no answer in TLS"])
        end},
        {"dialling a BEAM over TLS without it", fun() ->
            Lines = c_dials(#{}, false),
            ?assertMatch([_ | _], [L || L <- Lines, contains(L, "error=is_tls") orelse contains(L, "error=closed")])
        end}
    ]).

%% The C node dials, and what it shows is not accepted.
refused_by_beam_test_() ->
    cnode_peer:tests([
        {Sentence, fun() ->
            one_line(c_dials(#{}, cnode_tls:settings(made(Name, Opts), #{ca => ca()})), Words)
        end}
     || {Sentence, Name, Opts, Words} <- [
            {"our certificate has expired", "stale_c", #{days => -1}, [
                "error=tls_refused", "our certificate has expired, says the peer"
            ]},
            {"our certificate is of another CA", "foreign_c", #{ca => "foreign_ca"}, [
                "error=tls_refused", "the peer does not know the CA"
            ]}
        ]
    ]).

%% The C node dials, and does not accept what it is shown.
refused_acceptor_test_() ->
    cnode_peer:tests([
        {Sentence, fun() -> one_line(c_dials(Beam(), tls(#{})), ["error=bad_certificate", Words]) end}
     || {Sentence, Beam, Words} <- [
            {"the BEAM's certificate has expired", fun() -> certified("stale", #{days => -1}) end,
                "CN=stale has expired on "},
            {"the BEAM's certificate is of another CA", fun() -> foreign() end,
                "was signed by CN=cnode test foreign_ca, which is not"},
            {"the BEAM's certificate is for another host",
                fun() -> certified("elsewhere", ?ELSEWHERE) end, "and not for 127.0.0.1"}
        ]
    ]).

own_certificate_test_() ->
    cnode_peer:tests([
        {"a certificate that others will refuse is told at the start", fun() ->
            Settings = cnode_tls:settings(made("elsewhere_c", ?ELSEWHERE), #{ca => ca()}),
            Node = cnode_peer:start(?CONFIG, #{tls => Settings}),
            eventually(fun() -> own_certificate(Node) =/= [] end),
            one_line(own_certificate(Node), ["is for elsewhere.example and not for 127.0.0.1"]),
            0 = cnode_peer:stop(Node)
        end}
    ]).

own_certificate(Node) -> [L || L <- cnode_peer:lines(Node), contains(L, "event=own_certificate")].

%% ------------------------------------------------------------------- helpers

made(Name, Opts) -> cnode_tls:make(Name, Opts).

certified(Name, Opts) -> #{certificates => (made(Name, Opts))#{ca := ca()}}.

foreign() -> #{certificates => (made("foreign", #{ca => "foreign_ca"}))#{ca := ca()}}.

ca() -> unicode:characters_to_binary(maps:get(ca, cnode_tls:certificates())).

tls(More) -> cnode_tls:settings(cnode_tls:certificates(), More).

%% With our cookie, as C nodes have it.
start_beam(Versions, Opts) ->
    cnode_peer:start_distribution(),
    {Peer, _} = Started = cnode_tls:start_beam(Versions, Opts),
    true = peer:call(Peer, erlang, set_cookie, [erlang:get_cookie()]),
    Started.

%% A BEAM dials a C node: was it let in, and what the C node said about it.
beam_dials(Versions, Beam, More) ->
    Tls =
        case More of
            false -> false;
            _ -> tls(More)
        end,
    Node = cnode_peer:start(?CONFIG, #{tls => Tls}),
    {Peer, _} = start_beam(Versions, Beam),
    Up = peer:call(Peer, net_kernel, connect_node, [name(Node)], 20000),
    Up orelse eventually(fun() -> complaints(Node) =/= [] end, 20000),
    Again = peer:call(Peer, net_kernel, connect_node, [name(Node)], 20000),
    Lines = complaints(Node),
    ?assertEqual(Up, Again),
    peer:stop(Peer),
    0 = cnode_peer:stop(Node),
    {Up, Lines}.

%% A C node joins a BEAM, and never gets in.
c_dials(Beam, Tls) ->
    {Peer, BeamName} = start_beam(both, Beam),
    Patience = maps:get(setup_time, Beam, <<"20s">>),
    Node = cnode_peer:start(?CONFIG#{node => #{setup_time => Patience}}, #{
        tls => Tls, args => ["--join", atom_to_list(BeamName)]
    }),
    eventually(fun() -> complaints(Node) =/= [] end, 20000),
    ?assertNot(lists:member(name(Node), peer:call(Peer, erlang, nodes, [connected]))),
    Lines = complaints(Node),
    0 = cnode_peer:stop(Node),
    peer:stop(Peer),
    Lines.

complaints(Node) ->
    [
        L
     || L <- cnode_peer:lines(Node),
        contains(L, "level=warn"),
        not contains(L, "event=own_certificate")
    ].

one_line(Lines, Words) ->
    ?assertMatch([_], Lines),
    [?assertEqual({W, Lines, true}, {W, Lines, contains(hd(Lines), W)}) || W <- Words],
    ok.

contains(Line, Word) -> string:find(Line, Word) =/= nomatch.
