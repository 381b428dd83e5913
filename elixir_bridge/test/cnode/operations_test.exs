# SPDX-License-Identifier: Apache-2.0
defmodule CNode.OperationsTest do
  @moduledoc "Asking and operating a pool, on nodes of both kinds."
  use ExUnit.Case, async: false

  import CNode.TestNode, only: [eventually: 1]

  for kind <- [:beam, :c] do
    describe "on #{kind}" do
      @describetag kind: kind
      if kind == :c, do: @describetag(:cnode)

      setup %{kind: kind} do
        pool = Module.concat(__MODULE__, "P#{System.unique_integer([:positive])}")
        defpool(pool)
        node = CNode.TestNode.start_pool_node(kind, pool: pool, behaviour: "counter")
        start_supervised!({pool, nodes: [node.name]})
        %{pool: pool, node: node.name}
      end

      test "counts by node, supervisor and segment", %{pool: pool, node: node} do
        assert pool.count().total == 0
        for n <- 1..50, do: pool.s_call!(n, :increment)
        assert %{total: 50, nodes: %{^node => count}} = pool.count()
        assert count.supervisors |> Enum.map(&elem(&1, 1)) |> Enum.sum() == 50
        assert count.segments |> Enum.map(&elem(&1, 1)) |> Enum.sum() == 50
      end

      test "lists all workers, page by page", %{pool: pool, node: node} do
        for n <- 1..50, do: pool.s_call!(n, :increment)
        workers = Enum.to_list(pool.workers(limit: 7))
        ids = for %{ref: {:ref, _, id}, node: ^node} <- workers, do: id
        assert Enum.sort(ids) == Enum.to_list(1..50)
      end

      test "tells who is alive, and wakes nobody", %{pool: pool} do
        refute pool.alive?(1)
        assert pool.whereis(1) == nil
        pool.s_call!(1, :increment)
        assert pool.alive?(1)
        assert {:ok, {pid, _}} = pool.fetch(1, :process)
        assert pool.whereis(1) == pid
        assert pool.count().total == 1
      end

      test "lock and release", %{pool: pool, node: node} do
        assert pool.release() == {:error, %{node => :not_locked}}
        assert pool.lock() == :ok
        assert pool.lock() == {:error, %{node => :already_locked}}
        assert %{^node => %{status: {:locked, :online}}} = pool.service_status()
        assert pool.release() == :ok
        assert %{^node => %{status: :online}} = pool.service_status()
      end

      test "offline ends the workers and starts none, online does again", %{
        pool: pool,
        node: node
      } do
        for n <- 1..20, do: pool.s_call!(n, :increment)
        assert pool.take_offline() == :ok
        assert pool.take_offline() == {:error, %{node => :already_offline}}
        assert eventually(fn -> pool.count().total == 0 end)
        assert pool.s_call!(1, :get) == {:error, :unavailable}
        assert %{^node => %{status: :offline}} = pool.service_status()
        assert pool.bring_online(nil, nodes: [node]) == :ok
        assert pool.s_call!(1, :get) == 0
      end

      test "worker supervisors come and go", %{pool: pool, node: node} do
        spec = Module.concat(pool, WorkerSupervisor).spec(pool, nil)
        assert {:ok, pid} = pool.add_worker_supervisor(node, spec)
        assert node(pid) == node
        assert length(pool.count().nodes[node].supervisors) == 2
        assert pool.remove_worker_supervisor(pid) == :ok
        assert pool.remove_worker_supervisor(pid) == {:error, :not_found}
        assert length(pool.count().nodes[node].supervisors) == 1

        # The way of AdvancedPool itself, to the pool's supervisor.
        assert {:ok, other} = Supervisor.start_child({pool, node}, spec)
        assert length(pool.count().nodes[node].supervisors) == 2
        assert pool.remove_worker_supervisor(other) == :ok
      end

      test "a health report", %{pool: pool, node: node} do
        pool.s_call!(1, :increment)
        assert %{^node => report} = pool.health_report()
        assert %{__struct__: Noizu.AdvancedPool.NodeManager.HealthReport, status: :ready} = report
        assert %{workers: %{total: 1}, worker_supervisors: %{total: 1}} = report.report[pool]
      end

      test "unknown requests and pools are refused", %{node: node} do
        assert CNode.Admin.ask(node, {:count, NoSuchPool}) == {:error, :unknown_pool}
        assert {:error, {:unknown_request, _}} = CNode.Admin.ask(node, :dance)
        assert {:ok, %{node: ^node}} = CNode.Admin.ask(node, :status)
        assert {:ok, [%{workers: 0}]} = CNode.Admin.ask(node, :pools)
      end
    end
  end

  test "a node that is not there" do
    assert CNode.Admin.ask(:"nobody@127.0.0.1", :status) == {:error, :unavailable}
  end

  defp defpool(pool) do
    Module.create(pool, quote(do: use(CNode.Pool)), Macro.Env.location(__ENV__))
  end
end
