# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Pool do
  @moduledoc """
  A pool of workers that live in C, as an Elixir module.

      defmodule Demo.Counters do
        use CNode.Pool, nodes: [:"c1@127.0.0.1"]
      end

      Demo.Counters.s_call!(123, :increment)   #=> 1, starting the worker
      Demo.Counters.s_call(123, {:add, 5})     #=> {:ok, 6}
      Demo.Counters.s_cast!(123, :increment)   #=> :ok
      Demo.Counters.ping(123)                  #=> {:ok, true}

  Works as it stands; `Demo.Counters.PoolSupervisor.start_link(context)` and
  `Demo.Counters.WorkerSupervisor.spec(Demo.Counters, context)` are there too.
  Under a supervisor, `children = [Demo.Counters]` or
  `[{Demo.Counters, nodes: [...]}]`, it also keeps its nodes connected
  (`CNode.Connector`); options given there win over those of `use`.

  ## Options

    * `:nodes` - the nodes that host the pool. Needed here or at start.
    * `:pool` - the pool's name in the configuration of the nodes; the module
      itself by default.
    * `:worker` - the module in its workers' refs, `<pool>.Worker` by default.
    * `:timeout` - of calls, in milliseconds or `:infinity`; 60 000.
    * `:cast_timeout` - what a cast's envelope says; 5 000.
    * `:connect_timeout` - how long start waits for the first dials; 5 000.
    * `:host` - at start only: host workers of the pool on this BEAM too, `true` or
      a list of options of `CNode.Host`. The node's name is to be among `:nodes`, here
      and at all others.
    * `:scope` - the scope of [syn](https://github.com/ostinelli/syn) that has the
      workers, `<pool>.Registry` by default; `nil`: syn is not used. Matters only
      where syn is on the code path: see below.

  ## Who is called, and where

  A worker is named by its id (any term), by its ref `{:ref, worker, id}`, or by
  a link from `c:get_direct_link!/3`. A ref has one home: of the connected nodes
  of the pool, the one with the highest hash of node and ref. All callers that
  see the same nodes agree on it. When a node joins or leaves, only refs whose
  home it is move; workers are not moved with them by this function.

  With syn on the code path, the connector starts syn and adds this node to the
  scope. A worker that is registered there (`registry: "syn"` in the
  configuration of its pool) is where syn says: its node is its home, and links
  and `CNode.Registry` find it without a round trip. What syn does not know is
  looked for as ever.

  Without syn the home of a ref is the same for all callers whatever its node is
  doing: while that is locked or offline its new refs get `{:error, :unavailable}`.
  With syn a new worker is placed on a node that takes some.

  `context` goes to the worker as it is, and so do `options`, a keyword list or
  a map. Some of them also mean something on the way:

    * `:timeout` - of the call, in milliseconds or `:infinity`.
    * `:safe` - `true`: a call gives `{:error, {:exit, reason}}` instead of an exit.
    * `:ack?` - `true`: of a cast; the caller gets `{:ack, :process, identifier}` when
      it was handled.
    * `:sticky?` - the node that is asked is preferred for a new worker: `true`, or the
      health that it must have.

  ## What can go wrong

  | situation | answer |
  | --- | --- |
  | worker absent and not to be started | `{:nack, :not_registered}` |
  | no node of the pool can be reached | `{:error, :unavailable}` |
  | a ref or link of another pool | `{:error, {:unsupported, it}}` |
  | the pool is not on that node, or a link's worker is gone | exit `{:noproc, {GenServer, :call, _}}` |
  | the worker ends during the call | exit `{its reason, {GenServer, :call, _}}` |
  | the node is lost during the call | exit `{{:nodedown, node}, {GenServer, :call, _}}` |
  | no answer in time | exit `{:timeout, {GenServer, :call, _}}` |
  """

  alias CNode.{Options, Telemetry}

  @type id :: term()
  @type target :: id() | :cnode_pool.ref() | :cnode_pool.worker_link()
  @type context :: term()
  @type options :: keyword() | map() | nil
  @type failure :: {:nack, :not_registered} | {:error, term()}

  @doc "Sends `message` and gives the worker's reply as it is. Does not start the worker. Blocks the caller until the reply or the time-out."
  @callback s_call(target(), message :: term(), context(), options()) :: term()

  @doc "As `c:s_call/4`, and starts the worker if it is absent."
  @callback s_call!(target(), message :: term(), context(), options()) :: term()

  @doc "Sends `message` if the worker is there; to know that, it blocks the caller for a round trip to the pool (never for the worker)."
  @callback s_cast(target(), message :: term(), context(), options()) :: :ok | failure()

  @doc "Sends `message`, which starts the worker if it is absent. Blocks nobody."
  @callback s_cast!(target(), message :: term(), context(), options()) :: :ok | failure()

  @doc """
  `:process` gives `{:ok, {pid, node}}`, `:state` the state that the worker's
  behaviour shows; anything else is up to the behaviour. Starts the worker.
  """
  @callback fetch(target(), what :: :process | :state | term(), context(), options()) :: term()

  @doc "Whether the worker answers. Does not start it, never exits."
  @callback ping(target(), context(), options()) :: {:ok, boolean()}

  @doc """
  Ends the worker for good: its restart rule does not bring it back, the next
  call that spawns does. Monitors see `:shutdown`.
  """
  @callback kill!(target(), context(), options()) :: :ok | failure()

  @doc "Makes the worker crash, for tests; the caller exits with the worker's reason and the restart rule applies."
  @callback crash!(target(), context(), options()) :: failure() | no_return()

  @doc "Asks the worker to use as little memory as it can until its next message."
  @callback hibernate(target(), context(), options()) :: term()

  @doc "Has the worker write its state to the pool's store; `:not_supported` without one."
  @callback persist!(target(), context(), options()) :: term()

  @doc "Has the worker read its state anew."
  @callback reload!(target(), context(), options()) :: term()

  @doc """
  `{:link, node, pid, ref}` for calls that go straight to the worker, without a
  look-up; `{:link, nil, nil, ref}` when it is absent. A link ends with its
  worker: a call through it then exits with `:noproc`.
  """
  @callback get_direct_link!(target(), context(), options()) ::
              :cnode_pool.worker_link() | failure()

  @doc "Whether the worker is there, on whichever node; wakes nobody."
  @callback alive?(target()) :: boolean()

  @doc "The worker's pid, `nil` when it is absent; wakes nobody."
  @callback whereis(target()) :: pid() | nil

  @doc """
  The pool takes workers: on all its nodes, or on those of `nodes: [...]` in the
  options. `{:error, %{node => reason}}` names those where it did not work.
  """
  @callback bring_online(context(), options()) :: :ok | {:error, %{node() => term()}}

  @doc "It starts no more workers there, and those that run are ended, in slices."
  @callback take_offline(context(), options()) :: :ok | {:error, %{node() => term()}}

  @doc "Nothing new is placed there; what runs goes on. Locked already: `:already_locked`."
  @callback lock(context(), options()) :: :ok | {:error, %{node() => term()}}

  @doc "The end of a `c:lock/2`; not locked: `:not_locked`."
  @callback release(context(), options()) :: :ok | {:error, %{node() => term()}}

  @doc "How the pool stands on each of its nodes: status, condition, health, workers, ..."
  @callback service_status(context(), options()) :: %{node() => map() | {:error, term()}}

  @doc "Workers in all, and on each node by supervisor and segment."
  @callback count(options()) :: %{
              total: non_neg_integer(),
              nodes: %{node() => map() | {:error, term()}}
            }

  @doc "A stream of all workers, as maps with `:ref`, `:pid`, `:node`, `:status`, ...; asked for in pages of `:limit`."
  @callback workers(options()) :: Enumerable.t()

  @doc "AdvancedPool's health report of each node, with all pools of it. `rebuild: true` counts anew."
  @callback health_report(context(), options()) :: %{node() => map() | {:error, term()}}

  @doc "One more worker supervisor on a node. The specification is AdvancedPool's; it says nothing that is needed here."
  @callback add_worker_supervisor(node(), spec :: term()) :: {:ok, pid()} | {:error, term()}

  @doc "It goes; its workers live on."
  @callback remove_worker_supervisor(pid()) :: :ok | {:error, term()}

  defmacro __using__(options) do
    quote bind_quoted: [options: options], location: :keep do
      @behaviour CNode.Pool
      @cnode_options options
      @cnode_pool CNode.Pool.new!(__MODULE__, options)

      @doc "The pool as `:cnode_pool` takes it: how it was started, else as compiled."
      @spec __pool__() :: :cnode_pool.pool()
      def __pool__, do: :persistent_term.get({CNode.Pool, __MODULE__}, @cnode_pool)

      @doc "Starts the `CNode.Connector` of this pool; options win over those of `use`."
      @spec start_link(keyword()) :: GenServer.on_start()
      def start_link(options \\ []) do
        CNode.Pool.start_link(__MODULE__, @cnode_options, options)
      end

      @doc false
      @spec child_spec(keyword()) :: Supervisor.child_spec()
      def child_spec(options) do
        %{id: __MODULE__, start: {__MODULE__, :start_link, [options]}}
      end

      @impl CNode.Pool
      def s_call(target, message, context \\ nil, options \\ nil) do
        CNode.Pool.call(__pool__(), target, message, false, context, options)
      end

      @impl CNode.Pool
      def s_call!(target, message, context \\ nil, options \\ nil) do
        CNode.Pool.call(__pool__(), target, message, true, context, options)
      end

      @impl CNode.Pool
      def s_cast(target, message, context \\ nil, options \\ nil) do
        CNode.Pool.cast(__pool__(), target, message, false, context, options)
      end

      @impl CNode.Pool
      def s_cast!(target, message, context \\ nil, options \\ nil) do
        CNode.Pool.cast(__pool__(), target, message, true, context, options)
      end

      @impl CNode.Pool
      def fetch(target, what, context \\ nil, options \\ nil) do
        CNode.Pool.ask(__pool__(), :fetch, [target, what], context, options)
      end

      @impl CNode.Pool
      def ping(target, context \\ nil, options \\ nil) do
        CNode.Pool.ask(__pool__(), :ping, [target], context, options)
      end

      @impl CNode.Pool
      def kill!(target, context \\ nil, options \\ nil) do
        CNode.Pool.ask(__pool__(), :kill, [target], context, options)
      end

      @impl CNode.Pool
      def crash!(target, context \\ nil, options \\ nil) do
        CNode.Pool.ask(__pool__(), :crash, [target], context, options)
      end

      @impl CNode.Pool
      def hibernate(target, context \\ nil, options \\ nil) do
        CNode.Pool.ask(__pool__(), :hibernate, [target], context, options)
      end

      @impl CNode.Pool
      def persist!(target, context \\ nil, options \\ nil) do
        CNode.Pool.ask(__pool__(), :persist, [target], context, options)
      end

      @impl CNode.Pool
      def reload!(target, context \\ nil, options \\ nil) do
        CNode.Pool.ask(__pool__(), :reload, [target], context, options)
      end

      @impl CNode.Pool
      def get_direct_link!(target, context \\ nil, options \\ nil) do
        CNode.Pool.ask(__pool__(), :link, [target], context, options)
      end

      @impl CNode.Pool
      def whereis(target), do: CNode.Pool.whereis(__pool__(), target)

      @impl CNode.Pool
      def alive?(target), do: whereis(target) != nil

      @impl CNode.Pool
      def bring_online(_context \\ nil, options \\ nil) do
        CNode.Pool.Operations.each(__pool__(), :online, options)
      end

      @impl CNode.Pool
      def take_offline(_context \\ nil, options \\ nil) do
        CNode.Pool.Operations.each(__pool__(), :offline, options)
      end

      @impl CNode.Pool
      def lock(_context \\ nil, options \\ nil) do
        CNode.Pool.Operations.each(__pool__(), :lock, options)
      end

      @impl CNode.Pool
      def release(_context \\ nil, options \\ nil) do
        CNode.Pool.Operations.each(__pool__(), :release, options)
      end

      @impl CNode.Pool
      def service_status(_context \\ nil, options \\ nil) do
        CNode.Pool.Operations.status(__pool__(), options)
      end

      @impl CNode.Pool
      def count(options \\ nil), do: CNode.Pool.Operations.count(__pool__(), options)

      @impl CNode.Pool
      def workers(options \\ nil), do: CNode.Pool.Operations.workers(__pool__(), options)

      @impl CNode.Pool
      def health_report(_context \\ nil, options \\ nil) do
        CNode.Pool.Operations.health(__pool__(), options)
      end

      @impl CNode.Pool
      def add_worker_supervisor(node, _spec \\ nil) do
        CNode.Pool.Operations.add_worker_supervisor(__pool__(), node)
      end

      @impl CNode.Pool
      def remove_worker_supervisor(supervisor) do
        CNode.Pool.Operations.remove_worker_supervisor(__pool__(), supervisor)
      end

      defoverridable CNode.Pool

      pool_module = __MODULE__

      # As AdvancedPool's documents have them.
      defmodule PoolSupervisor do
        @moduledoc "Starts the pool on this node: `start_link(context)`."
        @pool pool_module
        @doc "As `start_link/0` of the pool itself; the context is not needed."
        @spec start_link(CNode.Pool.context()) :: GenServer.on_start()
        def start_link(_context \\ nil), do: @pool.start_link()
      end

      defmodule WorkerSupervisor do
        @moduledoc "What `add_worker_supervisor/2` takes."
        @doc "The specification of one more worker supervisor of a pool."
        @spec spec(module(), CNode.Pool.context()) :: Supervisor.child_spec()
        def spec(pool, context \\ nil) do
          %{
            id: make_ref(),
            type: :supervisor,
            start: {Noizu.AdvancedPool.WorkerSupervisor, :start_link, [pool, context, []]}
          }
        end
      end
    end
  end

  @doc false
  @spec new!(module(), keyword()) :: :cnode_pool.pool()
  def new!(module, options) do
    given = Options.validate!(options, table(module), inspect(module))

    :cnode_pool.new(%{
      name: given.pool,
      nodes: given.nodes,
      worker: given.worker || Module.concat(given.pool, Worker),
      connector: Module.concat(module, Connector),
      scope:
        if(given.scope == :default, do: Module.concat(given.pool, Registry), else: given.scope),
      timeout: given.timeout,
      cast_timeout: given.cast_timeout,
      caller: &GenServer.call/3
    })
  end

  @doc false
  @spec start_link(module(), keyword(), keyword()) :: Supervisor.on_start()
  def start_link(module, compiled, given) do
    if not Keyword.keyword?(given) do
      raise ArgumentError, "#{inspect(module)}: expected a keyword list, got #{inspect(given)}"
    end

    {host, options} = compiled |> Keyword.merge(given) |> Keyword.pop(:host, false)
    pool = new!(module, options)

    if pool.nodes == [] do
      raise ArgumentError,
            "#{inspect(module)}: option :nodes is missing: expected " <>
              "a list of node names such as [:\"c1@127.0.0.1\"]"
    end

    :persistent_term.put({CNode.Pool, module}, pool)
    connect_timeout = Keyword.get(options, :connect_timeout, 5_000)

    case host do
      false ->
        CNode.Connector.start_link(pool, connect_timeout)

      true ->
        start_host(pool, connect_timeout, [])

      host when is_list(host) ->
        start_host(pool, connect_timeout, host)

      other ->
        raise ArgumentError,
              "#{inspect(module)}: option :host: expected true, false or the options of CNode.Host, got #{inspect(other)}"
    end
  end

  # The workers first: whoever is connected finds them.
  defp start_host(pool, connect_timeout, options) do
    host = Keyword.merge([pool: pool.name, worker: pool.worker, scope: pool.scope], options)

    connector = %{
      id: CNode.Connector,
      start: {CNode.Connector, :start_link, [pool, connect_timeout]}
    }

    Supervisor.start_link([{CNode.Host, host}, connector], strategy: :one_for_one)
  end

  @doc false
  @spec whereis(:cnode_pool.pool(), target()) :: pid() | nil
  def whereis(pool, target) do
    case :cnode_pool.link(pool, target, %{}) do
      {:link, _node, pid, _ref} when is_pid(pid) -> pid
      _absent -> nil
    end
  catch
    :exit, {_reason, {GenServer, :call, _}} -> nil
  end

  defp table(module) do
    [
      nodes: {&Options.node_names?/1, [], "a list of node names such as [:\"c1@127.0.0.1\"]"},
      pool: {&Options.name?/1, module, "the pool's name, an atom"},
      worker: {&Options.name?/1, nil, "a module name"},
      scope: {&is_atom/1, :default, "the name of a scope, or nil"},
      timeout: {&Options.timeout?/1, 60_000, "milliseconds above 0 or :infinity"},
      cast_timeout: {&Options.timeout?/1, 5_000, "milliseconds above 0 or :infinity"},
      connect_timeout: {&Options.positive?/1, 5_000, "milliseconds above 0"}
    ]
  end

  @doc false
  @spec call(:cnode_pool.pool(), target(), term(), boolean(), context(), options()) :: term()
  def call(pool, target, message, spawn?, context, options) do
    opts = %{spawn: spawn?, context: context, options: options}

    Telemetry.span(:call, %{pool: pool.name, target: target, message: message}, fn ->
      :cnode_pool.call(pool, target, message, opts)
    end)
  end

  @doc false
  @spec cast(:cnode_pool.pool(), target(), term(), boolean(), context(), options()) ::
          :ok | failure()
  def cast(pool, target, message, spawn?, context, options) do
    metadata = %{pool: pool.name, target: target, message: message}
    Telemetry.event([:cast], %{count: 1}, metadata)
    opts = %{spawn: spawn?, context: context, options: options}
    :cnode_pool.cast(pool, target, message, opts)
  end

  # One of the calls that every worker understands; the message in the
  # telemetry is its name.
  @doc false
  @spec ask(:cnode_pool.pool(), atom(), [term()], context(), options()) :: term()
  def ask(pool, function, [target | _] = arguments, context, options) do
    opts = %{context: context, options: options}

    Telemetry.span(:call, %{pool: pool.name, target: target, message: function}, fn ->
      apply(:cnode_pool, function, [pool | arguments] ++ [opts])
    end)
  end
end
