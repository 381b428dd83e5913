# SPDX-License-Identifier: Apache-2.0
defmodule CNode.MixedTest do
  @moduledoc "One pool on a BEAM and on a C node: callers do not see which."
  use ExUnit.Case, async: false
  @moduletag :cnode

  import CNode.TestNode, only: [eventually: 1]

  defmodule Pool do
    use CNode.Pool, worker: CNode.TestWorkers.Counter
  end

  @worker CNode.TestWorkers.Counter

  defp start(registry, scope) do
    config = %{
      behaviour: "counter",
      registry: registry,
      worker: %{module: Atom.to_string(@worker)}
    }

    c = CNode.TestNode.start_c_node(%{pools: %{Pool => config}})
    true = Node.connect(c.name)
    start_supervised!({Pool, nodes: [c.name, node()], scope: scope, host: [module: @worker]})
    c.name
  end

  defp where(ids), do: Enum.frequencies_by(ids, &node(Pool.whereis(&1)))

  test "refs live on both kinds, and all of them answer alike" do
    c = start("none", nil)
    here = node()
    ids = Enum.to_list(1..200)
    for id <- ids, do: assert(Pool.s_call!(id, {:add, id}) == {:ok, id})
    assert %{^c => on_c, ^here => on_beam} = where(ids)
    assert on_c > 50 and on_beam > 50
    for id <- ids, do: assert(Pool.s_call(id, :get) == id)
    for id <- ids, do: assert(Pool.fetch(id, :state) == id)
    assert %{total: 200} = Pool.count()
    assert Pool.workers(limit: 33) |> Enum.map(& &1.ref) |> Enum.uniq() |> length() == 200
  end

  test "many callers at once get one worker per ref" do
    start("none", nil)

    1..20
    |> Enum.map(fn _ ->
      Task.async(fn -> for id <- 1..50, do: Pool.s_call!(id, :increment) end)
    end)
    |> Task.await_many()

    for id <- 1..50, do: assert(Pool.s_call(id, :get) == 20)
    assert %{total: 50} = Pool.count()
  end

  @tag :syn
  test "with syn a ref is where it was first started, whoever asks" do
    c = start("syn", CNode.MixedTest.Pool.Registry)

    eventually(fn ->
      c in apply(:syn, :subcluster_nodes, [:registry, CNode.MixedTest.Pool.Registry])
    end)

    # Not where its hash would have it.
    start = fn node, id ->
      [face | _] =
        for {{:worker_supervisor, _}, pid, _, _} <- Supervisor.which_children({Pool, node}),
            do: pid

      spec =
        {{Noizu.AdvancedPool.Worker.Server, :start_link, [{:ref, @worker, id}, [[]], nil]},
         :permanent, 5000, :worker, [Noizu.AdvancedPool.Worker.Server]}

      {:ok, pid} = GenServer.call(face, {:start_child, spec})
      assert node(pid) == node
    end

    envelope = fn id ->
      settings = {:settings, nil, true, nil, nil, nil, 5_000}

      {:msg_envelope, {self(), 0}, :call, {:ref, @worker, id}, settings,
       {:s, :increment, nil, nil}}
    end

    for id <- 1..50, do: start.(if(rem(id, 2) == 0, do: c, else: node()), id)
    for id <- 1..50, do: eventually(fn -> Pool.whereis(id) != nil end)
    for id <- 1..50, do: assert(Pool.s_call!(id, :increment) == 1)
    assert where(1..50) == %{c => 25, node() => 25}

    # Both ends pass on what is sent to them for a worker of the other one.
    for id <- 1..50 do
      assert GenServer.call({Pool, if(rem(id, 2) == 1, do: c, else: node())}, envelope.(id)) == 2
    end
  end

  @tag :syn
  test "an AdvancedPool dispatcher finds the BEAM host as it finds a C node" do
    start("syn", CNode.MixedTest.Pool.Registry)
    group = {:service, Pool}

    assert [{_pid, {:pool_status, :online, Pool, _, node, _, _, _}}] =
             eventually(fn ->
               own =
                 apply(:syn, :local_members, [:"Elixir.Noizu.AdvancedPool.ClusterManager", group])

               own != [] and own
             end)

    assert node == node()

    assert [{face, {:worker_sup_status, :online, Pool, _, ^node, _, _, _}}] =
             eventually(fn ->
               own = apply(:syn, :local_members, [Pool, {node(), :worker_sups}])
               own != [] and own
             end)

    spec =
      {{Noizu.AdvancedPool.Worker.Server, :start_link, [{:ref, @worker, 7}, [[]], nil]},
       :permanent, 5000, :worker, [Noizu.AdvancedPool.Worker.Server]}

    assert {:ok, pid} = GenServer.call(face, {:start_child, spec})
    assert {:ok, ^pid} = GenServer.call(face, {:start_child, spec})
    assert Pool.whereis(7) == pid
  end
end
