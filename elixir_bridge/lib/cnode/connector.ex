# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Connector do
  @moduledoc """
  Keeps the nodes of a pool connected: put the pool's module under a supervisor
  and it is this process that runs.

      children = [{MyPool, nodes: [:"c1@10.0.0.1", :"c2@10.0.0.2"]}]

  Start waits until each node was dialled once, at most `:connect_timeout`
  (5 s): calls made after it already know every node that is there. A node that
  cannot be reached, or is lost, is dialled again with a growing pause, 100 ms
  to 5 s. While it runs, calls never dial and so never wait for a dead host.

  Each dial runs in a process of its own, as it may block for seconds.

  With syn on the code path, start also starts syn and adds this node to the
  pool's scope, so that the workers' names are known here.
  """
  use GenServer

  alias CNode.Telemetry

  @first_pause_ms 100
  @longest_pause_ms 5_000

  @doc false
  @spec start_link(:cnode_pool.pool(), pos_integer()) :: GenServer.on_start()
  def start_link(pool, connect_timeout) do
    GenServer.start_link(__MODULE__, {pool, connect_timeout}, name: pool.connector)
  end

  @impl true
  def init({pool, connect_timeout}) do
    :ok = join_scope(pool.scope)
    :ok = :net_kernel.monitor_nodes(true, node_type: :all)

    # node => pause before its next dial, for the nodes that are not up
    missing = Map.new(pool.nodes -- [node() | Node.list(:connected)], &{&1, @first_pause_ms})
    state = %{pool: pool, missing: missing, dials: Map.new(Map.keys(missing), &dial/1)}
    deadline = System.monotonic_time(:millisecond) + connect_timeout
    {:ok, await_dials(state, deadline)}
  end

  # Once for all pools of this node that have the same scope; for good, as syn
  # knows no way back.
  defp join_scope(nil), do: :ok

  defp join_scope(scope) do
    if Code.ensure_loaded?(:syn) do
      {:ok, _} = Application.ensure_all_started(:syn)
      apply(:syn, :add_node_to_scopes, [[scope]])
    else
      :ok
    end
  end

  # The first dials, before anybody calls us.
  defp await_dials(%{dials: dials} = state, _deadline) when dials == %{}, do: state

  defp await_dials(state, deadline) do
    receive do
      {:DOWN, monitor, :process, _pid, _reason} ->
        state |> dialled(monitor) |> await_dials(deadline)
    after
      max(deadline - System.monotonic_time(:millisecond), 0) -> state
    end
  end

  @impl true
  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) do
    {:noreply, dialled(state, monitor)}
  end

  def handle_info({:dial, node}, state) do
    if Map.has_key?(state.missing, node) and node not in Map.values(state.dials) do
      {monitor, ^node} = dial(node)
      {:noreply, put_in(state.dials[monitor], node)}
    else
      {:noreply, state}
    end
  end

  def handle_info({:nodeup, node, _info}, state) do
    if node in state.pool.nodes do
      Telemetry.event([:node, :up], %{count: 1}, %{pool: state.pool.name, node: node})
    end

    {:noreply, %{state | missing: Map.delete(state.missing, node)}}
  end

  def handle_info({:nodedown, node, info}, state) do
    if node in state.pool.nodes do
      reason = if is_list(info), do: info[:nodedown_reason], else: nil
      metadata = %{pool: state.pool.name, node: node, reason: reason}
      Telemetry.event([:node, :down], %{count: 1}, metadata)
      Process.send_after(self(), {:dial, node}, @first_pause_ms)
      {:noreply, put_in(state.missing[node], @first_pause_ms)}
    else
      {:noreply, state}
    end
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp dial(node) do
    {_pid, monitor} = spawn_monitor(fn -> Node.connect(node) end)
    {monitor, node}
  end

  # Whether it worked is what the list of nodes says; :nodeup may still be in
  # our mailbox.
  defp dialled(state, monitor) do
    {node, dials} = Map.pop(state.dials, monitor)
    state = %{state | dials: dials}

    cond do
      node == nil -> state
      node in Node.list(:connected) -> %{state | missing: Map.delete(state.missing, node)}
      true -> dial_later(state, node)
    end
  end

  defp dial_later(state, node) do
    pause = Map.get(state.missing, node, @first_pause_ms)
    Process.send_after(self(), {:dial, node}, pause)
    put_in(state.missing[node], min(pause * 2, @longest_pause_ms))
  end
end
