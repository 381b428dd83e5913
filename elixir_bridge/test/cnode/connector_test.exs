# SPDX-License-Identifier: Apache-2.0
defmodule CNode.ConnectorTest do
  use ExUnit.Case, async: false

  alias CNode.{TestNode, TestWorkers}

  import TestNode, only: [eventually: 1]

  defmodule Spread do
    use CNode.Pool
  end

  defp start_node(name \\ TestNode.unique("b")) do
    node = TestNode.start_beam_node(node: name)
    :ok = :peer.call(node.peer, TestWorkers, :host, [[pool: Spread, behaviour: "counter"]])
    node
  end

  defmodule Documented do
    use CNode.Pool, nodes: [:"nobody@127.0.0.1"], scope: nil, connect_timeout: 1
  end

  test "AdvancedPool's way to start a pool is the same" do
    Process.flag(:trap_exit, true)
    assert {:ok, pid} = Documented.PoolSupervisor.start_link(%{token: "t"})
    assert {:error, {:already_started, ^pid}} = Documented.start_link()
    GenServer.stop(pid)
  end

  test "refs spread over the nodes, each with one home" do
    nodes = for _ <- 1..3, do: start_node().name
    start_supervised!({Spread, nodes: nodes})

    homes =
      for id <- 1..300 do
        {:ok, {pid, node}} = Spread.fetch(id, :process)
        assert node(pid) == node
        assert Spread.fetch({:ref, Spread.Worker, id}, :process) == {:ok, {pid, node}}
        node
      end

    counts = Enum.frequencies(homes)
    assert Enum.sort(Map.keys(counts)) == Enum.sort(nodes)
    for {_node, count} <- counts, do: assert(count in 60..140)

    # The order in which the nodes are listed makes no difference.
    pool = Spread.__pool__()
    turned = %{pool | nodes: Enum.reverse(nodes)}

    for {home, id} <- Enum.with_index(homes, 1) do
      assert :cnode_pool.home(turned, {:ref, Spread.Worker, id}) == {:ok, home}
    end
  end

  test "when a node leaves, only its refs move, and they return with it" do
    [one, two] = for _ <- 1..2, do: start_node()
    start_supervised!({Spread, nodes: [one.name, two.name]})
    home = fn id -> elem(:cnode_pool.home(Spread.__pool__(), {:ref, Spread.Worker, id}), 1) end
    before = Map.new(1..100, &{&1, home.(&1)})

    :peer.stop(two.peer)
    eventually(fn -> two.name not in Node.list() end)
    for {id, _node} <- before, do: assert(home.(id) == one.name)
    assert Spread.s_call!(1, :increment) == 1

    start_node(two.name)
    eventually(fn -> two.name in Node.list() end)
    for {id, node} <- before, do: assert(home.(id) == node)
  end

  test "start knows every node that is there; a lost one is dialled again" do
    node = start_node()
    Node.disconnect(node.name)
    start_supervised!({Spread, nodes: [:"nobody@127.0.0.1", node.name]})
    assert node.name in Node.list()

    Node.disconnect(node.name)
    eventually(fn -> node.name in Node.list() end)
  end

  test "while it runs, calls to nodes that are away fail at once" do
    node = start_node()
    start_supervised!({Spread, nodes: [node.name]})
    assert Spread.s_call!(:a, :increment) == 1
    :peer.stop(node.peer)
    eventually(fn -> Node.list() == [] end)
    assert Spread.s_call!(:a, :increment) == {:error, :unavailable}
  end

  test "without it, a call dials" do
    node = start_node()
    pool = CNode.Pool.new!(Spread, nodes: [node.name])
    Node.disconnect(node.name)
    eventually(fn -> node.name not in Node.list() end)
    assert :cnode_pool.call(pool, :b, :increment) == 1
  end
end
