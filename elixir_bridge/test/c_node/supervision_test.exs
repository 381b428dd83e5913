# SPDX-License-Identifier: Apache-2.0
defmodule CNode.SupervisionTest do
  @moduledoc "Restart rules, intensity, idle time-outs and waiting messages of pools in C."
  use ExUnit.Case, async: false

  import CNode.TestNode, only: [eventually: 1, pool_config: 1, start_c_node: 1]

  @moduletag :cnode

  defmodule Permanent do
    use CNode.Pool
  end

  defmodule Transient do
    use CNode.Pool
  end

  defmodule Temporary do
    use CNode.Pool
  end

  defmodule Idle do
    use CNode.Pool
  end

  defmodule Strict do
    use CNode.Pool
  end

  defmodule Small do
    use CNode.Pool
  end

  @pools [
    {Permanent, []},
    {Transient, worker: %{restart: "transient"}},
    {Temporary, worker: %{restart: "temporary"}},
    {Idle, worker: %{idle_timeout: "300ms"}},
    {Strict, supervisors: %{segments: 1, max_restarts: 3, max_seconds: 5}},
    {Small, worker: %{max: 10}}
  ]

  setup_all do
    pools =
      Map.new(@pools, fn {pool, options} ->
        {pool, pool_config([pool: pool, behaviour: "counter"] ++ options)}
      end)

    node = start_c_node(%{pools: pools})
    for {pool, _} <- @pools, do: start_supervised!({pool, nodes: [node.name]})
    %{node: node.name}
  end

  setup do
    %{id: System.unique_integer([:positive])}
  end

  defp worker(pool, id) do
    {:ok, {pid, _node}} = pool.fetch(id, :process)
    pid
  end

  defp crash(pool, id) do
    {{:bad_return_value, "User Initiated Crash"}, _} = catch_exit(pool.crash!(id))
  end

  defp ended(pid) do
    monitor = Process.monitor(pid)
    assert_receive {:DOWN, ^monitor, :process, ^pid, reason}, 5_000
    reason
  end

  defp segments(pool, node) do
    for {{:segment, _}, pid, :supervisor, _} <- Supervisor.which_children({pool, node}), do: pid
  end

  describe "the restart rule" do
    test "permanent comes back after a crash and after a kill", %{id: id} do
      for stop <- [&crash(Permanent, &1), &(:ok = Permanent.s_call!(&1, :kill!))] do
        old = worker(Permanent, id)
        stop.(id)
        eventually(fn -> Permanent.ping(id) == {:ok, true} end)
        assert worker(Permanent, id) != old
        assert Permanent.s_call(id, :get) == 0
      end
    end

    test "transient comes back after a crash, not after a kill", %{id: id} do
      old = worker(Transient, id)
      crash(Transient, id)
      eventually(fn -> Transient.ping(id) == {:ok, true} end)
      now = worker(Transient, id)
      assert now != old
      assert Transient.s_call!(id, :kill!) == :ok
      ended(now)
      assert Transient.s_call(id, :get) == {:nack, :not_registered}
    end

    test "temporary never comes back by itself", %{id: id} do
      pid = worker(Temporary, id)
      crash(Temporary, id)
      ended(pid)
      assert Temporary.s_call(id, :get) == {:nack, :not_registered}
      assert Temporary.s_call!(id, :increment) == 1
    end
  end

  describe "while a worker restarts" do
    test "calls wait for it: each is answered, or told of the crash", %{id: id} do
      Permanent.s_call!(id, :increment)

      callers =
        for _ <- 1..20 do
          Task.async(fn ->
            for _ <- 1..200 do
              try do
                Permanent.s_call(id, :increment)
              catch
                :exit, {reason, {GenServer, :call, _}} -> {:exit, reason}
              end
            end
          end)
        end

      for _ <- 1..30, do: crash(Permanent, id)

      answers = callers |> Task.await_many(30_000) |> List.flatten()
      strange = Enum.reject(answers, &(is_integer(&1) or crashed?(&1)))
      assert strange == []
    end

    defp crashed?({:exit, {:bad_return_value, "User Initiated Crash"}}), do: true
    defp crashed?(_), do: false

    test "casts by ref are not lost", %{id: id} do
      worker(Permanent, id)

      # Whatever is sent before the crash may die with the state, so the crash
      # is called first and the casts follow it closely.
      for n <- 1..50 do
        crash(Permanent, id)
        for _ <- 1..10, do: Permanent.s_cast!(id, :increment)
        assert {n, Permanent.s_call(id, :get)} == {n, 10}
      end
    end

    test "envelopes cast to its old pid go on to the ref", %{id: id} do
      worker(Permanent, id)
      link = Permanent.get_direct_link!(id)
      crash(Permanent, id)
      for _ <- 1..10, do: assert(Permanent.s_cast!(link, :increment) == :ok)
      eventually(fn -> Permanent.s_call(id, :get) == 10 end)
      assert {:noproc, _} = catch_exit(Permanent.s_call(link, :get))
    end
  end

  describe "too many restarts" do
    test "end the segment and its workers; it starts anew", %{node: node} do
      [segment] = segments(Strict, node)
      segment_monitor = Process.monitor(segment)
      bystander = worker(Strict, :bystander)
      monitor = Process.monitor(bystander)

      # One more than the three that are allowed.
      for _ <- 1..4 do
        worker(Strict, :crasher)
        crash(Strict, :crasher)
      end

      assert_receive {:DOWN, ^monitor, :process, ^bystander, :shutdown}, 5_000
      assert_receive {:DOWN, ^segment_monitor, :process, ^segment, :shutdown}, 5_000

      eventually(fn ->
        match?([pid] when pid != segment, segments(Strict, node))
      end)

      assert Strict.s_call!(:bystander, :increment) == 1
      assert Strict.s_call!(:crasher, :increment) == 1
    end

    test "of segments end the pool alone; it starts anew", %{id: id, node: node} do
      other = worker(Permanent, id)
      [{_, before, _, _} | _] = Supervisor.which_children({Strict, node})
      for _ <- 1..40, do: crash_if_it_runs()

      eventually(fn -> match?({:ok, _}, started(Strict, :crasher)) end)

      [{_, now, _, _} | _] = Supervisor.which_children({Strict, node})
      assert now != before
      assert worker(Permanent, id) == other
    end

    # While the whole pool restarts nobody has its name.
    defp crash_if_it_runs do
      Strict.s_call!(:crasher, :increment)
      Strict.crash!(:crasher)
    catch
      :exit, {_reason, {GenServer, :call, _}} -> :ok
    end

    defp started(pool, id) do
      {:ok, pool.s_call!(id, :increment)}
    catch
      :exit, {:noproc, {GenServer, :call, _}} -> :noproc
    end
  end

  describe "an idle worker" do
    test "ends after its time-out and starts again by its next message", %{id: id} do
      Idle.s_call!(id, {:add, 5})
      pid = worker(Idle, id)
      reason = ended(pid)
      assert reason in [:normal, :shutdown] or match?({:shutdown, _}, reason)
      assert Idle.s_call(id, :get) == {:nack, :not_registered}
      assert Idle.s_call!(id, :increment) == 1
      assert worker(Idle, id) != pid
    end

    test "does not end while it is used", %{id: id} do
      pid = worker(Idle, id)
      deadline = System.monotonic_time(:millisecond) + 1_000
      keep_busy(id, deadline)
      assert worker(Idle, id) == pid
      ended(pid)
    end

    defp keep_busy(id, deadline) do
      assert is_integer(Idle.s_call(id, :increment))
      Process.sleep(50)
      if System.monotonic_time(:millisecond) < deadline, do: keep_busy(id, deadline)
    end
  end

  test "a pool is full at its limit and says so", %{node: node} do
    for id <- 1..10, do: assert(Small.s_call!(id, :increment) == 1)
    assert Small.s_call!(11, :increment) == {:error, :max_children}
    assert Small.s_call!(1, :increment) == 2
    assert Small.kill!(1) == :ok
    eventually(fn -> Small.s_call!(11, :increment) == 1 end)
    assert node in Node.list()
  end
end
