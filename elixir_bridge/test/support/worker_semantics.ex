# SPDX-License-Identifier: Apache-2.0
defmodule CNode.WorkerSemantics do
  @moduledoc """
  What a worker is to its callers, written once and run against workers on a
  BEAM and workers in C: they must look alike.

      use CNode.WorkerSemantics, host: :beam
  """
  use ExUnit.CaseTemplate

  using options do
    quote location: :keep do
      use ExUnit.Case, async: false

      import CNode.TestNode, only: [eventually: 1]

      @host unquote(options[:host])
      if @host == :c, do: @moduletag(:cnode)

      defmodule Counters do
        use CNode.Pool
      end

      setup_all do
        node = CNode.TestNode.start_pool_node(@host, pool: Counters, behaviour: "counter")
        start_supervised!({Counters, nodes: [node.name]})
        %{node: node.name}
      end

      setup do
        %{id: System.unique_integer([:positive])}
      end

      defp worker(id) do
        {:ok, {pid, _node}} = Counters.fetch(id, :process)
        pid
      end

      defp faces(node) do
        for {{:worker_supervisor, _}, pid, :supervisor, _} <-
              Supervisor.which_children({Counters, node}),
            do: pid
      end

      defp envelope(recipient, message, type \\ :call) do
        settings = {:settings, nil, true, nil, nil, nil, 5_000}
        {:msg_envelope, {self(), 0}, type, recipient, settings, {:s, message, nil, nil}}
      end

      defp restarted(id, old) do
        eventually(fn ->
          match?(
            {:link, _, pid, _} when is_pid(pid) and pid != old,
            Counters.get_direct_link!(id)
          )
        end)
      end

      describe "calls and casts" do
        test "s_call! starts the worker and gives its reply as it is", %{id: id} do
          assert Counters.s_call!(id, :increment) == 1
          assert Counters.s_call!(id, {:add, 5}) == {:ok, 6}
          assert Counters.s_call!(id, :get) == 6
        end

        test "s_call does not start a worker", %{id: id} do
          assert Counters.s_call(id, :get) == {:nack, :not_registered}
          assert Counters.ping(id) == {:ok, false}
          assert Counters.s_call!(id, :increment) == 1
          assert Counters.s_call(id, :get) == 1
        end

        test "s_cast! starts the worker, s_cast does not", %{id: id} do
          assert Counters.s_cast(id, :increment) == {:nack, :not_registered}
          assert Counters.s_cast!(id, :increment) == :ok
          assert Counters.s_cast(id, {:add, 4}) == :ok
          assert Counters.s_call(id, :get) == 5
        end

        test "casts and calls of one caller keep their order", %{id: id} do
          for n <- 1..1000 do
            assert Counters.s_cast!(id, :increment) == :ok
            if rem(n, 100) == 0, do: assert(Counters.s_call(id, :get) == n)
          end
        end

        test "an id is any term", %{id: id} do
          for term <- [{id, "text"}, [id], %{id: id}, "#{id}", {id, self(), make_ref()}, id / 1] do
            assert Counters.s_call!(term, :increment) == 1
            assert Counters.s_call!(term, :increment) == 2
          end
        end

        test "a call that the behaviour does not know comes back whole", %{id: id} do
          assert Counters.s_call!(id, {:dance, 1}, %{token: "t"}, colour: :red) ==
                   {:unhandled, {:s, {:dance, 1}, %{token: "t"}, [colour: :red]}}

          assert Counters.s_call!(id, :increment) == 1
        end

        test "many concurrent first calls get one worker", %{id: id} do
          pids =
            1..50
            |> Enum.map(fn _ ->
              Task.async(fn ->
                Counters.s_call!(id, :increment)
                worker(id)
              end)
            end)
            |> Task.await_many()

          assert [_one] = Enum.uniq(pids)
          assert Counters.s_call(id, :get) == 50
        end

        test "many workers are independent", %{id: id} do
          for n <- 1..200, do: assert(Counters.s_call!({id, n}, {:add, n}) == {:ok, n})
          for n <- 1..200, do: assert(Counters.s_call({id, n}, :get) == n)
        end
      end

      describe "what every worker understands" do
        test "fetch gives process and state", %{id: id, node: node} do
          assert {:ok, {pid, ^node}} = Counters.fetch(id, :process)
          assert node(pid) == node
          Counters.s_call!(id, {:add, 4711})
          state = Counters.fetch(id, :state)
          refute match?(%{__struct__: _}, state)
          assert inspect(state) =~ "4711"
        end

        test "wake!, health, and a fetch of something unknown", %{id: id} do
          assert Counters.s_call!(id, :wake!) == :ok

          assert %{status: :online, failures: 0, errors: 0, warnings: 0, queue: _, memory: _} =
                   Counters.s_call!(id, :health)

          assert Counters.fetch(id, :no_such_thing) == {:error, {:unsupported, :no_such_thing}}
        end

        test "a safe call does not exit", %{id: id} do
          Counters.s_call!(id, :increment)
          assert {:error, {:exit, _}} = Counters.s_call(id, :crash!, nil, safe: true)
        end

        test "a cast is acknowledged when it is asked for", %{id: id} do
          Counters.s_cast!(id, :increment, nil, ack?: true)
          assert_receive {:ack, :process, {pid, _}} when pid == self()
        end

        test "the state on the wire is AdvancedPool's Worker.State", %{id: id} do
          ref = {:ref, Counters.Worker, id}

          assert %{
                   __struct__: Noizu.AdvancedPool.Worker.State,
                   identifier: ^ref,
                   handler: Counters.Worker,
                   status: :loaded,
                   worker: _,
                   vsn: 1.0
                 } = GenServer.call(worker(id), envelope(ref, {:fetch, :state}))
        end

        test "ping tells whether the worker answers", %{id: id} do
          Counters.s_cast!(id, :increment)
          assert Counters.ping(id) == {:ok, true}
        end

        test "hibernate, persist! and reload! leave the worker as it was", %{id: id} do
          Counters.s_call!(id, {:add, 3})
          pid = worker(id)
          assert Counters.hibernate(id) == :ok
          assert Counters.persist!(id) == :not_supported
          assert Counters.reload!(id) == {:unhandled, {:s, :reload!, nil, nil}}
          assert Counters.s_call(id, :get) == 3
          assert worker(id) == pid
        end

        test "none of them starts a worker", %{id: id} do
          for ask <- [:kill!, :crash!, :hibernate, :persist!, :reload!] do
            assert apply(Counters, ask, [id]) == {:nack, :not_registered}
          end

          assert Counters.get_direct_link!(id) == {:link, nil, nil, {:ref, Counters.Worker, id}}
          assert Counters.ping(id) == {:ok, false}
        end
      end

      describe "links" do
        test "a link goes straight to the worker", %{id: id, node: node} do
          Counters.s_call!(id, :increment)
          pid = worker(id)

          assert {:link, ^node, ^pid, {:ref, Counters.Worker, ^id}} =
                   link = Counters.get_direct_link!(id)

          assert Counters.s_call(link, :increment) == 2
          assert Counters.s_cast!(link, :increment) == :ok
          assert Counters.s_call!(link, :get) == 3
          assert Counters.ping(link) == {:ok, true}
        end

        test "a link without a pid is as good as its ref", %{id: id} do
          link = Counters.get_direct_link!(id)
          assert Counters.s_call(link, :get) == {:nack, :not_registered}
          assert Counters.s_call!(link, :increment) == 1
        end

        test "a link ends with its worker", %{id: id} do
          Counters.s_call!(id, :increment)
          link = Counters.get_direct_link!(id)
          assert Counters.kill!(id) == :ok
          eventually(fn -> Counters.ping(link) == {:ok, false} end)
          assert {:noproc, {GenServer, :call, _}} = catch_exit(Counters.s_call!(link, :get))
        end
      end

      describe "the end of a worker" do
        test "kill! ends it for good and monitors see shutdown", %{id: id} do
          Counters.s_call!(id, {:add, 9})
          pid = worker(id)
          monitor = Process.monitor(pid)
          assert Counters.kill!(id) == :ok
          assert_receive {:DOWN, ^monitor, :process, ^pid, :shutdown}, 5_000
          assert Counters.s_call(id, :get) == {:nack, :not_registered}
          assert Counters.s_call!(id, :increment) == 1
          assert worker(id) != pid
        end

        test "a plain kill! leaves it to the restart rule", %{id: id} do
          Counters.s_call!(id, {:add, 9})
          pid = worker(id)
          monitor = Process.monitor(pid)
          assert Counters.s_call!(id, :kill!) == :ok
          assert_receive {:DOWN, ^monitor, :process, ^pid, :shutdown}, 5_000
          restarted(id, pid)
          assert Counters.s_call!(id, :get) == 0
        end

        test "crash! tells the truth to the caller and to monitors", %{id: id} do
          Counters.s_call!(id, :increment)
          pid = worker(id)
          monitor = Process.monitor(pid)

          assert {{:bad_return_value, "User Initiated Crash"}, {GenServer, :call, _}} =
                   catch_exit(Counters.crash!(id))

          assert_receive {:DOWN, ^monitor, :process, ^pid,
                          {:bad_return_value, "User Initiated Crash"}},
                         5_000

          restarted(id, pid)
          assert Counters.s_call!(id, :increment) == 1
        end

        test "crash! through a link exits with the same reason", %{id: id} do
          Counters.s_call!(id, :increment)
          link = {:link, _, pid, _} = Counters.get_direct_link!(id)

          assert {{:bad_return_value, "User Initiated Crash"}, {GenServer, :call, _}} =
                   catch_exit(Counters.crash!(link))

          restarted(id, pid)
        end

        test "a monitor on a worker that is gone says noproc", %{id: id} do
          pid = worker(id)
          assert Counters.kill!(id) == :ok
          first = Process.monitor(pid)
          assert_receive {:DOWN, ^first, :process, ^pid, _}, 5_000
          second = Process.monitor(pid)
          assert_receive {:DOWN, ^second, :process, ^pid, :noproc}, 5_000
        end

        test "a caller that dies in the middle harms nobody", %{id: id} do
          Counters.s_call!(id, :increment)

          for _ <- 1..50 do
            {caller, monitor} =
              spawn_monitor(fn -> for _ <- 1..1000, do: Counters.s_call(id, :get) end)

            Process.exit(caller, :kill)
            assert_receive {:DOWN, ^monitor, :process, ^caller, :killed}
          end

          assert Counters.s_call(id, :get) == 1
        end
      end

      describe "a worker's pid" do
        test "takes plain GenServer calls and casts", %{id: id} do
          pid = worker(id)
          assert GenServer.call(pid, :increment) == 1
          assert GenServer.cast(pid, {:add, 5}) == :ok
          assert GenServer.call(pid, :get) == 6
          assert GenServer.call(pid, :dance) == {:unhandled, :dance}
        end

        test "takes a bare envelope as a cast", %{id: id} do
          pid = worker(id)
          send(pid, envelope({:ref, Counters.Worker, id}, :increment, :cast))
          assert GenServer.call(pid, :get) == 1
        end

        test "refuses envelopes for another recipient", %{id: id} do
          pid = worker(id)
          other = {:ref, Counters.Worker, {:not, id}}
          assert GenServer.call(pid, envelope(other, :increment)) == {:nz_ap_forward, nil}

          assert GenServer.call(pid, envelope(:nonsense, :increment)) ==
                   {:error, :message_delivery_error}

          GenServer.cast(pid, envelope(other, :increment, :cast))
          GenServer.cast(pid, envelope(:nonsense, :increment, :cast))
          assert GenServer.call(pid, :get) == 0
        end

        test "accepts an envelope with next to nothing on it", %{id: id} do
          ref = {:ref, Counters.Worker, id}
          bare = {:msg_envelope, nil, nil, ref, :whatever, {:s, :ping, nil, nil}}
          assert GenServer.call(worker(id), bare) == :pong
        end

        test "is what the via name resolves to", %{id: id} do
          name = {:via, CNode.Registry, {Counters, id}}
          assert CNode.Registry.whereis_name({Counters, id}) == :undefined
          assert {:noproc, _} = catch_exit(GenServer.call(name, :get))
          pid = worker(id)
          assert CNode.Registry.whereis_name({Counters, id}) == pid
          assert GenServer.whereis(name) == pid
          assert GenServer.call(name, :increment) == 1
          assert GenServer.cast(name, :increment) == :ok
          assert CNode.Registry.send({Counters, id}, :hello) == pid
          assert GenServer.call(name, :get) == 2
        end
      end

      describe "the supervisors" do
        test "the pool supervisor shows worker supervisors and segments", %{node: node} do
          children = Supervisor.which_children({Counters, node})

          assert Enum.all?(
                   children,
                   &match?({_, pid, :supervisor, [_]} when node(pid) == node, &1)
                 )

          assert [_ | _] = faces(node)
          assert Enum.any?(children, &match?({{:segment, 0}, _, _, _}, &1))
          counts = Supervisor.count_children({Counters, node})
          assert counts.specs == length(children)
          assert counts.active == length(children)
          assert counts.supervisors == length(children)
          assert counts.workers == 0
        end

        test "a worker supervisor lists and counts its workers", %{id: id, node: node} do
          pids = for n <- 1..10, do: worker({id, n})
          children = Enum.flat_map(faces(node), &DynamicSupervisor.which_children/1)

          for pid <- pids do
            assert {:undefined, pid, :worker, [Counters.Worker]} in children
          end

          counts = Enum.map(faces(node), &DynamicSupervisor.count_children/1)
          assert Enum.sum(Enum.map(counts, & &1.active)) == length(children)
          assert Enum.sum(Enum.map(counts, & &1.workers)) == length(children)
          assert Enum.all?(counts, &(&1.supervisors == 0 and &1.specs == &1.active))
        end

        test "start_child starts a ref once", %{id: id, node: node} do
          [face | _] = faces(node)
          ref = {:ref, Counters.Worker, id}
          start = {Noizu.AdvancedPool.Worker.Server, :start_link, [ref, [[]], nil]}
          spec = %{id: ref, start: start, restart: :permanent, type: :worker}
          assert {:ok, pid} = DynamicSupervisor.start_child(face, spec)
          assert {:ok, ^pid} = DynamicSupervisor.start_child(face, spec)
          assert worker(id) == pid
          assert Counters.s_call(id, :increment) == 1
        end

        test "terminate_child ends a worker for good", %{id: id, node: node} do
          pid = worker(id)
          monitor = Process.monitor(pid)

          face =
            Enum.find(faces(node), fn face ->
              Enum.any?(DynamicSupervisor.which_children(face), &match?({_, ^pid, _, _}, &1))
            end)

          assert DynamicSupervisor.terminate_child(face, pid) == :ok
          assert_receive {:DOWN, ^monitor, :process, ^pid, :shutdown}, 5_000
          assert Counters.s_call(id, :get) == {:nack, :not_registered}
          assert DynamicSupervisor.terminate_child(face, pid) == {:error, :not_found}
        end
      end
    end
  end
end
