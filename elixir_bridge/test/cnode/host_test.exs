# SPDX-License-Identifier: Apache-2.0
defmodule CNode.HostTest do
  @moduledoc "Pools on a BEAM: what workers_on_beam_test.exs, which is the same for C, does not ask."
  use ExUnit.Case, async: false

  import CNode.TestNode, only: [eventually: 1]

  defmodule Slow do
    use CNode.Worker

    @impl true
    def init({:ref, _, {:refuses, _}}, _args, _context), do: {:stop, :no_thanks}

    def init(ref, args, context) do
      if is_pid(context), do: send(context, {:init, self(), ref, args})
      if args == [:slow], do: Process.sleep(100)
      {:ok, %{log: [], owner: context}}
    end

    @impl true
    def load(state), do: {:ok, Map.update(state, :loads, 1, &(&1 + 1))}

    @impl true
    def handle_call(:log, _from, state), do: {:reply, Enum.reverse(state.log), state}
    def handle_call(:context, _from, state), do: {:reply, {context(), options()}, state}
    def handle_call(:loads, _from, state), do: {:reply, state.loads, state}

    def handle_call(:later, from, state) do
      Process.send_after(self(), {:answer, from}, 10)
      {:noreply, state}
    end

    @impl true
    def handle_cast({:note, what}, state), do: {:noreply, %{state | log: [what | state.log]}}
    def handle_cast(:fail, _state), do: exit(:failed)

    @impl true
    def handle_info({:answer, from}, state) do
      GenServer.reply(from, :at_last)
      {:noreply, state}
    end

    @impl true
    def terminate(reason, state) do
      if is_pid(state.owner), do: send(state.owner, {:terminated, self(), reason})
    end

    @impl true
    def offload(state), do: if(:busy in state.log, do: :wait, else: :ok)
  end

  defmodule Pool do
    use CNode.Pool, worker: CNode.HostTest.Slow
  end

  setup context do
    options = Keyword.merge([scope: nil], context[:host] || [])
    start_supervised!({Pool, nodes: [node()], scope: nil, host: options})
    %{id: System.unique_integer([:positive])}
  end

  test "messages wait for a slow start, in order, and keep nobody else waiting", %{id: id} do
    [{_, face} | _] = faces()
    ref = {:ref, Slow, {id, :slow}}
    spec = {{Slow, :start_link, [ref, [[:slow]], self()]}, :permanent, 5000, :worker, [Slow]}
    starter = Task.async(fn -> GenServer.call(face, {:start_child, spec}) end)
    assert_receive {:init, pid, ^ref, [:slow]}
    for n <- 1..20, do: Pool.s_cast!(ref, {:note, n})
    assert Pool.s_call!({id, :other}, :log) == []
    assert Pool.s_call!(ref, :log) == Enum.to_list(1..20)
    assert Task.await(starter) == {:ok, pid}
  end

  test "context and options reach init and the handlers", %{id: id} do
    assert Pool.s_call!(id, :context, self(), colour: :red) == {self(), [colour: :red]}
    ref = {:ref, Slow, id}
    assert_received {:init, _pid, ^ref, []}
    assert Pool.s_call!(id, :context) == {nil, nil}
  end

  test "load runs once before the first message, and again for reload!", %{id: id} do
    assert Pool.s_call!(id, :loads) == 1
    assert Pool.reload!(id) == :ok
    assert Pool.s_call!(id, :loads) == 2
  end

  test "an answer may come later", %{id: id} do
    assert Pool.s_call!(id, :later) == :at_last
  end

  test "who wanted a worker that does not start is told why", %{id: id} do
    assert Pool.s_call!({:refuses, id}, :log) == {:error, :no_thanks}
    assert Pool.ping({:refuses, id}) == {:ok, false}
  end

  test "a worker that fails comes back under its ref; terminate has run", %{id: id} do
    Pool.s_call!(id, :log, self())
    pid = Pool.whereis(id)
    monitor = Process.monitor(pid)
    Pool.s_cast!(id, :fail)
    assert_receive {:terminated, ^pid, :failed}
    assert_receive {:DOWN, ^monitor, :process, ^pid, :failed}
    assert Pool.s_call!(id, :log) == []
    assert Pool.whereis(id) != pid
  end

  @tag host: [idle_timeout: 50]
  test "an idle worker is stopped, unless it says wait", %{id: id} do
    Pool.s_call!(id, :log, self())
    Pool.s_cast!({id, 2}, {:note, :busy})
    pid = Pool.whereis(id)
    assert_receive {:terminated, ^pid, {:shutdown, :inactive}}, 2_000
    assert eventually(fn -> not Pool.alive?(id) end)
    assert Pool.alive?({id, 2})
  end

  @tag host: [max: 2]
  test "above its most workers a start is refused", %{id: id} do
    assert Pool.s_call!({id, 1}, :log) == []
    assert Pool.s_call!({id, 2}, :log) == []
    assert Pool.s_call!({id, 3}, :log) == {:error, :max_children}
    assert Pool.s_call!({id, 1}, :log) == []
  end

  @tag host: [max_restarts: 2, max_seconds: 60, segments: 1]
  @tag capture_log: true
  test "too many failures end the segment, and it starts again", %{id: id} do
    segment = Process.whereis(Module.concat([Pool, WorkerSupervisor, Seg0]))
    Pool.s_call!({id, :bystander}, :log)
    monitor = Process.monitor(segment)
    # One at a time: what else is in the mailbox of one that fails is gone.
    for _ <- 1..3, do: fail(id)
    assert_receive {:DOWN, ^monitor, :process, ^segment, :shutdown}, 5_000
    assert eventually(fn -> safely(fn -> Pool.s_call!(id, :log) end) == [] end)
    refute Pool.alive?({id, :bystander})
  end

  @tag host: [max_restarts: 1, max_seconds: 60, segments: 1]
  @tag capture_log: true
  test "a call that meets a segment on its way out is refused, not forgotten", %{id: id} do
    callers =
      for n <- 1..20 do
        Task.async(fn ->
          for m <- 1..50,
              do: safely(fn -> Pool.s_call!({id, n, m}, :log, nil, timeout: 10_000) end)
        end)
      end

    for _ <- 1..4 do
      Pool.s_cast!(id, :fail)
      safely(fn -> Pool.s_call!(id, :log, nil, timeout: 10_000) end)
    end

    for task <- callers, answer <- Task.await(task, 20_000) do
      assert answer in [[], {:error, :unavailable}, :exited]
    end
  end

  test "what nobody should send harms nobody", %{id: id} do
    Pool.s_call!(id, :log)
    [{_, face} | _] = faces()
    pid = Pool.whereis(id)

    {:msg_envelope, me, type, ref, settings, _} = envelope({:ref, Slow, id}, :any)
    improper = {:msg_envelope, me, type, ref, settings, {:s, :kill!, nil, [:not | :proper]}}
    assert GenServer.call(Pool, improper) == :ok
    assert GenServer.call(face, {:terminate_child, :_}) == {:error, :not_found}

    for options <- [:_, 7, %{limit: 2.5}, %{limit: [], after: "x"}, [1 | 2]] do
      assert match?(
               {tag, _} when tag in [:ok, :error],
               CNode.Admin.ask(node(), {:workers, Pool, options})
             )
    end

    refute Process.alive?(pid)
  end

  @tag host: [segments: 1]
  test "counts are true after a segment was killed", %{id: id} do
    for n <- 1..10, do: Pool.s_call!({id, n}, :log)
    segment = Process.whereis(Module.concat([Pool, WorkerSupervisor, Seg0]))
    assert %{total: 10, nodes: nodes} = Pool.count()
    assert [%{segments: [{0, 10}], supervisors: [{_, 10}]}] = Map.values(nodes)
    workers = for n <- 1..10, do: Process.monitor(Pool.whereis({id, n}))
    Process.exit(segment, :kill)
    for monitor <- workers, do: assert_receive({:DOWN, ^monitor, :process, _, _})

    assert eventually(fn ->
             match?(%{total: 0}, Pool.count()) and
               Process.whereis(segment_name()) not in [nil, segment]
           end)

    refute Pool.alive?({id, 1})
    assert Pool.s_call!({id, 1}, :log) == []
    assert %{total: 1} = Pool.count()
  end

  defp segment_name, do: Module.concat([Pool, WorkerSupervisor, Seg0])

  test "a queue that is full refuses", %{id: id} do
    stop_supervised!(Pool)
    start_supervised!({Pool, nodes: [node()], scope: nil, host: [scope: nil, queue: 3]})
    [{_, face} | _] = faces()
    ref = {:ref, Slow, id}
    spec = {{Slow, :start_link, [ref, [[:slow]], self()]}, :permanent, 5000, :worker, [Slow]}
    starter = Task.async(fn -> GenServer.call(face, {:start_child, spec}) end)
    assert_receive {:init, _pid, ^ref, [:slow]}
    for n <- 1..3, do: Pool.s_cast!(ref, {:note, n})
    assert Pool.s_call!(ref, :log) == {:error, :overloaded}
    Task.await(starter)
    assert Pool.s_call!(ref, :log) == [1, 2, 3]
  end

  test "a wrong recipient and what is no ref", %{id: id} do
    Pool.s_call!(id, :log)
    pid = Pool.whereis(id)
    other = {:ref, Slow, {:not, id}}
    assert GenServer.call(pid, envelope(other, :log)) == {:nz_ap_forward, nil}
    assert GenServer.call(pid, envelope(:nobody, :log)) == {:error, :message_delivery_error}
    assert GenServer.call(Pool, envelope({:ref, Elsewhere, 1}, :log)) == {:nz_ap_forward, nil}
  end

  test "start_child of anything else is refused" do
    [{_, face} | _] = faces()

    assert {:error, {:invalid_child_spec, _}} =
             DynamicSupervisor.start_child(face, {Agent, fn -> 1 end})

    assert {:error, {:unsupported, _}} = GenServer.call(face, :nonsense)
    assert {:error, {:invalid_child_spec, 7}} = GenServer.call(Pool, {:start_child, 7})
  end

  defp fail(id) do
    Pool.s_call!(id, :log)
    worker = Process.monitor(Pool.whereis(id))
    Pool.s_cast!(id, :fail)
    assert_receive {:DOWN, ^worker, :process, _, :failed}
  end

  defp faces do
    for {{:worker_supervisor, i}, pid, _, _} <- Supervisor.which_children(Pool), do: {i, pid}
  end

  defp envelope(recipient, message) do
    settings = {:settings, nil, true, nil, nil, nil, 5_000}
    {:msg_envelope, {self(), 0}, :call, recipient, settings, {:s, message, nil, nil}}
  end

  defp safely(fun) do
    fun.()
  catch
    :exit, _ -> :exited
  end
end
