# SPDX-License-Identifier: Apache-2.0
defmodule CNode.SynTest do
  @moduledoc "Pools whose workers are names of syn, with real syn."
  use ExUnit.Case, async: false

  import CNode.TestNode

  @moduletag :syn

  defmodule Named do
    use CNode.Pool, nodes: [:"nobody@127.0.0.1"]
  end

  defmodule Plain do
    use CNode.Pool, nodes: [:"nobody@127.0.0.1"], scope: nil
  end

  defmodule Spread do
    use CNode.Pool
  end

  defmodule InC do
    use CNode.Pool
  end

  # What a pool does for each of its workers.
  defp register(pool, id, pid) do
    scope = Module.concat(pool, Registry)
    :ok = :syn.register(scope, {:worker, {:ref, Module.concat(pool, Worker), id}}, pid)
  end

  defp start(module, options \\ []) do
    start_supervised!({module, [connect_timeout: 2_000] ++ options})
  end

  test "the connector joins the scope of its pool" do
    start(Named)
    assert Module.concat(Named, Registry) in :syn.node_scopes()
  end

  test "without a scope syn is not used" do
    start(Plain)
    refute Module.concat(Plain, Registry) in :syn.node_scopes()
    assert Plain.__pool__().scope == nil
  end

  test "a registered worker is found without asking the pool" do
    start(Named)
    {:ok, worker} = Agent.start_link(fn -> 17 end)
    register(Named, 1, worker)
    ref = {:ref, Module.concat(Named, Worker), 1}
    assert Named.get_direct_link!(1) == {:link, node(), worker, ref}
    assert CNode.Registry.whereis_name({Named, 1}) == worker
    assert Agent.get({:via, CNode.Registry, {Named, 1}}, & &1) == 17
    assert CNode.Registry.whereis_name({Named, 2}) == :undefined
  end

  test "a worker that ended is not found" do
    start(Named)
    {:ok, worker} = Agent.start(fn -> 17 end)
    register(Named, :ends, worker)
    assert CNode.Registry.whereis_name({Named, :ends}) == worker
    Agent.stop(worker)
    eventually(fn -> CNode.Registry.whereis_name({Named, :ends}) == :undefined end)
  end

  test "before the connector runs the pool is asked" do
    assert :cnode_pool.registered(InC.__pool__(), {:ref, Module.concat(InC, Worker), 1}) ==
             :undefined
  end

  test "calls go to the node that has the worker" do
    [one, two] = for _ <- 1..2, do: start_pool_node(:beam, pool: Spread, behaviour: "counter")

    start(Spread, nodes: [one.name, two.name])
    ref = {:ref, Module.concat(Spread, Worker), 1}
    {:ok, home} = :cnode_pool.home(Spread.__pool__(), ref)
    [other] = [one.name, two.name] -- [home]

    # It is on the other one, which says so.
    elsewhere = :cnode_pool.new(%{name: Spread, nodes: [other]})
    {:ok, {worker, ^other}} = :cnode_pool.fetch(elsewhere, 1, :process)
    scope = Module.concat(Spread, Registry)
    assert Spread.ping(1) == {:ok, false}
    path = :code.which(:syn) |> Path.dirname() |> to_charlist()
    true = :erpc.call(other, :code, :add_pathz, [path])
    {:ok, _} = :erpc.call(other, :application, :ensure_all_started, [:syn])
    :ok = :erpc.call(other, :syn, :add_node_to_scopes, [[scope]])
    :ok = :erpc.call(other, :syn, :register, [scope, {:worker, ref}, worker])
    eventually(fn -> :cnode_pool.registered(Spread.__pool__(), ref) == worker end)

    assert Spread.ping(1) == {:ok, true}
    assert Spread.s_call(1, :increment) == 1
    assert Spread.fetch(1, :process) == {:ok, {worker, other}}
    assert :cnode_pool.call(elsewhere, 1, :get) == 1
  end

  @tag :cnode
  test "workers in C are names of syn" do
    config = [pool: InC, behaviour: "counter"] |> pool_config() |> Map.put(:registry, "syn")
    node = start_c_node(%{pools: %{InC => config}})
    start(InC, nodes: [node.name])
    ref = {:ref, Module.concat(InC, Worker), 1}
    assert InC.get_direct_link!(1) == {:link, nil, nil, ref}
    assert InC.s_call!(1, :increment) == 1

    # Registered before it is answered: known by now, and without asking.
    pid = :cnode_pool.registered(InC.__pool__(), ref)
    assert node(pid) == node.name
    assert {^pid, [node: _]} = :syn.lookup(Module.concat(InC, Registry), {:worker, ref})
    assert InC.get_direct_link!(1) == {:link, node.name, pid, ref}
    assert CNode.Registry.whereis_name({InC, 1}) == pid
    assert GenServer.call({:via, CNode.Registry, {InC, 1}}, :increment) == 2
    assert InC.s_call({:link, node.name, pid, ref}, :get) == 2

    assert InC.kill!(1) == :ok
    eventually(fn -> :cnode_pool.registered(InC.__pool__(), ref) == :undefined end)
    assert InC.ping(1) == {:ok, false}
    assert InC.s_call!(1, :get) == 0

    # And lost with its node.
    stop_c_node(node)
    eventually(fn -> :cnode_pool.registered(InC.__pool__(), ref) == :undefined end)
  end

  @tag :cnode
  test "a C process and one of Elixir find each other by name" do
    scope = Module.concat(InC, Names)
    {:ok, _} = Application.ensure_all_started(:syn)
    :ok = :syn.add_node_to_scopes([scope])

    node =
      start_c_node(%{
        syn: %{scopes: [Atom.to_string(scope)]},
        services: %{probe: %{behaviour: "probe"}}
      })

    true = Node.connect(node.name)
    probe = {:probe, node.name}
    assert GenServer.call(probe, {:syn, :register, scope, "in C", %{some: "metadata"}}) == :ok
    eventually(fn -> match?({_, %{some: "metadata"}}, :syn.lookup(scope, "in C")) end)
    assert GenServer.call({:via, :syn, {scope, "in C"}}, {:echo, 7}) == 7

    {:ok, agent} = Agent.start_link(fn -> 17 end, name: {:via, :syn, {scope, "in Elixir"}})

    eventually(fn ->
      match?({^agent, _}, GenServer.call(probe, {:syn, :lookup, scope, "in Elixir"}))
    end)

    call = {:call, {:via, :syn, {scope, "in Elixir"}}, {:get, {:erlang, :abs, []}}, 5_000}
    assert GenServer.call(probe, call) == {:ok, 17}
    Agent.stop(agent)
    eventually(fn -> GenServer.call(probe, {:syn, :lookup, scope, "in Elixir"}) == :undefined end)
  end
end
