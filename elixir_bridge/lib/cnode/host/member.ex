# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Host.Member do
  @moduledoc false
  # Tells others that this node hosts the pool: the node's own directory
  # (CNode.Admin), and through syn the groups by which AdvancedPool and C nodes
  # choose a node and a worker supervisor. What they say is made true every
  # second. Somebody who locks the pool here writes so into our entry: that is
  # heeded.
  use GenServer

  alias CNode.{Admin, Host}
  alias CNode.Host.{Face, Router, Scope}

  @interval_ms 1_000

  @spec start_link(Host.t()) :: GenServer.on_start()
  def start_link(host), do: GenServer.start_link(__MODULE__, host)

  @impl true
  def init(host) do
    :ok = Admin.add(host)
    {:ok, %{host: host, told: nil, since: System.os_time(:second)}, {:continue, :tell}}
  end

  @impl true
  def handle_continue(:tell, state), do: handle_info(:tell, state)

  @impl true
  def handle_info(:tell, state) do
    Process.send_after(self(), :tell, @interval_ms)
    if Scope.used?(state.host), do: {:noreply, tell(state)}, else: {:noreply, state}
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp tell(%{host: host} = state) do
    heed(host, state.told)
    status = status(host, state.since)

    if status != state.told do
      join(Scope.clusters(), {:service, host.pool}, self(), status)
      join(host.pool, :nodes, self(), status)
    end

    for {index, pid} <- Router.faces(host), do: tell_face(host, index, pid, state.since)
    %{state | told: status}
  end

  defp tell_face(host, index, pid, since) do
    target = {:target_window, 2500, 500, 5000}
    status = state_atom(host)
    count = Face.count(host, index)
    entry = {:worker_sup_status, status, host.pool, 8.0, node(), count, target, since}

    if meta(host.pool, {node(), :worker_sups}, pid) != entry do
      join(host.pool, {node(), :worker_sups}, pid, entry)
    end
  end

  # Ours was rewritten by somebody else.
  defp heed(_host, nil), do: :ok

  defp heed(host, told) do
    case {elem(told, 1), meta(Scope.clusters(), {:service, host.pool}, self())} do
      {before, {:pool_status, {:locked, _}, _, _, _, _, _, _}} when not is_tuple(before) ->
        Host.set_locked(host, true)

      {{:locked, _}, {:pool_status, now, _, _, _, _, _, _}} when not is_tuple(now) ->
        Host.set_locked(host, false)

      _ ->
        :ok
    end
  end

  defp status(host, since) do
    target = {:target_window, 50_000, 10_000, 100_000}
    {:pool_status, published(host), host.pool, 8.0, node(), Host.count(host), target, since}
  end

  # A full one must not attract more.
  defp published(host) do
    state = state_atom(host)
    full? = Host.refusal(host) == {:error, :max_children}
    if state == :online and (Host.locked?(host) or full?), do: {:locked, state}, else: state
  end

  defp state_atom(host), do: if(Host.online?(host), do: :online, else: :offline)

  defp join(scope, group, pid, meta), do: Scope.syn(:join, [scope, group, pid, meta])

  defp meta(scope, group, pid) do
    case Scope.syn(:member, [scope, group, pid]) do
      {_pid, meta} -> meta
      :undefined -> nil
    end
  end
end
