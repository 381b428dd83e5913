# SPDX-License-Identifier: Apache-2.0
defmodule CNode.PoolTest do
  use ExUnit.Case, async: true

  # No node of this name ever answers; what is tested here needs none.
  defmodule Alone do
    use CNode.Pool, nodes: [:"nobody@127.0.0.1"], timeout: 100
  end

  defmodule Renamed do
    use CNode.Pool, nodes: [:a@h, :b@h], pool: Other.Name, timeout: :infinity
  end

  defp forward(to) do
    receive do: (message -> send(to, message))
    forward(to)
  end

  defp define(options) do
    name = Module.concat(__MODULE__, "Bad#{System.unique_integer([:positive])}")

    Module.create(name, quote(do: use(CNode.Pool, unquote(options))), __ENV__)
  end

  test "the pool's name and the worker's module follow from the module" do
    assert %{name: Alone, worker: Alone.Worker, timeout: 100, cast_timeout: 5000} =
             Alone.__pool__()

    assert %{name: Other.Name, worker: Other.Name.Worker, timeout: :infinity} = Renamed.__pool__()
  end

  test "options are checked when the module is compiled" do
    mistakes = [
      {[nodes: []], ~r/option :nodes: expected a list of node names.* got \[\]/},
      {[nodes: [:nohost]], ~r/option :nodes: expected .* got \[:nohost\]/},
      {[nodes: [:a@h, :a@h]], ~r/option :nodes/},
      {[nodes: [:a@h], timeout: 0], ~r/option :timeout: expected milliseconds.* got 0/},
      {[nodes: [:a@h], pool: "text"], ~r/option :pool: expected .* got "text"/},
      {[node: [:a@h]], ~r/unknown option :node, did you mean :nodes\?/},
      {[colour: 1], ~r/unknown option :colour, known are :nodes, :pool/}
    ]

    for {options, message} <- mistakes do
      assert_raise ArgumentError, message, fn -> define(options) end
    end
  end

  test "options are checked at start" do
    assert_raise ArgumentError, ~r/unknown option :nods, did you mean :nodes/, fn ->
      Alone.start_link(nods: [:a@h])
    end

    defmodule Nowhere do
      use CNode.Pool
    end

    assert_raise ArgumentError, ~r/option :nodes is missing/, fn -> Nowhere.start_link() end
    assert Nowhere.s_call!(1, :get) == {:error, :unavailable}
  end

  test "a pool whose nodes cannot be reached is unavailable, and never exits" do
    assert Alone.s_call!(1, :get) == {:error, :unavailable}
    assert Alone.s_call(1, :get) == {:error, :unavailable}
    assert Alone.s_cast!(1, :get) == {:error, :unavailable}
    assert Alone.s_cast(1, :get) == {:error, :unavailable}
    assert Alone.fetch(1, :process) == {:error, :unavailable}
    assert Alone.fetch(1, :state) == {:error, :unavailable}
    assert Alone.kill!(1) == {:error, :unavailable}
    assert Alone.ping(1) == {:ok, false}
    assert Alone.get_direct_link!(1) == {:link, nil, nil, {:ref, Alone.Worker, 1}}
    assert CNode.Registry.whereis_name({Alone, 1}) == :undefined
  end

  test "refs and links of another pool are refused" do
    for other <- [{:ref, Else.Worker, 1}, {:link, nil, nil, {:ref, Else.Worker, 1}}] do
      assert Alone.s_call!(other, :get) == {:error, {:unsupported, other}}
      assert Alone.s_cast!(other, :get) == {:error, {:unsupported, other}}
      assert Alone.get_direct_link!(other) == {:error, {:unsupported, other}}
    end

    stray = {:link, node(), self(), {:ref, Else.Worker, 1}}
    assert Alone.s_call!(stray, :get) == {:error, {:unsupported, stray}}
  end

  test "a call is AdvancedPool's envelope, record by record" do
    # A process of ours in the place of a worker shows what it is sent.
    me = self()
    pid = spawn_link(fn -> forward(me) end)
    link = {:link, node(), pid, {:ref, Alone.Worker, 7}}

    assert {:timeout, {GenServer, :call, [^pid, _, 50]}} =
             catch_exit(Alone.s_call!(link, {:add, 1}, :context, timeout: 50))

    assert_receive {:"$gen_call", {^me, _tag}, envelope}
    settings = {:settings, nil, true, nil, nil, nil, 50}

    assert {:msg_envelope, {^me, ms}, :call, ^link, ^settings,
            {:s, {:add, 1}, :context, [timeout: 50]}} = envelope

    assert_in_delta ms, System.system_time(:millisecond), 5_000
  end

  test "a cast is AdvancedPool's envelope too, with its own time-out" do
    link = {:link, node(), self(), {:ref, Alone.Worker, 7}}
    assert Alone.s_cast!(link, :increment) == :ok
    settings = {:settings, nil, true, nil, nil, nil, 5_000}
    me = self()

    assert_receive {:"$gen_cast",
                    {:msg_envelope, {^me, _}, :cast, ^link, ^settings, {:s, :increment, nil, nil}}}
  end

  test "options of any shape reach the worker, kill! adds its own" do
    me = self()

    for {given, sent} <- [
          {nil, [restart: false]},
          {[a: 1, restart: true], [restart: false, a: 1]},
          {%{a: 1}, [restart: false, a: 1]}
        ] do
      pid =
        spawn_link(fn ->
          receive do
            {:"$gen_call", from, {_, _, _, _, _, {:s, :kill!, :ctx, options}}} ->
              send(me, {:options, options})
              GenServer.reply(from, :ok)
          end
        end)

      link = {:link, node(), pid, {:ref, Alone.Worker, 7}}
      assert Alone.kill!(link, :ctx, given) == :ok
      assert_receive {:options, ^sent}
    end
  end

  test "functions of a pool may be overridden" do
    defmodule Polite do
      use CNode.Pool, nodes: [:"nobody@127.0.0.1"]
      def s_call(target, message, _context, options), do: super(target, message, :polite, options)
    end

    me = self()
    link = {:link, node(), spawn_link(fn -> forward(me) end), {:ref, Polite.Worker, 7}}
    catch_exit(Polite.s_call(link, :hi, nil, timeout: 50))
    assert_receive {:"$gen_call", _, {_, _, _, _, _, {:s, :hi, :polite, _}}}
  end

  describe "the home of a ref" do
    setup do
      nodes = for n <- 1..5, do: :"n#{n}@127.0.0.1"
      %{pool: :cnode_pool.new(%{name: Some.Pool, nodes: nodes})}
    end

    test "is a connected node only", %{pool: pool} do
      assert :cnode_pool.home(pool, {:ref, Some.Pool.Worker, 1}) == {:error, :unavailable}
      here = %{pool | nodes: [node() | pool.nodes]}
      assert :cnode_pool.home(here, {:ref, Some.Pool.Worker, 1}) == {:ok, node()}
    end

    test "does not depend on the order of the nodes" do
      # Only this node is up, so the ranking is looked at through its hash.
      nodes = [:a@h, :b@h, :c@h]

      for id <- 1..100 do
        best = fn nodes -> Enum.max_by(nodes, &{:erlang.phash2({&1, id}), &1}) end
        assert best.(nodes) == best.(Enum.reverse(nodes))
      end
    end
  end
end
