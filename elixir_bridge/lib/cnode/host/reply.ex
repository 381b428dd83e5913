# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Host.Reply do
  @moduledoc false
  # What came through the pool's name goes on to a worker. A caller watches the
  # pool, not the worker; so its call is made by a process of its own, which
  # tells it the worker's end in the words of its monitor.

  alias CNode.Host
  alias CNode.Host.{Envelope, Segment}

  @doc "`from` nil: a cast."
  @spec pass_on(Host.t(), pid(), GenServer.from() | nil, tuple()) :: :ok
  def pass_on(_host, pid, nil, envelope), do: GenServer.cast(pid, envelope)

  def pass_on(host, pid, from, envelope) do
    spawn(fn -> call(host, pid, from, envelope) end)
    :ok
  end

  defp call(host, pid, from, {_, _, _, recipient, settings, _} = envelope) do
    GenServer.reply(from, GenServer.call(pid, envelope, Envelope.timeout(settings)))
  catch
    # It never got there: the next worker of that ref may have it.
    :exit, {:noproc, _} when node(pid) == node() ->
      Segment.deliver(host, Envelope.ref(recipient), from, envelope)

    :exit, {:timeout, _} ->
      :ok

    :exit, {reason, {GenServer, :call, _}} ->
      ended(host, from, reason)
  end

  defp ended(host, {_caller, [:alias | alias_ref]}, reason) do
    send(alias_ref, {:DOWN, alias_ref, :process, {host.pool, node()}, reason})
    :ok
  end

  defp ended(_host, from, reason), do: GenServer.reply(from, {:error, reason})

  @doc "It cannot be delivered: a call is answered, anything else is counted."
  @spec refuse(Host.t(), GenServer.from() | nil, term()) :: :ok
  def refuse(host, nil, _answer), do: Host.count_dead_letter(host)
  def refuse(_host, from, answer), do: GenServer.reply(from, answer)
end
