# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Host.Segment do
  @moduledoc false
  # The supervisor of the workers whose refs fall to it. Everything about one
  # ref goes through here, one after the other: so there is one worker per ref,
  # and what waits for it keeps its order.
  #
  #     nothing --start--> starting --up--> up --ends--> starting (by the rule)
  #                                                  \--> nothing
  #
  # It does not wait for init: a slow one keeps nobody waiting but those who want
  # that worker.
  use GenServer

  alias CNode.Host
  alias CNode.Host.{Envelope, Reply, Worker}

  @spec start_link({Host.t(), non_neg_integer()}) :: GenServer.on_start()
  def start_link({host, index}) do
    GenServer.start_link(__MODULE__, {host, index}, name: Host.segment_at(host, index))
  end

  @doc "A call or cast by ref, with the From of its caller (nil: a cast)."
  @spec deliver(Host.t(), :cnode_pool.ref(), GenServer.from() | nil, tuple()) :: :ok
  def deliver(host, ref, from, envelope) do
    give(host, ref, from, {:deliver, ref, from, envelope})
  end

  # It has its name as long as what is sent there is handled, or refused when it
  # ends. A send to nobody raises.
  defp give(host, ref, from, message) do
    send(Host.segment(host, ref), {:"$gen_cast", message})
    :ok
  rescue
    ArgumentError -> Reply.refuse(host, from, {:error, :unavailable})
  end

  @doc "Starts the worker of a ref unless it is there; answers `from`."
  @spec start_worker(
          Host.t(),
          GenServer.from(),
          {:cnode_pool.ref(), term(), term()},
          pos_integer()
        ) ::
          :ok
  def start_worker(host, from, {ref, _args, _context} = child, face) do
    give(host, ref, from, {:start, from, child, face})
  end

  @doc "Ends the worker with that pid for good; false: it is not of this segment."
  @spec end_worker(GenServer.name(), pid()) :: boolean()
  def end_worker(segment, pid), do: GenServer.call(segment, {:end, pid}, :infinity)

  @doc "Ends all of them; they may be started again."
  @spec drain(GenServer.name()) :: :ok
  def drain(segment), do: GenServer.call(segment, :drain, :infinity)

  @impl true
  def init({host, index}) do
    # The workers end with it, terminate included.
    Process.flag(:trap_exit, true)
    # Those of one that was killed: they ended with it.
    for {ref, pid, _face} <- :ets.tab2list(host.table),
        :erlang.phash2(ref, host.segments) == index,
        do: Host.left(host, ref, pid, index)

    {:ok, %{host: host, index: index, refs: %{}, pids: %{}, restarts: []}}
  end

  @impl true
  def handle_cast({:deliver, ref, from, envelope}, state) do
    {:noreply, take(state, ref, from, envelope)}
  end

  def handle_cast({:start, from, {ref, _args, _context} = child, face}, state) do
    {:noreply, start(state, ref, from, child, face)}
  end

  @impl true
  def handle_call({:end, pid}, _from, state) do
    case state.pids do
      %{^pid => ref} -> {:reply, true, end_for_good(state, ref, pid)}
      _ -> {:reply, false, state}
    end
  end

  def handle_call(:drain, _from, state) do
    {:reply, :ok,
     Enum.reduce(state.pids, state, fn {pid, ref}, s -> end_for_good(s, ref, pid) end)}
  end

  @impl true
  def handle_info({:EXIT, pid, reason}, state) do
    case state.pids do
      %{^pid => ref} -> ended(state, ref, pid, reason)
      _ when reason in [:normal, :shutdown] -> {:noreply, state}
      _ -> {:stop, reason, state}
    end
  end

  def handle_info({:started, pid}, state) do
    case state.pids do
      %{^pid => ref} -> {:noreply, started(state, ref, pid)}
      _ -> {:noreply, state}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    # From here on nothing more comes by its name.
    Process.unregister(Host.segment_at(state.host, state.index))

    Enum.each(state.pids, fn {pid, ref} ->
      Host.left(state.host, ref, pid, state.index)
      Process.exit(pid, :shutdown)
    end)

    deadline = System.monotonic_time(:millisecond) + 5_000
    Enum.each(state.pids, fn {pid, _ref} -> await_exit(pid, deadline) end)
    for {_ref, {:starting, _pid, entry}} <- state.refs, do: refuse(state, entry)
    refuse_mailbox(state.host)
  end

  defp refuse(state, entry) do
    Enum.each(entry.starters, &GenServer.reply(&1, {:error, :unavailable}))

    for {from, _envelope} <- Enum.reverse(entry.queue) do
      Reply.refuse(state.host, from, {:error, :unavailable})
    end
  end

  defp refuse_mailbox(host) do
    receive do
      {:"$gen_cast", {:deliver, _ref, from, _envelope}} ->
        Reply.refuse(host, from, {:error, :unavailable})
        refuse_mailbox(host)

      {:"$gen_cast", {:start, from, _child, _face}} ->
        Reply.refuse(host, from, {:error, :unavailable})
        refuse_mailbox(host)
    after
      0 -> :ok
    end
  end

  defp await_exit(pid, deadline) do
    receive do
      {:EXIT, ^pid, _reason} -> :ok
    after
      max(deadline - System.monotonic_time(:millisecond), 0) -> Process.exit(pid, :kill)
    end
  end

  # ------------------------------------------------------------- messages

  defp take(state, ref, from, {_, _, _, _, settings, message} = envelope) do
    case state.refs do
      %{^ref => {:up, pid, _entry}} ->
        hand_over(state, ref, pid, from, envelope)

      %{^ref => {:starting, _pid, entry}} ->
        wait(state, ref, entry, from, envelope)

      _ ->
        absent(state, ref, from, envelope, Envelope.spawn?(settings), Envelope.context(message))
    end
  end

  defp hand_over(state, ref, pid, from, {_, _, _, _, _, message} = envelope) do
    if from != nil and Envelope.kills_for_good?(message) do
      state = end_for_good(state, ref, pid)
      GenServer.reply(from, :ok)
      state
    else
      Reply.pass_on(state.host, pid, from, envelope)
      state
    end
  end

  defp absent(state, ref, from, envelope, spawn?, context) do
    refusal = Host.refusal(state.host)

    cond do
      elsewhere = Host.Scope.elsewhere(state.host, ref) ->
        Reply.pass_on(state.host, elsewhere, from, envelope)
        state

      not spawn? ->
        Reply.refuse(state.host, from, {:nack, :not_registered})
        state

      refusal != nil ->
        Reply.refuse(state.host, from, refusal)
        state

      true ->
        entry = entry({ref, [], context}, 1)
        begin(state, ref, %{entry | queue: [{from, envelope}], waiting: 1})
    end
  end

  defp wait(state, ref, %{waiting: waiting} = entry, from, envelope) do
    if waiting >= state.host.queue do
      Reply.refuse(state.host, from, {:error, :overloaded})
      state
    else
      update(state, ref, %{entry | queue: [{from, envelope} | entry.queue], waiting: waiting + 1})
    end
  end

  # ------------------------------------------------------------- starting

  # `queue`: the newest first.
  defp entry(child, face) do
    %{child: child, face: face, queue: [], waiting: 0, starters: []}
  end

  defp update(state, ref, entry) do
    update_in(state.refs[ref], fn {:starting, pid, _} -> {:starting, pid, entry} end)
  end

  defp start(state, ref, from, child, face) do
    case state.refs do
      %{^ref => {:up, pid, _entry}} ->
        GenServer.reply(from, {:ok, pid})
        state

      %{^ref => {:starting, _pid, entry}} ->
        update(state, ref, %{entry | starters: [from | entry.starters]})

      _ ->
        start_new(state, ref, from, child, face)
    end
  end

  defp start_new(state, ref, from, child, face) do
    case {Host.Scope.elsewhere(state.host, ref), Host.refusal(state.host)} do
      {nil, nil} ->
        begin(state, ref, %{entry(child, face) | starters: [from]})

      {nil, refusal} ->
        GenServer.reply(from, refusal)
        state

      {pid, _} ->
        GenServer.reply(from, {:ok, pid})
        state
    end
  end

  defp begin(state, ref, entry) do
    {_ref, args, context} = entry.child
    start = %Worker{host: state.host, ref: ref, args: args, context: context}
    pid = Worker.spawn_link(self(), start)
    state = put_in(state.pids[pid], ref)
    put_in(state.refs[ref], {:starting, pid, entry})
  end

  defp started(state, ref, pid) do
    {:starting, ^pid, entry} = state.refs[ref]
    Host.came(state.host, ref, pid, entry.face, state.index)
    Enum.each(entry.starters, &GenServer.reply(&1, {:ok, pid}))
    kept = %{entry | queue: [], waiting: 0, starters: []}
    state = put_in(state.refs[ref], {:up, pid, kept})

    # What waited goes through take again: a kill! among it counts.
    entry.queue
    |> Enum.reverse()
    |> Enum.reduce(state, fn {from, envelope}, s -> take(s, ref, from, envelope) end)
  end

  # ------------------------------------------------------------- ending

  defp ended(state, ref, pid, reason) do
    state = forget(state, ref, pid)

    case state.refs[ref] do
      {:up, ^pid, entry} -> after_end(state, ref, entry, reason)
      {:starting, ^pid, entry} -> not_started(state, ref, entry, reason)
    end
  end

  defp forget(state, ref, pid) do
    Host.left(state.host, ref, pid, state.index)
    %{state | pids: Map.delete(state.pids, pid)}
  end

  defp after_end(state, ref, entry, reason) do
    if not clean?(reason), do: Host.count_failure(state.host)

    if comes_back?(state.host, reason) do
      restart(state, ref, entry)
    else
      {:noreply, %{state | refs: Map.delete(state.refs, ref)}}
    end
  end

  # Stopped for idleness or for good it does not come back by the rule.
  defp comes_back?(_host, {:shutdown, :inactive}), do: false
  # Another node has the name: that one is the worker.
  defp comes_back?(_host, {:syn_resolve_kill, _name, _meta}), do: false
  defp comes_back?(%{restart: :permanent}, _reason), do: true
  defp comes_back?(%{restart: :transient}, reason), do: not clean?(reason)
  defp comes_back?(%{restart: :temporary}, _reason), do: false

  defp clean?(reason) do
    reason in [:normal, :shutdown] or match?({:shutdown, _}, reason)
  end

  defp restart(state, ref, entry) do
    now = System.monotonic_time(:millisecond)
    period = state.host.max_seconds * 1_000
    restarts = [now | Enum.take_while(state.restarts, &(&1 > now - period))]
    state = %{state | restarts: restarts}

    if length(restarts) > state.host.max_restarts do
      {:stop, :shutdown, %{state | refs: Map.delete(state.refs, ref)}}
    else
      {:noreply, begin(state, ref, entry)}
    end
  end

  # Whoever wanted it is told why; its next message tries again.
  defp not_started(state, ref, entry, {:not_started, {:elsewhere, pid}}) do
    Enum.each(entry.starters, &GenServer.reply(&1, {:ok, pid}))

    for {from, envelope} <- Enum.reverse(entry.queue) do
      Reply.pass_on(state.host, pid, from, envelope)
    end

    {:noreply, %{state | refs: Map.delete(state.refs, ref)}}
  end

  defp not_started(state, ref, entry, reason) do
    Host.count_failure(state.host)
    reason = with {:not_started, why} <- reason, do: why
    Enum.each(entry.starters, &GenServer.reply(&1, {:error, reason}))

    for {from, _envelope} <- Enum.reverse(entry.queue) do
      Reply.refuse(state.host, from, {:error, reason})
    end

    {:noreply, %{state | refs: Map.delete(state.refs, ref)}}
  end

  defp end_for_good(state, ref, pid) do
    Process.exit(pid, :shutdown)

    receive do
      {:EXIT, ^pid, _reason} -> :ok
    after
      5_000 ->
        Process.exit(pid, :kill)

        receive do
          {:EXIT, ^pid, _reason} -> :ok
        end
    end

    state = forget(state, ref, pid)
    %{state | refs: Map.delete(state.refs, ref)}
  end
end
