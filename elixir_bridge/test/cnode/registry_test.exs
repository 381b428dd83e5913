# SPDX-License-Identifier: Apache-2.0
defmodule CNode.RegistryTest do
  use ExUnit.Case, async: true

  defmodule Away do
    use CNode.Pool, nodes: [:"nobody@127.0.0.1"]
  end

  test "a worker that cannot be found is undefined, as any name" do
    assert CNode.Registry.whereis_name({Away, 1}) == :undefined
    name = {:via, CNode.Registry, {Away, 1}}
    assert GenServer.whereis(name) == nil
    assert {:noproc, {GenServer, :call, _}} = catch_exit(GenServer.call(name, :get))
    assert GenServer.cast(name, :get) == :ok
    assert {:badarg, {{Away, 1}, :hi}} = catch_exit(CNode.Registry.send({Away, 1}, :hi))
  end

  test "names are given by the pool alone" do
    assert CNode.Registry.register_name({Away, 1}, self()) == :no
    assert CNode.Registry.unregister_name({Away, 1}) == :ok
    name = {:via, CNode.Registry, {Away, 1}}
    assert {:error, _} = Agent.start_link(fn -> 1 end, name: name)
  end

  test "a module that is no pool is refused with a readable error" do
    assert_raise ArgumentError, ~r/use CNode.Pool.*got Enum/, fn ->
      CNode.Registry.whereis_name({Enum, 1})
    end
  end
end
