# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Host.Scope do
  @moduledoc false
  # A host's part in the scopes of syn, where syn is on the code path. Without it
  # every function here says that there is nothing.

  alias CNode.Host

  @clusters :"Elixir.Noizu.AdvancedPool.ClusterManager"

  @doc "The scope of AdvancedPool in which nodes say what they host."
  @spec clusters() :: module()
  def clusters, do: @clusters

  @spec used?(Host.t()) :: boolean()
  def used?(host), do: host.scope != nil and Code.ensure_loaded?(:syn)

  @doc "This node takes part from now on; syn knows no way back."
  @spec open(Host.t()) :: :ok
  def open(host) do
    if used?(host) do
      {:ok, _} = Application.ensure_all_started(:syn)
      syn(:add_node_to_scopes, [[host.scope, host.pool, @clusters]])
    end

    :ok
  end

  @doc "The calling worker gets its name, unless somebody else has it."
  @spec register(Host.t(), :cnode_pool.ref()) :: :ok | {:stop, {:elsewhere, pid()} | term()}
  def register(host, ref) do
    if used?(host), do: register_here(host, ref), else: :ok
  end

  defp register_here(host, ref) do
    case syn(:register, [host.scope, {:worker, ref}, self(), [node: node()]]) do
      :ok -> :ok
      {:error, reason} -> taken(host, ref, reason)
    end
  end

  # The name of a worker that has just ended may still be there.
  defp taken(host, ref, reason) do
    case lookup(host, ref) do
      pid when is_pid(pid) and node(pid) != node() -> {:stop, {:elsewhere, pid}}
      _ -> {:stop, reason}
    end
  end

  @doc "The worker of a ref on another node; nil: none is known."
  @spec elsewhere(Host.t(), :cnode_pool.ref()) :: pid() | nil
  def elsewhere(host, ref) do
    case used?(host) && lookup(host, ref) do
      pid when is_pid(pid) and node(pid) != node() -> pid
      _ -> nil
    end
  end

  defp lookup(host, ref) do
    case syn(:lookup, [host.scope, {:worker, ref}]) do
      {pid, _meta} -> pid
      :undefined -> nil
    end
  end

  @doc "A call of syn, which need not be there when this is compiled."
  @spec syn(atom(), list()) :: term()
  def syn(function, arguments), do: apply(:syn, function, arguments)
end
