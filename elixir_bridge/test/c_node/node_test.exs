# SPDX-License-Identifier: Apache-2.0
defmodule CNode.NodeTest do
  @moduledoc "The executable under CNode.Daemon: start, stop, death, several nodes."
  use ExUnit.Case, async: false

  import CNode.TestNode

  alias CNode.Daemon

  @moduletag :cnode

  defmodule Pool do
    use CNode.Pool
  end

  @config %{pools: %{Pool => %{behaviour: "counter", registry: "none"}}}

  defp registered?(node) do
    [name, _host] = node |> Atom.to_string() |> String.split("@")
    {:ok, names} = :erl_epmd.names({127, 0, 0, 1})
    List.keymember?(names, to_charlist(name), 0)
  end

  test "says when it is ready, and what it is" do
    name = unique("c")
    node = start_c_node(@config, node: name)
    assert %{name: ^name, pools: ["Elixir.CNode.NodeTest.Pool"]} = node
    assert Enum.sort(node.behaviours) == ["counter", "echo", "kv", "probe"]
    assert node.port in 1..65_535
    assert node.creation > 3
    assert os_alive?(node.pid)
    assert registered?(name)
    assert Node.connect(name)
    {:ok, {pid, ^name}} = start_and_fetch(name)
    assert is_pid(pid)
  end

  defp start_and_fetch(name) do
    start_supervised!({Pool, nodes: [name]})
    Pool.fetch(1, :process)
  end

  test "joins the nodes it is told to, by itself" do
    :ok = :net_kernel.monitor_nodes(true)
    node = start_c_node(@config, join: [node()]).name
    assert_receive {:nodeup, ^node}, 5_000
    assert node in Node.list()
    :net_kernel.monitor_nodes(false)
  end

  test "hidden, it is not in Node.list() but works all the same" do
    node = start_c_node(@config, hidden: true, join: [node()])
    eventually(fn -> node.name in Node.list(:hidden) end)
    refute node.name in Node.list()
    start_supervised!({Pool, nodes: [node.name]})
    assert Pool.s_call!(1, :increment) == 1
  end

  test "SIGTERM is nodedown at once, noconnection for monitors, and epmd forgets" do
    node = start_c_node(@config)
    start_supervised!({Pool, nodes: [node.name]})
    {:ok, {pid, _}} = Pool.fetch(1, :process)
    monitor = Process.monitor(pid)
    Node.monitor(node.name, true)
    started = System.monotonic_time(:millisecond)
    stop_c_node(node)
    assert_receive {:nodedown, name} when name == node.name, 2_000
    assert_receive {:DOWN, ^monitor, :process, ^pid, :noconnection}, 2_000
    assert System.monotonic_time(:millisecond) - started < 2_000
    eventually(fn -> not registered?(node.name) end)
    refute os_alive?(node.pid)
    assert Pool.s_call!(1, :get) == {:error, :unavailable}
  end

  test "killed, it is nodedown too, and its supervisor brings it back" do
    name = unique("c")

    children = [
      {Daemon, executable: executable(), config: write_config(@config), node: name},
      {Pool, nodes: [name]}
    ]

    supervisor =
      start_supervised!(%{
        id: :tree,
        type: :supervisor,
        start: {Supervisor, :start_link, [children, [strategy: :rest_for_one]]}
      })

    daemon = fn ->
      {Daemon, pid, _, _} = List.keyfind(Supervisor.which_children(supervisor), Daemon, 0)
      pid
    end

    assert Pool.s_call!(1, :increment) == 1
    first = daemon.()
    before = Daemon.info(first)
    {:ok, {pid, _}} = Pool.fetch(1, :process)
    monitor = Process.monitor(pid)
    signal(before.pid, "KILL")
    assert_receive {:DOWN, ^monitor, :process, ^pid, :noconnection}, 2_000
    eventually(fn -> is_pid(daemon.()) and daemon.() != first end)
    eventually(fn -> Pool.s_call!(1, :increment) == 1 end)
    later = Daemon.info(daemon.())
    assert later.pid != before.pid
    assert later.creation != before.creation

    # The pid of the earlier life stays dead.
    again = Process.monitor(pid)
    assert_receive {:DOWN, ^again, :process, ^pid, :noproc}, 2_000
    assert {:noproc, _} = catch_exit(GenServer.call(pid, :get))
  end

  test "a configuration with mistakes fails the start and says them" do
    options = [executable: executable(), config: write_config(%{nodes: %{}}), node: unique("c")]
    assert {:error, {{:exit_status, 2, said}, _}} = start_supervised({Daemon, options})
    assert Enum.any?(said, &(&1 =~ ~s(nodes: unknown key, did you mean "node"?)))
  end

  test "a name that is taken at epmd fails the start" do
    node = start_c_node(@config)
    options = [executable: executable(), config: write_config(@config), node: node.name]
    assert {:error, {{:exit_status, 1, said}, _}} = start_supervised({Daemon, options})
    assert Enum.any?(said, &(&1 =~ "#{node.name}"))
  end

  test "two nodes share a pool: each ref has one home" do
    nodes = for _ <- 1..2, do: start_c_node(@config)
    start_supervised!({Pool, nodes: Enum.map(nodes, & &1.name)})

    homes =
      for id <- 1..100 do
        assert Pool.s_call!(id, :increment) == 1
        {:ok, {pid, node}} = Pool.fetch(id, :process)
        assert node(pid) == node
        node
      end

    assert Enum.sort(Enum.uniq(homes)) == Enum.sort(Enum.map(nodes, & &1.name))
    for id <- 1..100, do: assert(Pool.s_call(id, :get) == 1)
  end

  test "a pool that is not on the node is noproc" do
    node = start_c_node(@config)
    pool = :cnode_pool.new(%{name: No.Such.Pool, nodes: [node.name]})
    assert {:noproc, {:gen_server, :call, _}} = catch_exit(:cnode_pool.call(pool, 1, :get))
    assert :cnode_pool.ping(pool, 1) == {:ok, false}
    assert :cnode_pool.cast(pool, 1, :get, %{spawn: false}) == {:error, :noproc}
  end

  test "its memory does not grow with workers that came and went" do
    node = start_c_node(@config)
    start_supervised!({Pool, nodes: [node.name]})
    lives(0)
    before = resident_kib(node.pid)
    for round <- 1..4, do: lives(round)
    assert resident_kib(node.pid) - before < 4_096
  end

  defp lives(round) do
    for n <- 1..2_000 do
      1 = Pool.s_call!({round, n}, :increment)
      :ok = Pool.kill!({round, n})
    end
  end
end
