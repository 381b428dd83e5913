# SPDX-License-Identifier: Apache-2.0
#
# A small application of AdvancedPool as its users write one: pools, workers, a
# configuration provider, and a node that takes part in the cluster. Compiled
# against the AdvancedPool of CNODE_ADVANCED_POOL_EBIN; of C nodes it knows
# nothing but what the application's environment names as nodes of a pool.

defmodule Judge.Worker do
  @moduledoc "What a worker of each pool does on a BEAM; data/visits.c does the same in C."

  defmacro __using__(_) do
    quote do
      require Noizu.AdvancedPool.Message
      import Noizu.AdvancedPool.Message
      require Logger
      alias Noizu.AdvancedPool.Message.Handle
      defstruct identifier: nil, count: 0
      use Noizu.AdvancedPool.Worker.Behaviour

      def ref_ok({:ref, __MODULE__, _} = ref), do: {:ok, ref}
      def ref_ok({:ref, _, _} = ref), do: {:error, {:unsupported, ref}}
      def ref_ok(%__MODULE__{identifier: id}), do: {:ok, {:ref, __MODULE__, id}}
      def ref_ok({:bad, _} = id), do: {:error, {:unsupported, id}}
      def ref_ok(id), do: {:ok, {:ref, __MODULE__, id}}

      def handle_call(msg_envelope() = call, from, state), do: Handle.unpack_call(call, from, state)
      def handle_call(s(call: :visit), _, state), do: state |> Judge.Worker.visit() |> then(&{:reply, &1.worker.count, &1})
      def handle_call(s(call: :get), _, state), do: {:reply, state.worker.count, state}
      def handle_call(s(call: :where), _, state), do: {:reply, node(), state}
      def handle_call(s(call: :context, context: context), _, state), do: {:reply, context, state}
      def handle_call(s(call: {:echo, term}), _, state), do: {:reply, term, state}
      def handle_call(s(call: {:late, ms, term}), from, state) do
        spawn(fn -> Process.sleep(ms) && GenServer.reply(from, term) end)
        {:noreply, state}
      end
      def handle_call(s(call: :never), _, state), do: {:noreply, state}
      def handle_call(s(call: :boom), _, state), do: {:stop, :boom, state}
      def handle_call(msg, from, state), do: super(msg, from, state)

      def handle_cast(msg_envelope() = call, state), do: Handle.unpack_cast(call, state)
      def handle_cast(s(call: :visit), state), do: {:noreply, Judge.Worker.visit(state)}
      def handle_cast(msg, state), do: super(msg, state)

      def handle_info(msg_envelope() = call, state), do: Handle.unpack_info(call, state)
      def handle_info(s(call: :visit), state), do: {:noreply, Judge.Worker.visit(state)}
      def handle_info(msg, state), do: super(msg, state)
    end
  end

  def visit(state), do: update_in(state, [Access.key(:worker), Access.key(:count)], &(&1 + 1))
end

defmodule Judge.Rooms do
  use Noizu.AdvancedPool
  Noizu.AdvancedPool.Server.default()
end

defmodule Judge.Rooms.Worker do
  use Judge.Worker
end

# At its hard limit with five workers (worker.max of the C node).
defmodule Judge.Small do
  use Noizu.AdvancedPool
  Noizu.AdvancedPool.Server.default()
end

defmodule Judge.Small.Worker do
  use Judge.Worker
end

# Degraded and critical after a few failures (health of the C node).
defmodule Judge.Frail do
  use Noizu.AdvancedPool
  Noizu.AdvancedPool.Server.default()
end

defmodule Judge.Frail.Worker do
  use Judge.Worker
end

# Hosted by BEAM and C nodes.
defmodule Judge.Mixed do
  use Noizu.AdvancedPool
  Noizu.AdvancedPool.Server.default()
end

defmodule Judge.Mixed.Worker do
  use Judge.Worker
end

# Workers stay where they are called from, as long as that is healthy; errors are
# tuples.
defmodule Judge.Sticky do
  use Noizu.AdvancedPool
  Noizu.AdvancedPool.Server.default()
  def __call_settings__(), do: Noizu.AdvancedPool.Message.settings(safe: true, timeout: 2000, sticky?: 1.1)
end

defmodule Judge.Sticky.Worker do
  use Judge.Worker
end

