%% SPDX-License-Identifier: Apache-2.0
%%
%% Distribution over TLS: the suites of this folder run again by a BEAM that
%% speaks it, and what is refused.
-module(cnode_tls_tests).

-include_lib("eunit/include/eunit.hrl").

-define(SUITES, [cnode_process_tests, cnode_cluster_tests]).

suites_test_() ->
    cnode_peer:tests([
        {
            lists:concat([Suite, " over TLS ", Versions]),
            fun() -> over_tls(Suite, Versions) end
        }
     || {Suite, Versions} <- [{S, V} || S <- ?SUITES, V <- ['1.2', '1.3']]
    ]).

over_tls(Suite, Versions) ->
    {Peer, _} = cnode_tls:start_beam(Versions),
    try
        ?assertEqual(ok, peer:call(Peer, eunit, test, [Suite], 120000))
    after
        peer:stop(Peer)
    end.
