# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Host do
  @moduledoc """
  A pool on this BEAM, with workers in plain Elixir (`CNode.Worker`): what the C
  node is to its pools, so that nodes of both kinds host one pool and callers do
  not see which.

      children = [{Demo.Counters, host: true}]

  or, without a `use CNode.Pool`,

      children = [{CNode.Host, pool: Demo.Counters}]

  ## Options

    * `:pool` - the pool's name. Needed.
    * `:worker` - the module in its workers' refs, `<pool>.Worker` by default.
    * `:module` - the `CNode.Worker`; by default the module in the refs.
    * `:restart` - when a worker that ended is started again: `:permanent` (the
      default), `:transient` or `:temporary`.
    * `:max` - most workers here, `:infinity` by default; a start above gets
      `{:error, :max_children}`.
    * `:idle_timeout` - a worker without a message for that long, in milliseconds,
      is stopped until its next one; 15 minutes, or `:infinity`.
    * `:segments` - processes that each supervise a fixed share of the refs; 8.
    * `:max_restarts`, `:max_seconds` - of one segment; 1000 within 5.
    * `:supervisors` - worker supervisors, as others see them; 1.
    * `:queue` - most messages that wait for one worker that is being started;
      10 000. A call above gets `{:error, :overloaded}`.
    * `:scope` - the scope of syn that gets the workers' names, `<pool>.Registry`
      by default, `nil`: none. Matters where syn is on the code path.

  ## What it does

      pool        the pool's name: routes envelopes, answers as a supervisor
      segment     owns the refs whose hash falls to it: starts, restarts, buffers
      supervisor  what others see as a DynamicSupervisor (`start_child`)

  There is one worker per ref, whoever asks first. While it starts or restarts,
  messages for its ref wait, in order; what is in the mailbox of a worker that
  fails is lost, as with any process on a BEAM. A segment whose workers fail too often
  ends with them, and its supervisor after it, as in OTP.
  """
  use Supervisor

  alias CNode.Options
  alias CNode.Host.{Face, Member, Router, Segment}

  @type t :: %__MODULE__{}
  defstruct [:pool, :worker, :module, :restart, :max, :idle_timeout, :segments, :supervisors] ++
              [:max_restarts, :max_seconds, :queue, :scope, :table, :sizes, :counts]

  @doc false
  @spec start_link(keyword()) :: Supervisor.on_start()
  def start_link(options) do
    host = new!(options)
    Supervisor.start_link(__MODULE__, host, name: name(host.pool, PoolSupervisor))
  end

  @doc false
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(options) do
    %{
      id: {__MODULE__, options[:pool]},
      start: {__MODULE__, :start_link, [options]},
      type: :supervisor
    }
  end

  defp new!(options) do
    given = Options.validate!(options, table(), inspect(__MODULE__))
    worker = given.worker || Module.concat(given.pool, Worker)
    module = given.module || worker

    if not (Code.ensure_loaded?(module) and function_exported?(module, :__cnode_worker__, 0)) do
      raise ArgumentError,
            "#{inspect(given.pool)}: expected #{inspect(module)} to be a module that says " <>
              "`use CNode.Worker`; it would do what the pool's workers do on this node"
    end

    scope = if given.scope == :default, do: Module.concat(given.pool, Registry), else: given.scope
    struct!(__MODULE__, Map.merge(given, %{worker: worker, module: module, scope: scope}))
  end

  defp table do
    [
      pool: {&Options.name?/1, :required, "the pool's name, an atom"},
      worker: {&Options.name?/1, nil, "a module name"},
      module: {&Options.name?/1, nil, "a module that says `use CNode.Worker`"},
      restart:
        {&(&1 in [:permanent, :transient, :temporary]), :permanent,
         ":permanent, :transient or :temporary"},
      max: {&Options.timeout?/1, :infinity, "a number above 0 or :infinity"},
      idle_timeout: {&Options.timeout?/1, 900_000, "milliseconds above 0 or :infinity"},
      segments: {&Options.positive?/1, 8, "a number above 0"},
      supervisors: {&Options.positive?/1, 1, "a number above 0"},
      max_restarts: {&(is_integer(&1) and &1 >= 0), 1000, "a number, 0 or above"},
      max_seconds: {&Options.positive?/1, 5, "a number above 0"},
      queue: {&Options.positive?/1, 10_000, "a number above 0"},
      scope: {&is_atom/1, :default, "the name of a scope, or nil"}
    ]
  end

  @impl true
  def init(host) do
    # Found by ref without asking anybody: {ref, pid, supervisor} of those that
    # are up; written by the segments.
    table = :ets.new(host.pool, [:set, :public, read_concurrency: true, write_concurrency: true])
    # How many of them each supervisor and segment has.
    sizes = :ets.new(host.pool, [:set, :public, write_concurrency: true])
    host = %{host | table: table, sizes: sizes, counts: :counters.new(4, [])}
    :counters.put(host.counts, 1, 1)

    segments =
      for index <- 0..(host.segments - 1) do
        Supervisor.child_spec({Segment, {host, index}}, id: {:segment, index})
      end

    faces =
      for index <- 1..host.supervisors do
        Supervisor.child_spec({Face, {host, index}}, id: {:worker_supervisor, index})
      end

    :ok = CNode.Host.Scope.open(host)
    # The router is last: what reaches it finds all that it needs.
    children = segments ++ faces ++ [{Member, host}, {Router, host}]
    Supervisor.init(children, strategy: :one_for_one, max_restarts: 3, max_seconds: 5)
  end

  # ------------------------------------------------------------- for its parts

  @doc false
  @spec name(module(), atom()) :: module()
  def name(pool, part), do: Module.concat(pool, part)

  @doc false
  @spec segment(t(), :cnode_pool.ref()) :: GenServer.name()
  def segment(host, ref), do: segment_at(host, :erlang.phash2(ref, host.segments))

  @doc false
  @spec segment_at(t(), non_neg_integer()) :: GenServer.name()
  def segment_at(host, index), do: Module.concat([host.pool, WorkerSupervisor, "Seg#{index}"])

  @doc "The worker of a ref that is up here: its pid and the supervisor it counts for; nil: none."
  @spec whereis(t(), :cnode_pool.ref()) :: {pid(), pos_integer()} | nil
  def whereis(host, ref) do
    case :ets.lookup(host.table, ref) do
      [{^ref, pid, face}] -> {pid, face}
      [] -> nil
    end
  end

  @doc false
  @spec came(t(), :cnode_pool.ref(), pid(), pos_integer(), non_neg_integer()) :: :ok
  def came(host, ref, pid, face, segment) do
    :ets.insert(host.table, {ref, pid, face})
    resize(host, face, segment, 1)
  end

  @doc false
  @spec left(t(), :cnode_pool.ref(), pid(), non_neg_integer()) :: :ok
  def left(host, ref, pid, segment) do
    case whereis(host, ref) do
      {^pid, face} ->
        :ets.delete(host.table, ref)
        resize(host, face, segment, -1)

      _ ->
        :ok
    end
  end

  defp resize(host, face, segment, by) do
    for key <- [{:supervisor, face}, {:segment, segment}] do
      :ets.update_counter(host.sizes, key, by, {key, 0})
    end

    :ok
  end

  @doc "How many workers `{:supervisor, index}` or `{:segment, index}` has."
  @spec size(t(), {:supervisor | :segment, non_neg_integer()}) :: non_neg_integer()
  def size(host, key) do
    case :ets.lookup(host.sizes, key) do
      [{^key, size}] -> size
      [] -> 0
    end
  end

  @doc false
  @spec count(t()) :: non_neg_integer()
  def count(host), do: :ets.info(host.table, :size)

  # What operators want of it: 1 online, 0 offline; locks; and what was counted.
  @state 1
  @lock 2
  @failures 3
  @dead_letters 4

  @doc false
  def online?(host), do: :counters.get(host.counts, @state) == 1
  @doc false
  def locked?(host), do: :counters.get(host.counts, @lock) == 1

  @doc false
  def set_online(host, online?),
    do: :counters.put(host.counts, @state, if(online?, do: 1, else: 0))

  @doc false
  def set_locked(host, locked?),
    do: :counters.put(host.counts, @lock, if(locked?, do: 1, else: 0))

  @doc false
  def count_failure(host), do: :counters.add(host.counts, @failures, 1)
  @doc false
  def failures(host), do: :counters.get(host.counts, @failures)
  @doc false
  def count_dead_letter(host), do: :counters.add(host.counts, @dead_letters, 1)
  @doc false
  def dead_letters(host), do: :counters.get(host.counts, @dead_letters)

  @doc "Why no worker may be started now; nil: it may."
  @spec refusal(t()) :: nil | {:error, :unavailable | :max_children}
  def refusal(host) do
    cond do
      not online?(host) -> {:error, :unavailable}
      host.max != :infinity and count(host) >= host.max -> {:error, :max_children}
      true -> nil
    end
  end
end