defmodule Judge.Provider do
  @moduledoc "The desired cluster: pools and their nodes stand in the environment, %{pool => [node]}."
  @behaviour Noizu.AdvancedPool.NodeManager.ConfigurationManagerBehaviour
  require Noizu.AdvancedPool.Message
  import Noizu.AdvancedPool.Message, only: [cluster_service: 1, node_service: 1, target_window: 1]

  def configuration(), do: {:ok, Map.new(pools(), fn {pool, nodes} -> {pool, whole(pool, nodes)} end)}

  def configuration(node) do
    {:ok, for({pool, nodes} <- pools(), node in nodes, into: %{}, do: {pool, node_pool(pool, node)})}
  end

  def cached(), do: configuration()
  def cached(node), do: configuration(node)
  def cache(_), do: configuration()
  def cache(node, _), do: configuration(node)
  def lock_node(_), do: {:ok, :ack}
  def release_node(_), do: {:ok, :ack}
  def lock_node_service(_, _), do: {:ok, :ack}
  def release_node_service(_, _), do: {:ok, :ack}
  def report_cluster_health(_), do: {:ok, :ack}
  def report_node_health(_, _), do: {:ok, :ack}
  def report_node_service_health(_, _, _), do: {:ok, :ack}

  defp pools(), do: Application.get_env(:judge, :pools, %{})

  defp whole(pool, nodes) do
    %{cluster: cluster_pool(pool), nodes: Map.new(nodes, &{&1, node_pool(pool, &1)})}
  end

  defp cluster_pool(pool) do
    cluster_service(
      pool: pool,
      priority: 1,
      node_target: target_window(target: 2, low: 1, high: 3),
      worker_target: target_window(target: 200, low: 100, high: 400)
    )
  end

  defp node_pool(pool, node) do
    node_service(
      pool: pool,
      node: node,
      priority: 0,
      supervisor_target: target_window(target: 3, low: 2, high: 4),
      worker_target: target_window(target: 100, low: 50, high: 200)
    )
  end
end

defmodule Judge.Node do
  @moduledoc "This node as a member of the cluster."
  alias Noizu.AdvancedPool.{ClusterManager, NodeManager}
  alias Noizu.ElixirCore.CallingContext

  @doc "`pools`: %{pool => [node]}. `role`: :manager, or :member, which asks the manager of another node."
  def start(pools, role) do
    Application.put_env(:logger, :level, :emergency)
    Application.put_env(:logger, :backends, [])
    Application.put_env(:judge, :pools, pools)
    Application.put_env(:noizu_advanced_pool, :configuration, Judge.Provider)
    for app <- [:logger, :syn], do: {:ok, _} = Application.ensure_all_started(app)
    parent = self()
    spawn(fn -> hold(parent, role) end)

    receive do
      {:held, result} -> result
    end
  end

  defp hold(parent, role) do
    Process.group_leader(self(), spawn(&swallow/0))
    context = CallingContext.system()
    children = [NodeManager.ets_cluster_spec(), NodeManager.spec(context) | manager(role, context)]
    result = Supervisor.start_link(children, strategy: :one_for_one, name: Judge.Supervisor)
    send(parent, {:held, result})
    Process.sleep(:infinity)
  end

  defp manager(:manager, context), do: [ClusterManager.spec(context)]
  defp manager(:member, _), do: [{Task.Supervisor, name: ClusterManager.Task}]

  # AdvancedPool prints lines of its own.
  defp swallow() do
    receive do
      {:io_request, from, ref, _} -> send(from, {:io_reply, ref, :ok})
      _ -> :ok
    end

    swallow()
  end

  def bring_online(node \\ node()), do: node |> NodeManager.bring_online(CallingContext.system()) |> Task.yield(30_000)

  @doc "What a call comes to: {:ok, reply}, or how it was left."
  def try(m, f, a) do
    {:ok, apply(m, f, a)}
  rescue
    e -> {:raised, e}
  catch
    class, reason -> {class, reason}
  end

  def messages(ms) do
    receive do
      message -> [message | messages(ms)]
    after
      ms -> []
    end
  end

  @doc "The table of ClusterManager.report/2."
  def report(options \\ nil) do
    {:ok, text} = StringIO.open("")
    Process.group_leader(self(), text)
    ClusterManager.report(CallingContext.system(), options)
    {_, table} = StringIO.contents(text)
    table
  end

  @doc "Asks for a report as a subscriber: the reply, and the report that follows it."
  def follow(node, options) do
    reply = NodeManager.health_report(node, self(), CallingContext.system(), options)
    {reply, messages(2000)}
  end

  @doc "Each of `callers` processes visits each id once, all of them at the same time."
  def rush(pool, ids, callers, context) do
    1..callers
    |> Enum.flat_map(fn _ -> for id <- Enum.shuffle(ids), do: id end)
    |> Enum.map(&Task.async(fn -> {&1, Judge.Node.try(pool, :s_call!, [&1, :visit, context])} end))
    |> Task.await_many(120_000)
  end

  @doc """
  One process for each id visits it until it was told so `times` times, whatever happens meanwhile. {id, what it was
  told last, visits it was told of, were they all different and growing}.
  """
  def insist(pool, ids, times, context) do
    ids
    |> Enum.map(fn id -> Task.async(fn -> insist(pool, id, times, context, {0, 0, true}) end) end)
    |> Task.await_many(140_000)
  end

  defp insist(_, id, 0, _, {told, visits, honest}), do: {id, told, visits, honest}

  defp insist(pool, id, left, context, {told, visits, honest} = before) do
    case Judge.Node.try(pool, :s_call!, [id, :visit, context]) do
      {:ok, count} when is_integer(count) ->
        insist(pool, id, left - 1, context, {count, visits + 1, honest and count > told})

      _ ->
        Process.sleep(50)
        insist(pool, id, left, context, before)
    end
  end
end
