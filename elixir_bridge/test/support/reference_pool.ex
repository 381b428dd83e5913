# SPDX-License-Identifier: Apache-2.0
defmodule CNode.ReferencePool do
  @moduledoc """
  A pool on the BEAM that answers as a pool in C must: the yardstick for the
  tests that run against both, and what the bridge is tested with where no
  executable is built.

  The same names, envelopes, replies, exit reasons and supervisor calls. Not its
  guarantees: nothing is buffered, intensity is not limited.

      pool      a GenServer under the pool's name; routes envelopes
      faces     what a caller sees as the worker supervisor
      starter   the DynamicSupervisor that really has the workers
      names     the Registry of ref => worker
  """
  use GenServer

  alias CNode.ReferencePool.{Face, Worker}

  defstruct [:name, :worker, :behaviour, :idle_timeout, :face, :starter, :names]

  @doc "Starts a pool without linking to the caller, as the caller may be an rpc."
  def start(name, options) do
    GenServer.start(__MODULE__, {name, Map.new(options)}, name: name)
  end

  @impl true
  def init({name, options}) do
    names = Module.concat(name, Names)
    {:ok, _} = Registry.start_link(keys: :unique, name: names)
    {:ok, starter} = DynamicSupervisor.start_link(strategy: :one_for_one, max_restarts: 100_000)

    pool = %__MODULE__{
      name: name,
      worker: Module.concat(name, "Worker"),
      behaviour: Map.fetch!(options, :behaviour),
      idle_timeout: Map.get(options, :idle_timeout, :infinity),
      starter: starter,
      names: names
    }

    {:ok, face} = Face.start_link(pool)
    {:ok, %{pool | face: face}}
  end

  @impl true
  def handle_call({:msg_envelope, _, :call, recipient, settings, message} = envelope, from, pool) do
    {:settings, _, spawn?, _, _, _, _} = settings

    case {find(pool, ref(recipient), spawn?), message} do
      {nil, _} ->
        {:reply, {:nack, :not_registered}, pool}

      {pid, {:s, :kill!, _, options}} when is_list(options) ->
        if options[:restart] == false do
          {:reply, kill(pool, pid), pool}
        else
          {:noreply, forward(pid, from, envelope, pool)}
        end

      {pid, _} ->
        {:noreply, forward(pid, from, envelope, pool)}
    end
  end

  def handle_call(:which_children, _from, pool) do
    face =
      {{:worker_supervisor, 1}, pool.face, :supervisor, [Noizu.AdvancedPool.WorkerSupervisor]}

    segment =
      {{:segment, 0}, pool.starter, :supervisor, [Noizu.AdvancedPool.WorkerSupervisor.Segment]}

    {:reply, [face, segment], pool}
  end

  def handle_call(:count_children, _from, pool) do
    {:reply, [specs: 2, active: 2, supervisors: 2, workers: 0], pool}
  end

  @impl true
  def handle_cast({:msg_envelope, _, :cast, recipient, settings, _message} = envelope, pool) do
    {:settings, _, spawn?, _, _, _, _} = settings
    pid = find(pool, ref(recipient), spawn?)
    if pid, do: GenServer.cast(pid, envelope)
    {:noreply, pool}
  end

  @impl true
  def handle_info(_message, pool), do: {:noreply, pool}

  @doc false
  def find(pool, ref, spawn?) do
    case Registry.lookup(pool.names, ref) do
      [{pid, _}] -> pid
      [] when spawn? -> start_worker(pool, ref)
      [] -> nil
    end
  end

  defp start_worker(pool, ref) do
    case DynamicSupervisor.start_child(pool.starter, {Worker, {pool, ref}}) do
      {:ok, pid} -> pid
      {:error, {:already_started, pid}} -> pid
    end
  end

  defp kill(pool, pid) do
    _ = DynamicSupervisor.terminate_child(pool.starter, pid)
    :ok
  end

  defp ref({:link, _, _, ref}), do: ref
  defp ref({:ref, _, _} = ref), do: ref

  # The caller monitors the pool, not the worker; it is told of the worker's end
  # by the message that its monitor would have sent.
  defp forward(pid, {caller, [:alias | alias_ref]} = from, envelope, pool) do
    spawn(fn ->
      monitor = Process.monitor(pid)
      watch = Process.monitor(caller)
      send(pid, {:"$gen_call", from, envelope})

      receive do
        {:DOWN, ^monitor, :process, _, reason} ->
          send(alias_ref, {:DOWN, alias_ref, :process, {pool.name, node()}, reason})

        {:DOWN, ^watch, :process, _, _} ->
          :ok
      after
        60_000 -> :ok
      end
    end)

    pool
  end
end

