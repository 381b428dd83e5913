# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Admin do
  @moduledoc """
  Asking and operating nodes that host pools: the process `cnode_admin`, which
  every C node has, and every BEAM on which this application runs (for the pools
  it hosts itself, `CNode.Host`).

      CNode.Admin.ask(:"c1@127.0.0.1", :status)
      CNode.Admin.ask(:"c1@127.0.0.1", {:count, Demo.Counters})

  The requests are listed in docs/administration.md of the repository; what is
  asked of a pool is better asked through the pool itself (`CNode.Pool`).
  """
  use GenServer

  alias CNode.Host
  alias CNode.Host.{Face, Router, Segment}

  @doc "The answer of a node: `{:ok, _}`, `:ok` or `{:error, reason}`; `{:error, :unavailable}` when it does not answer."
  @spec ask(node(), term(), timeout()) :: :ok | {:ok, term()} | {:error, term()}
  def ask(node, request, timeout \\ 5_000) do
    GenServer.call({:cnode_admin, node}, request, timeout)
  catch
    :exit, {:timeout, _} -> {:error, :timeout}
    :exit, {:noproc, _} -> {:error, :unavailable}
    :exit, {{:nodedown, _}, _} -> {:error, :unavailable}
    :exit, {:noconnection, _} -> {:error, :unavailable}
    :exit, {reason, {GenServer, :call, _}} -> {:error, reason}
  end

  @doc false
  @spec start_link(term()) :: GenServer.on_start()
  def start_link(_options), do: GenServer.start_link(__MODULE__, nil, name: :cnode_admin)

  @doc false
  @spec add(Host.t()) :: :ok
  def add(host) do
    {:ok, _} = Application.ensure_all_started(:cnode)
    GenServer.call(:cnode_admin, {__MODULE__, :add, host, self()})
  end

  @impl true
  def init(nil),
    do: {:ok, %{hosts: %{}, monitors: %{}, since: System.monotonic_time(:millisecond)}}

  @impl true
  def handle_call({__MODULE__, :add, host, pid}, _from, state) do
    state = put_in(state.monitors[Process.monitor(pid)], host.pool)
    {:reply, :ok, put_in(state.hosts[host.pool], host)}
  end

  # What asks a pool's processes must not wait here for one of them.
  def handle_call(request, from, state) do
    {:ok, _} = Task.start(fn -> GenServer.reply(from, safe_answer(request, state)) end)
    {:noreply, state}
  end

  @impl true
  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) do
    {pool, monitors} = Map.pop(state.monitors, monitor)
    hosts = if pool in Map.values(monitors), do: state.hosts, else: Map.delete(state.hosts, pool)
    {:noreply, %{state | monitors: monitors, hosts: hosts}}
  end

  def handle_info(_message, state), do: {:noreply, state}

  # ------------------------------------------------------------- answers

  # A request may be any term; and a pool may end while it is asked.
  defp safe_answer(request, state) do
    answer(request, state)
  rescue
    error -> {:error, {:bad_request, Exception.message(error)}}
  catch
    :exit, _reason -> {:error, :unavailable}
  end

  defp answer(request, state) do
    case request do
      one when is_atom(one) -> of_node(one, state)
      {one} when is_atom(one) -> of_node(one, state)
      {:health, _options} -> of_node(:health, state)
      {name, pool} -> of_pool(state, pool, name, [])
      {name, pool, argument} -> of_pool(state, pool, name, [argument])
      _ -> {:error, {:unknown_request, request}}
    end
  end

  defp of_node(:status, state) do
    {:ok,
     %{
       node: node(),
       version: to_string(Application.spec(:cnode, :vsn)),
       uptime_ms: System.monotonic_time(:millisecond) - state.since,
       schedulers: System.schedulers_online(),
       peers: length(Node.list(:connected)),
       pools: map_size(state.hosts),
       workers: state.hosts |> Map.values() |> Enum.map(&Host.count/1) |> Enum.sum(),
       memory: :erlang.memory(:total)
     }}
  end

  defp of_node(:pools, state), do: {:ok, state.hosts |> Map.values() |> Enum.map(&pool/1)}

  defp of_node(:health, state) do
    now = DateTime.utc_now()

    {:ok,
     %{
       __struct__: Noizu.AdvancedPool.NodeManager.HealthReport,
       worker: nil,
       subscribers: [],
       status: :ready,
       started_at: now,
       finished_at: now,
       report: Map.new(state.hosts, fn {name, host} -> {name, health(host)} end),
       book_keeping: nil,
       vsn: 1.0
     }}
  end

  defp of_node(:peers, _state) do
    visible = Node.list()

    peers =
      for peer <- Node.list(:connected),
          do: %{node: peer, state: :up, hidden: peer not in visible}

    {:ok, peers}
  end

  defp of_node(name, state) when name in [:lock, :release, :online, :offline] do
    answers = for {_name, host} <- state.hosts, do: set(host, name)
    Enum.find(answers, :ok, &(&1 == :ok))
  end

  defp of_node(request, _state), do: {:error, {:unknown_request, request}}

  defp of_pool(state, pool, name, arguments) do
    case state.hosts do
      %{^pool => host} -> ask_pool(host, name, arguments)
      _ -> {:error, :unknown_pool}
    end
  end

  defp ask_pool(host, :pool, []), do: {:ok, pool(host)}
  defp ask_pool(host, :count, []), do: {:ok, counts(host)}

  defp ask_pool(host, :whereis, [id]) do
    {:ok, with({pid, _face} <- Host.whereis(host, ref(host, id)), do: pid) || :undefined}
  end

  defp ask_pool(host, :alive, [id]), do: {:ok, Host.whereis(host, ref(host, id)) != nil}
  defp ask_pool(host, :workers, [options]), do: workers(host, options)
  defp ask_pool(host, :add_worker_supervisor, []), do: Router.add_face(host)
  defp ask_pool(host, :remove_worker_supervisor, [pid]), do: Router.remove_face(host, pid)

  defp ask_pool(host, name, []) when name in [:lock, :release, :online, :offline] do
    set(host, name)
  end

  defp ask_pool(_host, name, arguments) do
    {:error, {:unknown_request, List.to_tuple([name | arguments])}}
  end

  defp ref(%{worker: worker}, {:ref, worker, _id} = ref), do: ref
  defp ref(%{worker: worker}, id), do: {:ref, worker, id}

  defp pool(host) do
    %{
      pool: host.pool,
      status: status(host),
      condition: :online,
      health: 8.0,
      workers: Host.count(host),
      max: if(host.max == :infinity, do: nil, else: host.max),
      supervisors: length(Router.faces(host)),
      segments: host.segments,
      behaviour: host.module,
      failures: Host.failures(host),
      dead_letters: Host.dead_letters(host)
    }
  end

  defp status(host) do
    state = if Host.online?(host), do: :online, else: :offline
    if Host.locked?(host), do: {:locked, state}, else: state
  end

  defp counts(host) do
    faces = for {index, pid} <- Router.faces(host), do: {pid, Face.count(host, index)}

    %{
      total: Host.count(host),
      supervisors: faces,
      segments:
        for(index <- 0..(host.segments - 1), do: {index, Host.size(host, {:segment, index})})
    }
  end

  defp set(host, :lock) do
    if Host.locked?(host), do: {:error, :already_locked}, else: Host.set_locked(host, true)
  end

  defp set(host, :release) do
    if Host.locked?(host), do: Host.set_locked(host, false), else: {:error, :not_locked}
  end

  defp set(host, :online) do
    if Host.online?(host), do: {:error, :already_online}, else: Host.set_online(host, true)
  end

  defp set(host, :offline) do
    if Host.online?(host), do: drain(host), else: {:error, :already_offline}
  end

  defp drain(host) do
    :ok = Host.set_online(host, false)
    Enum.each(0..(host.segments - 1), &Segment.drain(Host.segment_at(host, &1)))
  end

  # What AdvancedPool's report says of a pool.
  defp health(host) do
    %{
      health: 8.0,
      workers: %{total: Host.count(host), health: 0.0, target: 50_000, low: 10_000, high: 100_000},
      worker_supervisors: %{
        total: length(Router.faces(host)),
        health: 0.0,
        target: 1,
        low: 1,
        high: 5
      },
      errors_per_second_per_worker: 0.0,
      warnings_per_second_per_worker: 0.0
    }
  end

  # ------------------------------------------------------------- paging

  # In the order of the refs, so that a walk meets each worker that lives through
  # it once, whatever comes and goes.
  defp workers(host, options) do
    options = Map.new(options)
    limit = options |> Map.get(:limit, 100) |> min(1_000) |> max(1)
    refs = host.table |> :ets.select([{{:"$1", :_, :_}, [], [:"$1"]}]) |> Enum.sort()

    rest =
      case Map.get(options, :after) do
        after_ref when is_binary(after_ref) ->
          last = :erlang.binary_to_term(after_ref, [:safe])
          Enum.drop_while(refs, &(&1 <= last))

        _ ->
          refs
      end

    {page, more} = Enum.split(rest, limit)

    {:ok,
     %{
       workers: for(ref <- page, worker = worker(host, ref), do: worker),
       next: if(more == [], do: nil, else: :erlang.term_to_binary(List.last(page))),
       total: length(refs)
     }}
  end

  defp worker(host, ref) do
    with {pid, face} <- Host.whereis(host, ref) do
      queue = with {:message_queue_len, n} <- Process.info(pid, :message_queue_len), do: n

      %{
        ref: ref,
        pid: pid,
        status: :up,
        supervisor: face,
        segment: :erlang.phash2(ref, host.segments),
        queue: queue || 0
      }
    end
  end
end
