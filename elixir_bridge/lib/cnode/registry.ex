# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Registry do
  @moduledoc """
  Workers as names that GenServer and friends take:

      GenServer.call({:via, CNode.Registry, {Demo.Counters, 123}}, :increment)

  The name is `{pool, target}`: a module with `use CNode.Pool`, and an id, ref
  or link of it. The worker gets a plain call, cast or message, no envelope.
  Looking up does not start it: an absent worker is an exit with `:noproc`, as
  for any name; start it with `c:CNode.Pool.s_call!/4`.

  Names are given by the pool alone: `register_name/2` says `:no`, so that
  `start_link(..., name: {:via, CNode.Registry, _})` fails instead of hiding the
  worker.
  """

  @type name :: {module(), CNode.Pool.target()}

  @doc """
  The worker's pid, `:undefined` when it is absent or its node cannot be reached.
  Blocks the caller for one round trip, unless syn knows the worker.
  """
  @spec whereis_name(name()) :: pid() | :undefined
  def whereis_name({pool, target}) do
    case pool!(pool).get_direct_link!(target) do
      {:link, _node, pid, _ref} when is_pid(pid) -> pid
      _absent -> :undefined
    end
  catch
    :exit, {_reason, {GenServer, :call, _}} -> :undefined
  end

  @doc "Sends a plain message; exits with `{:badarg, {name, message}}` when the worker is absent, as `:global` does."
  @spec send(name(), message) :: pid() when message: term()
  def send(name, message) do
    case whereis_name(name) do
      :undefined ->
        exit({:badarg, {name, message}})

      pid ->
        Kernel.send(pid, message)
        pid
    end
  end

  @doc "Always `:no`: see above."
  @spec register_name(name(), pid()) :: :no
  def register_name({_pool, _target}, pid) when is_pid(pid), do: :no

  @doc "Does nothing; a worker leaves the registry when it ends."
  @spec unregister_name(name()) :: :ok
  def unregister_name({_pool, _target}), do: :ok

  defp pool!(pool) do
    if is_atom(pool) and Code.ensure_loaded?(pool) and function_exported?(pool, :__pool__, 0) do
      pool
    else
      raise ArgumentError,
            "CNode.Registry: expected {pool, id} with a module that says `use CNode.Pool`, " <>
              "got #{inspect(pool)}"
    end
  end
end