defmodule CNode.ReferencePool.Face do
  @moduledoc "The calls of DynamicSupervisor, `start_child` once per ref."
  use GenServer

  alias CNode.ReferencePool

  def start_link(pool), do: GenServer.start_link(__MODULE__, pool)

  @impl true
  def init(pool), do: {:ok, pool}

  @impl true
  def handle_call({:start_child, {{_module, :start_link, [ref | _]}, _, _, _, _}}, _from, pool) do
    {:reply, {:ok, ReferencePool.find(pool, ref, true)}, pool}
  end

  def handle_call({:terminate_child, pid}, _from, pool) do
    {:reply, DynamicSupervisor.terminate_child(pool.starter, pid), pool}
  end

  def handle_call(:which_children, _from, pool) do
    children = DynamicSupervisor.which_children(pool.starter)
    {:reply, for({id, pid, type, _} <- children, do: {id, pid, type, [pool.worker]}), pool}
  end

  def handle_call(:count_children, _from, pool) do
    # The list is what crosses; DynamicSupervisor makes the map at the caller.
    {:reply, Map.to_list(DynamicSupervisor.count_children(pool.starter)), pool}
  end
end

defmodule CNode.ReferencePool.Worker do
  @moduledoc "A worker: recipient check, the calls that all understand, then the behaviour's."
  use GenServer, restart: :permanent, shutdown: 5_000

  def start_link({pool, ref}) do
    GenServer.start_link(__MODULE__, {pool, ref}, name: {:via, Registry, {pool.names, ref}})
  end

  @impl true
  def init({pool, ref}) do
    {:ok, %{pool: pool, ref: ref, user: new(pool.behaviour)}, pool.idle_timeout}
  end

  @impl true
  def handle_call({:msg_envelope, _, _, recipient, _, {:s, call, _, _} = message}, _from, state) do
    case check(recipient, state.ref) do
      :ok -> handle(call, message, state)
      error -> {:reply, error, state, state.pool.idle_timeout}
    end
  end

  def handle_call(call, _from, state), do: handle(call, call, state)

  @impl true
  def handle_cast({:msg_envelope, _, _, recipient, _, {:s, call, _, _}}, state) do
    if check(recipient, state.ref) == :ok, do: act(call, state), else: noreply(state)
  end

  def handle_cast(call, state), do: act(call, state)

  @impl true
  def handle_info(:timeout, state), do: {:stop, {:shutdown, :idle}, state}
  def handle_info({:msg_envelope, _, _, _, _, _} = envelope, s), do: handle_cast(envelope, s)
  def handle_info(call, state), do: act(call, state)

  defp check({:link, _, _, recipient}, ref), do: check(recipient, ref)
  defp check(ref, ref), do: :ok
  defp check({:ref, _, _}, _ref), do: {:nz_ap_forward, nil}
  defp check(_other, _ref), do: {:error, :message_delivery_error}

  defp handle(:ping, _, state), do: reply(:pong, state)
  defp handle(:hibernate, _, state), do: {:reply, :ok, state, :hibernate}
  defp handle(:persist!, _, state), do: reply(:not_supported, state)
  defp handle(:kill!, _, state), do: {:stop, :shutdown, :ok, state}

  defp handle(:crash!, _, state) do
    {:stop, {:bad_return_value, "User Initiated Crash"}, state}
  end

  defp handle({:fetch, :process}, _, state), do: reply({state.ref, node(), self()}, state)

  defp handle({:fetch, :state}, _, state) do
    wrapped = %{
      __struct__: Noizu.AdvancedPool.Worker.State,
      identifier: state.ref,
      handler: state.pool.worker,
      status: :loaded,
      status_info: nil,
      worker: shown(state.pool.behaviour, state.user),
      aux: nil,
      book_keeping: nil,
      vsn: 1.0
    }

    reply(wrapped, state)
  end

  defp handle(call, message, state) do
    case behave(state.pool.behaviour, call, state.user) do
      {reply, user} -> reply(reply, %{state | user: user})
      :unhandled -> reply({:unhandled, message}, state)
    end
  end

  # The user's calls do the same as casts, without the reply.
  defp act(call, state) do
    case behave(state.pool.behaviour, call, state.user) do
      {_reply, user} -> noreply(%{state | user: user})
      :unhandled -> noreply(state)
    end
  end

  defp reply(reply, state), do: {:reply, reply, state, state.pool.idle_timeout}
  defp noreply(state), do: {:noreply, state, state.pool.idle_timeout}

  defp new("counter"), do: 0
  defp new("kv"), do: %{}
  defp new("echo"), do: nil

  defp shown("counter", count), do: %{count: count}
  defp shown(_behaviour, user), do: user

  defp behave("counter", :increment, count), do: {count + 1, count + 1}
  defp behave("counter", {:add, n}, count) when is_integer(n), do: {{:ok, count + n}, count + n}
  defp behave("counter", :get, count), do: {count, count}
  defp behave("kv", {:put, key, value}, map), do: {:ok, Map.put(map, key, value)}
  defp behave("kv", {:get, key}, map), do: {Map.fetch(map, key), map}
  defp behave("kv", {:delete, key}, map), do: {:ok, Map.delete(map, key)}
  defp behave("kv", :keys, map), do: {Map.keys(map), map}
  defp behave("echo", term, user), do: {term, user}
  defp behave(_behaviour, _call, _user), do: :unhandled
end
