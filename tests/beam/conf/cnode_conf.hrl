%% SPDX-License-Identifier: Apache-2.0
%%
%% What every module of cases includes. A case is a function of one argument
%% whose name is a sentence (it has a space); it gets the context, a map:
%%
%%     node     the node under test
%%     probe    {probe, Node}, its service
%%     target   beam | c
%%     visible  is the node a visible one
%%     is_member  does it take full part in global, as a BEAM does
%%     third    a further BEAM node, connected to this one
%%     spec     all that was asked for on the command line
%%
%% It fails by any exception, so that `=` is the assertion.
-compile([export_all, nowarn_export_all]).

-import(cnode_conf_lib, [
    probe/1, probe/2, ask/2, barrier/1, quiet/1, flushed/2, flush/1,
    down/1, exit_of/1, puppet/0, on/2, eventually/1, eventually/2,
    stale/1, never/1, name/0, exit_reasons/0, big/1, otp/0, fails/1,
    start_target/1, start_target/2, stop_target/1, kill_target/1, signal_target/2,
    start_beam/0, start_beam/1, start_like_third/1, stop_beam/1, connected/1, within/2, messages/0
]).

%% Waits for a message of that form and gives it.
-define(GOT(Pattern),
    (fun() ->
        receive
            Pattern = Message__ -> Message__
        after 5000 -> error({nothing_like, ??Pattern, messages()})
        end
    end)()
).
