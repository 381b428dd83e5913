# SPDX-License-Identifier: Apache-2.0
defmodule CNode.KeyValueTest do
  @moduledoc "The kv and echo behaviours: terms of all kinds go in and come out as they were."
  use ExUnit.Case, async: false

  import Bitwise, only: [<<<: 2]
  import CNode.TestNode, only: [start_c_node: 1]

  @moduletag :cnode

  defmodule KV do
    use CNode.Pool
  end

  setup_all do
    pools = %{KV => %{behaviour: "kv", registry: "none"}}
    node = start_c_node(%{pools: pools, services: %{echo: %{behaviour: "echo"}}})
    start_supervised!({KV, nodes: [node.name]})
    %{node: node.name}
  end

  defp terms do
    [
      0,
      -1,
      255,
      256,
      1 <<< 31,
      -(1 <<< 31),
      1 <<< 64,
      -(1 <<< 80),
      1 <<< 3000,
      1.5,
      -0.0,
      1.0e300,
      :atom,
      :"",
      :"with space",
      :ünï,
      String.to_atom(String.duplicate("ü", 255)),
      "",
      "binary",
      <<1, 2, 3::4>>,
      :binary.copy("x", 100_000),
      [],
      [1, 2, 3],
      ~c"string",
      [1 | 2],
      [1, :a | :improper],
      Enum.to_list(1..70_000),
      {},
      {1},
      List.to_tuple(Enum.to_list(1..300)),
      %{},
      %{:a => 1, "b" => %{{1, 2} => [3]}},
      Map.new(1..200, &{&1, &1}),
      self(),
      make_ref(),
      hd(Port.list()),
      &String.upcase/1,
      fn x -> x + map_size(%{}) end,
      DateTime.utc_now(),
      1..10,
      MapSet.new([1, 2])
    ]
  end

  test "echo gives every term back", %{node: node} do
    for term <- terms() do
      assert GenServer.call({:echo, node}, {:this, term}) === {:this, term}
    end
  end

  test "every term is a key and a value" do
    terms = terms()

    for {term, index} <- Enum.with_index(terms) do
      assert KV.s_call!(1, {:put, term, {index, term}}) == :ok
      assert KV.s_call!(1, {:get, term}) === {:ok, {index, term}}
    end

    assert length(KV.s_call!(1, :keys)) == length(terms)
    for term <- terms, is_number(term), do: assert(KV.s_call!(1, {:delete, term}) == :ok)
    assert KV.s_call!(1, {:get, 1.5}) == :error
  end

  test "keys are compared exactly" do
    assert KV.s_call!(2, {:put, 1, :integer}) == :ok
    assert KV.s_call!(2, {:put, 1.0, :float}) == :ok
    assert KV.s_call!(2, {:get, 1}) == {:ok, :integer}
    assert KV.s_call!(2, {:get, 1.0}) == {:ok, :float}

    # However a map was built and whatever form its parts have on the wire.
    big = Map.new(1..100, &{&1, &1})
    built = Enum.reduce(Enum.shuffle(1..100), %{}, &Map.put(&2, &1, &1))
    assert KV.s_call!(2, {:put, big, :map}) == :ok
    assert KV.s_call!(2, {:get, built}) == {:ok, :map}
    assert KV.s_call!(2, {:get, :nothing}) == :error
    assert KV.s_call!(2, {:delete, :nothing}) == :ok
    assert KV.s_call!(2, {:put, 1, :again}) == :ok
    assert Enum.sort(KV.s_call!(2, :keys)) == Enum.sort([1, 1.0, big])
  end
end
