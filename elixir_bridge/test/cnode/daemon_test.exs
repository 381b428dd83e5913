# SPDX-License-Identifier: Apache-2.0
defmodule CNode.DaemonTest do
  use ExUnit.Case, async: false

  import CNode.TestNode, only: [eventually: 1, os_alive?: 1, signal: 2]
  import ExUnit.CaptureLog

  alias CNode.Daemon

  @fake Path.expand("../support/fake_cnode.sh", __DIR__)

  # The fake's manners are told in its environment.
  defp options(manner, more \\ []) do
    env = [{"FAKE_CNODE", "#{manner}"}]
    Keyword.merge([config: "some.json", executable: @fake, env: env], more)
  end

  defp start(manner, more \\ []) do
    start_supervised({Daemon, options(manner, more)}, restart: :temporary)
  end

  test "start waits until the node is ready and tells what it said" do
    assert {:ok, daemon} = start(:ready)

    assert %{
             name: :"fake@127.0.0.1",
             port: 1,
             creation: 7,
             pools: ["Elixir.A"],
             behaviours: ["echo"],
             pid: pid
           } = Daemon.info(daemon)

    assert os_alive?(pid)
  end

  test "the executable may be a path from here" do
    assert {:ok, _} = start(:ready, executable: Path.relative_to_cwd(@fake))
  end

  test "stop is a SIGTERM, and nothing is left" do
    log =
      capture_log(fn ->
        {:ok, daemon} = start(:ready)
        pid = Daemon.info(daemon).pid
        assert :ok = stop_supervised(Daemon)
        eventually(fn -> not os_alive?(pid) end)
      end)

    assert log =~ "cookie="
  end

  test "a node that ignores SIGTERM is killed" do
    {:ok, daemon} = start(:stubborn, stop_timeout: 1)
    pid = Daemon.info(daemon).pid
    assert :ok = stop_supervised(Daemon)
    eventually(fn -> not os_alive?(pid) end)
  end

  test "a node that cannot start fails the start with what it said" do
    assert {:error, {{:exit_status, 2, lines}, _spec}} = start(:fails)
    assert Enum.any?(lines, &(&1 =~ ~s(did you mean "name"?)))
  end

  test "a node that is not ready in time fails the start and is ended" do
    assert {:error, {{:not_ready, ["pid=" <> pid | _]}, _}} = start(:silent, start_timeout: 200)
    eventually(fn -> not os_alive?(pid) end)
  end

  test "a node that ends takes its daemon with it" do
    Process.flag(:trap_exit, true)
    {:ok, daemon} = Daemon.start_link(options(:crashes))
    assert_receive {:EXIT, ^daemon, {:exit_status, 3}}, 5_000
  end

  test "a supervisor starts it again" do
    {:ok, supervisor} = Supervisor.start_link([{Daemon, options(:ready)}], strategy: :one_for_one)
    [{_, daemon, _, _}] = Supervisor.which_children(supervisor)
    pid = Daemon.info(daemon).pid
    signal(pid, "KILL")

    eventually(fn ->
      match?(
        [{_, now, _, _}] when is_pid(now) and now != daemon,
        Supervisor.which_children(supervisor)
      )
    end)

    [{_, daemon, _, _}] = Supervisor.which_children(supervisor)
    assert Daemon.info(daemon).pid != pid
    Supervisor.stop(supervisor)
  end

  test "options become the command line" do
    log =
      capture_log(fn ->
        {:ok, _} =
          start(:ready,
            node: :"c9@127.0.0.1",
            cookie_file: "c.txt",
            hidden: true,
            join: [:a@h, :b@h],
            set: ["limits.atoms=5000"]
          )
      end)

    assert log =~
             "arguments start --config some.json --name c9@127.0.0.1 --cookie-file c.txt " <>
               "--hidden --join a@h --join b@h --set limits.atoms=5000"
  end

  test "the cookie goes through the environment, ours by default" do
    assert capture_log(fn -> start(:ready, cookie: :oats) end) =~ "cookie=oats"
    stop_supervised(Daemon)
    assert capture_log(fn -> start(:ready) end) =~ "cookie=#{Node.get_cookie()}"
    stop_supervised(Daemon)
    assert capture_log(fn -> start(:ready, cookie_file: "f") end) =~ "cookie=none"
  end

  test "log lines keep their level and name their event" do
    log =
      capture_log([format: "$level|$metadata|$message\n", metadata: [:event]], fn ->
        {:ok, _} = start(:ready, node: "c1@127.0.0.1")
      end)

    assert log =~ ~r/warn(ing)?\|event=starting \|cnode: event=starting cookie=/
  end

  test "wrong options are refused with a readable error" do
    for {wrong, message} <- [
          {[config: nil], ~r/option :config: expected the path/},
          {[executable: "no/such/program"], ~r/"no\/such\/program" is not an executable file/},
          {[node: "nohost"], ~r/option :node: expected a node name/},
          {[join: ["a@h"]], ~r/option :join/},
          {[set: "a=1"], ~r/option :set/},
          {[env: %{}], ~r/option :env/},
          {[stop_timeout: 0], ~r/option :stop_timeout/},
          {[confg: "x"], ~r/unknown option :confg, did you mean :config/}
        ] do
      assert_raise ArgumentError, message, fn -> Daemon.start_link(options(:ready, wrong)) end
    end

    assert_raise ArgumentError, ~r/option :config is missing/, fn -> Daemon.start_link([]) end
  end

  describe "a BEAM that is killed" do
    # A BEAM of its own, that runs the fake and prints its process id. It ends
    # with its stdin, should we fail before we kill it.
    defp doomed_beam(manner) do
      code = """
      {:ok, daemon} = CNode.Daemon.start_link(#{inspect(options(manner, stop_timeout: 1))})
      IO.puts("fake=" <> Integer.to_string(CNode.Daemon.info(daemon).pid))
      IO.read(:line)
      System.halt()
      """

      paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
      elixir = System.find_executable("elixir")
      arguments = paths ++ ["-e", code]
      port = Port.open({:spawn_executable, elixir}, [:binary, line: 1000, args: arguments])
      fake = receive_fake(port)
      {port, fake, Port.info(port)[:os_pid]}
    end

    defp receive_fake(port) do
      receive do
        {^port, {:data, {:eol, "fake=" <> pid}}} -> String.to_integer(pid)
        {^port, {:data, _}} -> receive_fake(port)
      after
        10_000 -> flunk("the BEAM did not start")
      end
    end

    # `elixir` is a script that execs erl, so its process id is the BEAM's.
    test "takes the node with it" do
      {_port, fake, beam} = doomed_beam(:ready)
      assert os_alive?(fake)
      signal(beam, "KILL")
      eventually(fn -> not os_alive?(fake) end)
    end

    test "takes even a stubborn node with it" do
      {_port, fake, beam} = doomed_beam(:stubborn)
      signal(beam, "KILL")
      eventually(fn -> not os_alive?(fake) end)
    end
  end
end
