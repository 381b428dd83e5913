# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Telemetry do
  @moduledoc """
  Every event of the bridge. They are sent when the application has the
  `:telemetry` library loaded; the bridge does not depend on it.

  | event | measurements | metadata |
  | --- | --- | --- |
  | `[:cnode, :call, :start]` | `system_time` | `pool`, `target`, `message` |
  | `[:cnode, :call, :stop]` | `duration` | the same |
  | `[:cnode, :call, :exception]` | `duration` | the same and `kind`, `reason`, `stacktrace` |
  | `[:cnode, :cast]` | `count` | `pool`, `target`, `message` |
  | `[:cnode, :node, :up]` | `count` | `pool`, `node` |
  | `[:cnode, :node, :down]` | `count` | `pool`, `node`, `reason` |
  | `[:cnode, :daemon, :ready]` | `duration` | `name`, `port`, `creation`, `pools`, `behaviours`, `pid` |
  | `[:cnode, :daemon, :exit]` | `count` | `name`, `status` |

  Durations are in native time units. A call is any function of a pool that
  waits for an answer; a nested look-up is part of it.
  """

  @doc false
  @spec span(atom(), map(), fun()) :: term()
  def span(event, metadata, fun) do
    if enabled?(), do: timed([:cnode, event], metadata, fun), else: fun.()
  end

  @doc false
  @spec event([atom()], map(), map()) :: :ok
  def event(event, measurements, metadata) do
    if enabled?(), do: execute([:cnode | event], measurements, metadata), else: :ok
  end

  defp timed(event, metadata, fun) do
    started = System.monotonic_time()
    execute(event ++ [:start], %{system_time: System.system_time()}, metadata)

    try do
      result = fun.()
      execute(event ++ [:stop], since(started), metadata)
      result
    catch
      kind, reason ->
        failure = %{kind: kind, reason: reason, stacktrace: __STACKTRACE__}
        execute(event ++ [:exception], since(started), Map.merge(metadata, failure))
        :erlang.raise(kind, reason, __STACKTRACE__)
    end
  end

  defp since(started), do: %{duration: System.monotonic_time() - started}

  # Asks for a loaded module and loads none: who attached a handler has it.
  defp enabled?, do: :erlang.function_exported(:telemetry, :execute, 3)

  # apply/3, so that neither compiler nor dialyzer asks for the library.
  defp execute(event, measurements, metadata) do
    apply(:telemetry, :execute, [event, measurements, metadata])
  end
end
