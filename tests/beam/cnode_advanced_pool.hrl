%% SPDX-License-Identifier: Apache-2.0
%%
%% The cluster of cnode_advanced_pool_suite: c: the C node, `node` its name; a: a
%% BEAM with the cluster's manager, which hosts Judge.Mixed too; b: another member;
%% x: the call context of a.
-record(ctx, {c, node, a, b, x}).

-define(ROOMS, 'Elixir.Judge.Rooms').
-define(REGISTRY, 'Elixir.Judge.Rooms.Registry').
-define(SMALL, 'Elixir.Judge.Small').
-define(FRAIL, 'Elixir.Judge.Frail').
-define(MIXED, 'Elixir.Judge.Mixed').
-define(STICKY, 'Elixir.Judge.Sticky').
-define(CM, 'Elixir.Noizu.AdvancedPool.ClusterManager').
-define(NM, 'Elixir.Noizu.AdvancedPool.NodeManager').
-define(ADMIN(Node), {cnode_admin, Node}).
-define(DISPATCH, 'Elixir.Noizu.AdvancedPool.Message.Dispatch').
-define(PATIENCE, 20000).
