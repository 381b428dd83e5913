# SPDX-License-Identifier: Apache-2.0
defmodule CNode.TestWorkers do
  @moduledoc "The behaviours that ship with the C node, as Elixir workers: both kinds must look alike."

  defmodule Counter do
    @moduledoc false
    use CNode.Worker

    @impl true
    def init(_ref, _args, _context), do: {:ok, 0}

    @impl true
    def handle_call(:increment, _from, count), do: {:reply, count + 1, count + 1}

    def handle_call({:add, n}, _from, count) when is_integer(n),
      do: {:reply, {:ok, count + n}, count + n}

    def handle_call(:get, _from, count), do: {:reply, count, count}

    @impl true
    def handle_cast(:increment, count), do: {:noreply, count + 1}
    def handle_cast({:add, n}, count) when is_integer(n), do: {:noreply, count + n}

    @impl true
    def handle_info(:increment, count), do: {:noreply, count + 1}
    def handle_info({:add, n}, count) when is_integer(n), do: {:noreply, count + n}
  end

  defmodule Kv do
    @moduledoc false
    use CNode.Worker

    @impl true
    def init(_ref, _args, _context), do: {:ok, %{}}

    @impl true
    def handle_call({:put, key, value}, _from, map), do: {:reply, :ok, Map.put(map, key, value)}
    def handle_call({:get, key}, _from, map), do: {:reply, Map.fetch(map, key), map}
    def handle_call({:delete, key}, _from, map), do: {:reply, :ok, Map.delete(map, key)}
    def handle_call(:keys, _from, map), do: {:reply, Map.keys(map), map}

    @impl true
    def handle_cast({:put, key, value}, map), do: {:noreply, Map.put(map, key, value)}
  end

  defmodule Echo do
    @moduledoc false
    use CNode.Worker

    @impl true
    def init(_ref, _args, _context), do: {:ok, nil}

    @impl true
    def handle_call(term, _from, state), do: {:reply, term, state}
  end

  @doc "Hosts a pool, not linked to the caller, which may be an rpc."
  def host(options) do
    module = %{"counter" => Counter, "kv" => Kv, "echo" => Echo}[options[:behaviour]]
    options = Keyword.take(options, [:pool, :idle_timeout]) ++ [module: module, scope: nil]
    {:ok, _} = Application.ensure_all_started(:cnode)
    {:ok, host} = CNode.Host.start_link(options)
    Process.unlink(host)
    :ok
  end
end
