# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Host.Worker do
  @moduledoc false
  # One worker: the process around a module that is a CNode.Worker. Opens
  # envelopes, answers what every worker understands, and leaves the rest to the
  # module. Its segment starts it and decides what comes after its end.
  use GenServer

  alias CNode.Host.Envelope

  # One for each start of a worker.
  defstruct [:host, :ref, :args, :context]

  @type t :: %__MODULE__{
          host: CNode.Host.t(),
          ref: :cnode_pool.ref(),
          args: term(),
          context: term()
        }

  @doc "Gives its pid at once; the segment gets `{:started, pid}` when init is done, or its exit."
  @spec spawn_link(pid(), t()) :: pid()
  def spawn_link(segment, %__MODULE__{} = start) do
    :proc_lib.spawn_link(__MODULE__, :run, [segment, start])
  end

  @doc false
  def run(segment, %__MODULE__{host: host, ref: ref} = start) do
    Process.flag(:trap_exit, true)

    with :ok <- CNode.Host.Scope.register(host, ref),
         {:ok, user} <- host.module.init(ref, start.args, start.context) do
      state = %{host: host, module: host.module, ref: ref, user: user, loaded: false, timer: nil}
      send(segment, {:started, self()})
      :gen_server.enter_loop(__MODULE__, [], rest(state))
    else
      {:stop, reason} -> exit({:not_started, reason})
      other -> exit({:not_started, {:bad_return_value, other}})
    end
  end

  # Never called: run/2 is how it starts.
  @impl true
  def init(_start), do: :ignore

  @impl true
  def handle_call({:msg_envelope, _, _, recipient, _, message}, from, state) do
    case Envelope.check(recipient, state.ref) do
      :ok -> with_inner(message, state, &handle(&1, message, from, &2))
      error -> {:reply, error, state}
    end
  end

  def handle_call(call, from, state), do: loaded(state, &handle(call, call, from, &1))

  @impl true
  def handle_cast({:msg_envelope, identifier, _, recipient, settings, message}, state) do
    case Envelope.check(recipient, state.ref) do
      :ok ->
        result = with_inner(message, state, &act(:handle_cast, &1, &2))
        if elem(result, 0) == :noreply, do: Envelope.acknowledge(settings, identifier)
        result

      _error ->
        {:noreply, state}
    end
  end

  def handle_cast(cast, state), do: loaded(state, &act(:handle_cast, cast, &1))

  @impl true
  def handle_info({:msg_envelope, _, _, _, _, _} = envelope, state),
    do: handle_cast(envelope, state)

  def handle_info({:timeout, timer, :idle}, %{timer: timer} = state) do
    case callback(state, :offload, [state.user], :ok) do
      :ok -> {:stop, {:shutdown, :inactive}, state}
      :wait -> {:noreply, rest(state)}
    end
  end

  def handle_info({:timeout, _old, :idle}, state), do: {:noreply, state}
  # Exits are trapped for terminate's sake only: they end it all the same.
  def handle_info({:EXIT, _pid, :normal}, state), do: {:noreply, state}
  def handle_info({:EXIT, _pid, reason}, state), do: {:stop, reason, state}
  def handle_info(message, state), do: loaded(state, &act(:handle_info, message, &1))

  @impl true
  def terminate(reason, state), do: callback(state, :terminate, [reason, state.user], :ok)

  # In logs and :sys.get_status: what is the user's.
  @impl true
  def format_status(:terminate, [_dictionary, state]), do: state.user
  def format_status(:normal, [_dictionary, state]), do: [data: [{~c"State", state.user}]]

  # ------------------------------------------------------------- messages

  defp with_inner({:s, inner, context, options}, state, handle) do
    Process.put(:"$cnode_context", context)
    Process.put(:"$cnode_options", options)
    result = loaded(state, &handle.(inner, &1))
    Process.delete(:"$cnode_context")
    Process.delete(:"$cnode_options")
    result
  end

  defp with_inner(other, state, handle), do: loaded(state, &handle.(other, &1))

  # Its first message loads it.
  defp loaded(%{loaded: true} = state, handle), do: handle.(rest(state))

  defp loaded(state, handle) do
    case load(state) do
      {:ok, state} -> handle.(rest(%{state | loaded: true}))
      {:stop, reason} -> {:stop, reason, state}
    end
  end

  defp load(state) do
    case callback(state, :load, [state.user], {:ok, state.user}) do
      {:ok, user} -> {:ok, %{state | user: user}}
      {:stop, _reason} = stop -> stop
    end
  end

  defp handle(:ping, _message, _from, state), do: {:reply, :pong, state}
  defp handle(:hibernate, _message, _from, state), do: {:reply, :ok, state, :hibernate}
  defp handle(:kill!, _message, _from, state), do: {:stop, :shutdown, :ok, state}

  defp handle(:crash!, _message, _from, state) do
    {:stop, {:bad_return_value, "User Initiated Crash"}, state}
  end

  defp handle({:fetch, :process}, _message, _from, state) do
    {:reply, {state.ref, node(), self()}, state}
  end

  defp handle({:fetch, :state}, _message, _from, state) do
    {:reply, shown, user} =
      callback(state, :fetch, [:state, state.user], {:reply, state.user, state.user})

    {:reply, Envelope.worker_state(state.ref, state.host.worker, shown), %{state | user: user}}
  end

  defp handle({:fetch, what}, _message, _from, state) do
    default = {:reply, {:error, {:unsupported, what}}, state.user}
    {:reply, answer, user} = callback(state, :fetch, [what, state.user], default)
    {:reply, answer, %{state | user: user}}
  end

  defp handle(:persist!, _message, _from, state) do
    {:reply, answer, user} =
      callback(state, :persist, [state.user], {:reply, :not_supported, state.user})

    {:reply, answer, %{state | user: user}}
  end

  defp handle(:reload!, _message, _from, state), do: reload(state)
  defp handle({:reload!, _options}, _message, _from, state), do: reload(state)

  defp handle(:wake!, _message, _from, state), do: {:reply, :ok, state}
  defp handle(:health, _message, _from, state), do: health(state)
  defp handle({:health, _options}, _message, _from, state), do: health(state)

  defp handle(call, message, from, state), do: own(call, message, from, state)

  # Failures are its segment's to count, which is not asked here.
  defp health(state) do
    {:message_queue_len, queue} = Process.info(self(), :message_queue_len)
    {:memory, memory} = Process.info(self(), :memory)

    default = %{
      status: :online,
      failures: 0,
      errors: 0,
      warnings: 0,
      queue: queue,
      memory: memory
    }

    {:reply, callback(state, :health, [state.user], default), state}
  end

  defp reload(state) do
    if function_exported?(state.module, :load, 1) do
      case load(state) do
        {:ok, state} -> {:reply, :ok, state}
        {:stop, reason} -> {:stop, reason, state}
      end
    else
      {:reply, {:unhandled, {:s, :reload!, CNode.Worker.context(), CNode.Worker.options()}},
       state}
    end
  end

  defp own(call, message, from, state) do
    case state.module.handle_call(call, from, state.user) do
      :unhandled -> {:reply, {:unhandled, message}, state}
      {:reply, reply, user} -> {:reply, reply, %{state | user: user}}
      {:noreply, user} -> {:noreply, %{state | user: user}}
      {:stop, reason, reply, user} -> {:stop, reason, reply, %{state | user: user}}
      {:stop, reason, user} -> {:stop, reason, %{state | user: user}}
      other -> {:stop, {:bad_return_value, other}, state}
    end
  end

  defp act(function, message, state) do
    case apply(state.module, function, [message, state.user]) do
      :unhandled -> {:noreply, state}
      {:noreply, user} -> {:noreply, %{state | user: user}}
      {:stop, reason, user} -> {:stop, reason, %{state | user: user}}
      other -> {:stop, {:bad_return_value, other}, state}
    end
  end

  defp callback(state, function, arguments, default) do
    if function_exported?(state.module, function, length(arguments)) do
      apply(state.module, function, arguments)
    else
      default
    end
  end

  # It was used: the idle time-out starts again.
  defp rest(%{host: %{idle_timeout: :infinity}} = state), do: state

  defp rest(state) do
    if state.timer, do: :erlang.cancel_timer(state.timer)
    %{state | timer: :erlang.start_timer(state.host.idle_timeout, self(), :idle)}
  end
end
