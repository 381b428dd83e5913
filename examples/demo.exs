# SPDX-License-Identifier: Apache-2.0
#
# What scripts/demo.sh runs on the Elixir node: uses a pool of counters that
# live in C, and checks each answer. With CNODE_DEMO=shell it only defines the
# pool and says what to type.

defmodule Demo.Counters do
  use CNode.Pool, nodes: [:"c1@127.0.0.1"]
end

defmodule Demo do
  alias Demo.Counters

  @c_node :"c1@127.0.0.1"
  @counters 10_000
  @callers 64
  @killed 123
  @crashed 456

  def run do
    connect()

    rows = [
      many("started by their first call", 1, &Counters.s_call!(&1, :increment)),
      many("called", {:ok, 6}, &Counters.s_call(&1, {:add, 5})),
      many("cast to", :ok, &Counters.s_cast!(&1, :increment)),
      many("asked for their count", 7, &Counters.s_call(&1, :get)),
      many("pinged", {:ok, true}, &Counters.ping/1)
    ]

    one_worker()
    monitor_and_kill()
    crash()
    supervisors()
    table(rows)
  end

  def shell do
    connect()

    IO.puts("""

    You are #{node()}, joined to #{@c_node}, which is written in C. Try:

        Node.list()
        Demo.Counters.s_call!(7, :increment)     # starts the worker of 7
        Demo.Counters.s_call(7, {:add, 5})
        Demo.Counters.s_cast!(7, :increment)
        {:ok, {pid, _node}} = Demo.Counters.fetch(7, :process)
        GenServer.call(pid, :get)                # a pid like any other
        Process.monitor(pid); Demo.Counters.kill!(7); flush()
        Demo.Counters.s_call(7, :get)            # gone, and not started again
        GenServer.call({:echo, #{inspect(@c_node)}}, {:hello, self()})

    Leave with Ctrl-C twice, or System.halt().
    """)
  end

  # --------------------------------------------------------------- the steps

  defp connect do
    expect("#{@c_node} answers", Node.connect(@c_node), true)
    expect("net_adm:ping/1", :net_adm.ping(@c_node), :pong)
    say("#{node()} is joined to #{@c_node}: Node.list() is #{inspect(Node.list())}")
    expect("it is in Node.list()", @c_node in Node.list(), true)
  end

  # Every counter once, by many callers at a time, as in a server.
  defp many(what, wanted, fun) do
    share = div(@counters, @callers) + 1

    {micros, wrong} =
      :timer.tc(fn ->
        1..@counters
        |> Enum.chunk_every(share)
        |> Task.async_stream(&wrong(&1, wanted, fun), max_concurrency: @callers, timeout: 60_000)
        |> Enum.find_value(fn {:ok, wrong} -> wrong end)
      end)

    if wrong != nil do
      {id, answer} = wrong
      fail("counter #{id} was #{what}: expected #{inspect(wanted)}, got #{inspect(answer)}")
    end

    say("#{@counters} counters #{what}: #{rate(@counters, micros)} per second")
    {what, @counters, micros}
  end

  # The first id with another answer, and that answer.
  defp wrong(ids, wanted, fun) do
    Enum.find_value(ids, fn id ->
      answer = answer(fn -> fun.(id) end)
      if answer !== wanted, do: {id, answer}
    end)
  end

  defp answer(fun) do
    fun.()
  catch
    :exit, {reason, {GenServer, :call, _arguments}} -> {:exit, reason}
  end

  defp one_worker do
    {:ok, {pid, node}} = Counters.fetch(@killed, :process)
    expect("its node", node, @c_node)
    segment = Counters.fetch(@killed, :segment)
    say("counter #{@killed} is #{inspect(pid)} on #{node}, in segment #{inspect(segment)}")
    expect("its segment is a number", is_integer(segment), true)
    expect("GenServer.call to the pid", GenServer.call(pid, :get), 7)
  end

  defp monitor_and_kill do
    {:ok, {pid, _node}} = Counters.fetch(@killed, :process)
    monitor = Process.monitor(pid)
    expect("kill!", Counters.kill!(@killed), :ok)

    receive do
      {:DOWN, ^monitor, :process, ^pid, reason} ->
        say("counter #{@killed} killed: its monitor says #{inspect(reason)}")
        expect("the monitor's reason", reason, :shutdown)
    after
      5_000 -> fail("no :DOWN from the monitor of counter #{@killed}")
    end

    expect("it stays away", Counters.s_call(@killed, :get), {:nack, :not_registered})
    expect("until it is wanted", Counters.s_call!(@killed, :increment), 1)
  end

  defp crash do
    {:ok, {before, _node}} = Counters.fetch(@crashed, :process)

    wanted = {:exit, {:bad_return_value, "User Initiated Crash"}}
    answer = answer(fn -> Counters.crash!(@crashed) end)
    say("counter #{@crashed} crashed: its caller gets #{inspect(answer)}")
    expect("what the caller is told", answer, wanted)

    {:ok, {now, _node}} = Counters.fetch(@crashed, :process)
    say("counter #{@crashed} restarted: #{inspect(before)} is now #{inspect(now)}")
    expect("a new pid", now != before, true)
    expect("it counts from the start", Counters.s_call(@crashed, :increment), 1)
  end

  defp supervisors do
    children = Supervisor.which_children({Counters, @c_node})

    for {{:worker_supervisor, _}, pid, :supervisor, _modules} <- children do
      counts = DynamicSupervisor.count_children(pid)
      say("worker supervisor #{inspect(pid)} counts #{inspect(counts)}")
      expect("its workers", counts.active, @counters)
    end
  end

  # -------------------------------------------------------------- the output

  defp table(rows) do
    IO.puts("\n    what                               count         ms      per second")
    IO.puts("    " <> String.duplicate("-", 66))

    for {what, count, micros} <- rows do
      IO.puts(
        "    " <>
          String.pad_trailing(what, 30) <>
          pad(count, 10) <> pad(div(micros, 1000), 11) <> pad(rate(count, micros), 16)
      )
    end

    IO.puts("")
  end

  defp pad(value, width), do: value |> to_string() |> String.pad_leading(width)
  defp rate(count, micros), do: div(count * 1_000_000, max(micros, 1))

  defp say(text), do: IO.puts("    " <> text)

  defp expect(_what, value, value), do: :ok

  defp expect(what, value, wanted) do
    fail("#{what}: expected #{inspect(wanted)}, got #{inspect(value)}")
  end

  defp fail(text) do
    IO.puts(:stderr, "    failed: #{text}")
    System.halt(1)
  end
end

case System.get_env("CNODE_DEMO") do
  "shell" -> Demo.shell()
  _ -> Demo.run()
end
