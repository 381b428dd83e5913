# SPDX-License-Identifier: Apache-2.0
#
# A mixed cluster of three, as SimplePool's two-console procedure has it: this
# BEAM is first@127.0.0.1, second@127.0.0.1 is up already (scripts/test-node.sh,
# a BEAM or a C node), and a C node that we start joins both.
# scripts/run-test.sh --only second runs it, with CNODE_BIN set.

Logger.configure(level: :warning)
ExUnit.start()

defmodule SecondNode.Counters do
  use CNode.Pool, pool: Demo.Counters
end

defmodule SecondNode.KV do
  use CNode.Pool, nodes: [:"second@127.0.0.1"], pool: Demo.KV
end

defmodule SecondNodeTest do
  use ExUnit.Case

  alias SecondNode.{Counters, KV}

  @second :"second@127.0.0.1"

  setup_all do
    true = Node.connect(@second)
    %{beam?: beam?()}
  end

  setup do
    name = :"third#{System.unique_integer([:positive])}x#{System.pid()}@127.0.0.1"
    on_exit(fn -> false = Node.connect(name) end)

    daemon =
      start_supervised!(
        {CNode.Daemon,
         config: Path.expand("../../examples/second.json", __DIR__),
         executable: System.fetch_env!("CNODE_BIN"),
         node: name,
         join: [node(), @second]}
      )

    start_supervised!({Counters, nodes: [name]})
    %{third: name, daemon: daemon}
  end

  test "second says pong" do
    assert :net_adm.ping(@second) == :pong
  end

  test "the C node joins first and second by itself", %{third: third, beam?: beam?} do
    assert eventually(fn -> third in Node.list() end)
    if beam?, do: assert(eventually(fn -> third in nodes_of_second() end))
  end

  test "callers of both nodes talk to the same worker", %{beam?: beam?} do
    assert Counters.s_call!(1, :increment) == 1
    {:ok, {pid, _node}} = Counters.fetch(1, :process)

    if beam? do
      assert :erpc.call(@second, :gen_server, :call, [pid, :increment]) == 2
      assert Counters.s_call(1, :increment) == 3
    else
      assert GenServer.call(pid, :increment) == 2
    end
  end

  test "second hosts workers when it is a C node", %{beam?: beam?} do
    unless beam? do
      key = {:key, System.unique_integer()}
      assert GenServer.call({:echo, @second}, key) == key
      assert KV.s_call!(key, {:put, :a, "b"}) == :ok
      assert KV.s_call(key, {:get, :a}) == {:ok, "b"}
      assert KV.kill!(key) == :ok
      assert KV.ping(key) == {:ok, false}
    end
  end

  test "both see the C node leave at once", %{third: third, beam?: beam?} do
    assert eventually(fn -> third in Node.list() end)
    assert Counters.s_call!(1, :increment) == 1
    {:ok, {pid, _node}} = Counters.fetch(1, :process)
    monitor = Process.monitor(pid)
    Node.monitor(third, true)

    :ok = stop_supervised(Counters)
    :ok = stop_supervised(CNode.Daemon)

    assert_receive {:nodedown, ^third}, 5_000
    assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}, 5_000
    if beam?, do: assert(eventually(fn -> third not in nodes_of_second() end))
  end

  # A C node does not run functions of modules it does not have.
  defp beam? do
    :erpc.call(@second, :code, :root_dir, [], 5_000)
    true
  catch
    :error, {:exception, :undef, _stack} -> false
  end

  defp nodes_of_second, do: :erpc.call(@second, :erlang, :nodes, [])

  defp eventually(fun, tries \\ 100) do
    cond do
      fun.() -> true
      tries == 0 -> false
      true -> Process.sleep(50) && eventually(fun, tries - 1)
    end
  end
end
