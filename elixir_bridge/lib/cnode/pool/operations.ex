# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Pool.Operations do
  @moduledoc false
  # What operators do with a pool on its nodes, and what they ask of it: questions
  # to the process cnode_admin of each (CNode.Admin), all at once.

  alias CNode.Admin

  @type nodes :: :all | node() | [node()]
  @type per_node(answer) :: %{node() => answer | {:error, term()}}

  # ok, or which nodes did not and why.
  @spec each(:cnode_pool.pool(), atom(), CNode.Pool.options()) :: :ok | {:error, per_node(term())}
  def each(pool, request, options) do
    failed =
      pool
      |> ask(request, options)
      |> Map.filter(fn {_node, answer} -> answer != :ok end)
      |> Map.new(fn {node, {:error, reason}} -> {node, reason} end)

    if failed == %{}, do: :ok, else: {:error, failed}
  end

  @spec status(:cnode_pool.pool(), CNode.Pool.options()) :: per_node(map())
  def status(pool, options), do: pool |> ask(:pool, options) |> plain()

  @spec count(:cnode_pool.pool(), CNode.Pool.options()) :: %{
          total: non_neg_integer(),
          nodes: per_node(map())
        }
  def count(pool, options) do
    nodes = pool |> ask(:count, options) |> plain()
    total = for({_node, %{total: n}} <- nodes, do: n) |> Enum.sum()
    %{total: total, nodes: nodes}
  end

  @spec health(:cnode_pool.pool(), CNode.Pool.options()) :: per_node(map())
  def health(pool, options) do
    rebuild? = option(options, :rebuild, false) == true

    pool
    |> nodes(options)
    |> all(&Admin.ask(&1, {:health, %{rebuild: rebuild?}}, timeout(options)))
    |> plain()
  end

  @doc "All workers, a page at a time as they are taken."
  @spec workers(:cnode_pool.pool(), CNode.Pool.options()) :: Enumerable.t()
  def workers(pool, options) do
    limit = option(options, :limit, 500)

    pool
    |> nodes(options)
    |> Stream.flat_map(fn node ->
      Stream.unfold(%{limit: limit}, &page(node, pool.name, &1, timeout(options)))
      |> Stream.concat()
    end)
  end

  defp page(_node, _pool, nil, _timeout), do: nil

  defp page(node, pool, request, timeout) do
    case Admin.ask(node, {:workers, pool, request}, timeout) do
      {:ok, %{workers: workers, next: nil}} ->
        {Enum.map(workers, &Map.put(&1, :node, node)), nil}

      {:ok, %{workers: workers, next: next}} ->
        {Enum.map(workers, &Map.put(&1, :node, node)), Map.put(request, :after, next)}

      {:error, reason} ->
        raise CNode.Error, message: "#{inspect(pool)} on #{node}: #{inspect(reason)}"
    end
  end

  @spec add_worker_supervisor(:cnode_pool.pool(), node()) :: {:ok, pid()} | {:error, term()}
  def add_worker_supervisor(pool, node), do: Admin.ask(node, {:add_worker_supervisor, pool.name})

  @spec remove_worker_supervisor(:cnode_pool.pool(), pid()) :: :ok | {:error, term()}
  def remove_worker_supervisor(pool, supervisor) when is_pid(supervisor) do
    Admin.ask(node(supervisor), {:remove_worker_supervisor, pool.name, supervisor})
  end

  # ------------------------------------------------------------- many nodes

  defp ask(pool, request, options) do
    pool |> nodes(options) |> all(&Admin.ask(&1, {request, pool.name}, timeout(options)))
  end

  # Side by side: one that does not answer costs its time-out once.
  defp all(nodes, ask) do
    nodes
    |> Enum.map(fn node -> {node, Task.async(fn -> ask.(node) end)} end)
    |> Map.new(fn {node, task} -> {node, Task.await(task, :infinity)} end)
  end

  defp plain(answers) do
    Map.new(answers, fn
      {node, {:ok, answer}} -> {node, answer}
      {node, {:error, _reason} = error} -> {node, error}
    end)
  end

  defp nodes(pool, options) do
    case option(options, :nodes, :all) do
      :all -> pool.nodes
      node when is_atom(node) -> [node]
      nodes when is_list(nodes) -> nodes
    end
  end

  defp timeout(options), do: option(options, :timeout, 5_000)

  defp option(nil, _key, default), do: default
  defp option(options, key, default) when is_list(options), do: Keyword.get(options, key, default)
  defp option(options, key, default) when is_map(options), do: Map.get(options, key, default)
end

defmodule CNode.Error do
  @moduledoc "A node of a pool did not answer in the middle of a walk over its workers."
  defexception [:message]
end
