# SPDX-License-Identifier: Apache-2.0
defmodule CNode.TelemetryTest do
  use ExUnit.Case, async: false

  defmodule Watched do
    use CNode.Pool, nodes: [:"nobody@127.0.0.1"]
  end

  # Stands in for the library, which the bridge must not depend on.
  defp load_telemetry do
    {:module, :telemetry, _, _} =
      Module.create(
        :telemetry,
        quote do
          def execute(event, measurements, metadata) do
            send(:telemetry_test, {event, measurements, metadata})
            :ok
          end
        end,
        __ENV__
      )

    Process.register(self(), :telemetry_test)

    on_exit(fn ->
      :code.purge(:telemetry)
      :code.delete(:telemetry)
    end)
  end

  defp link(pid), do: {:link, node(), pid, {:ref, Watched.Worker, 1}}

  test "without the library nothing is sent and nothing is missed" do
    refute :code.is_loaded(:telemetry)
    assert Watched.s_call!(1, :get) == {:error, :unavailable}
  end

  test "a call has a start and a stop" do
    load_telemetry()
    assert Watched.s_call!(1, :get) == {:error, :unavailable}
    same = %{pool: Watched, target: 1, message: :get}
    assert_received {[:cnode, :call, :start], %{system_time: _}, ^same}
    assert_received {[:cnode, :call, :stop], %{duration: duration}, ^same}
    assert duration > 0
    Watched.ping(1)
    assert_received {[:cnode, :call, :stop], _, %{message: :ping}}
  end

  test "a call that exits has a start and an exception" do
    load_telemetry()
    {dead, monitor} = spawn_monitor(fn -> :ok end)
    assert_receive {:DOWN, ^monitor, _, _, _}
    assert {:noproc, _} = catch_exit(Watched.s_call!(link(dead), :get))
    assert_received {[:cnode, :call, :start], _, _}
    assert_received {[:cnode, :call, :exception], %{duration: _}, metadata}
    assert %{kind: :exit, reason: {:noproc, _}, stacktrace: [_ | _], message: :get} = metadata
  end

  test "a cast is one event" do
    load_telemetry()
    Watched.s_cast!(link(self()), :increment)
    assert_received {[:cnode, :cast], %{count: 1}, %{pool: Watched, message: :increment}}
  end
end
