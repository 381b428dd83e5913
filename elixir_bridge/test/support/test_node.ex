# SPDX-License-Identifier: Apache-2.0
defmodule CNode.TestNode do
  @moduledoc """
  Private nodes for tests: this BEAM made distributed on an epmd of its own, C
  nodes, and BEAM nodes that host pools. What is started here ends with the
  process that started it, at the latest with this BEAM.
  """

  alias CNode.{Daemon, TestWorkers}

  @doc "The executable under test, or nil."
  def executable do
    path = System.get_env("CNODE_BIN") || Path.expand("../build/release/bin/cnode")
    if File.regular?(path), do: path
  end

  @doc "Starts epmd on our private port and makes this BEAM a node."
  def start_distribution do
    start_epmd()
    {:ok, _} = Node.start(unique("bridge"), :longnames)
    Node.set_cookie(:"cookie_#{System.unique_integer([:positive])}")
    :ok
  end

  @doc "Starts epmd and waits until it answers; returns its process id."
  def start_epmd do
    epmd = System.find_executable("epmd") || raise "epmd is not installed"
    port = System.fetch_env!("ERL_EPMD_PORT")
    owner = self()

    # The port belongs to a process that stays, whoever asked for it.
    spawn(fn ->
      arguments = ["-address", "127.0.0.1", "-port", port, "-relaxed_command_check"]
      epmd_port = Daemon.open_port(epmd, arguments, [], 1)
      receive do: ({^epmd_port, {:data, {:eol, "pid=" <> pid}}} -> send(owner, {:epmd, pid}))
      Process.sleep(:infinity)
    end)

    pid = receive do: ({:epmd, pid} -> String.to_integer(pid))
    eventually(fn -> match?({:ok, _}, :erl_epmd.names({127, 0, 0, 1})) end)
    pid
  end

  @doc "A node name that no other test has."
  def unique(prefix) do
    :"#{prefix}_#{System.pid()}_#{System.unique_integer([:positive])}@127.0.0.1"
  end

  @doc "Writes a configuration as JSON into a file of its own."
  def write_config(config) do
    name = "cnode_#{System.pid()}_#{System.unique_integer([:positive])}.json"
    path = Path.join(System.tmp_dir!(), name)
    File.write!(path, if(is_binary(config), do: config, else: json(config)))
    ExUnit.Callbacks.on_exit(fn -> File.rm(path) end)
    path
  end

  @doc "A C node under the test's supervisor; options are the daemon's. Gives what it said when ready."
  def start_c_node(config, options \\ []) do
    # A test may use a config without a name, with a name of ours.
    options =
      [executable: executable(), config: write_config(config), node: unique("c")]
      |> Keyword.merge(options)
      |> Keyword.update(:set, schedulers(), &(&1 ++ schedulers()))
      |> Keyword.put_new(:name, :"daemon_#{System.unique_integer([:positive])}")

    daemon = ExUnit.Callbacks.start_supervised!({Daemon, options}, restart: :temporary)
    daemon |> Daemon.info() |> Map.merge(%{daemon: daemon, id: options[:name]})
  end

  # The suite runs again with other numbers of them (run-test.sh).
  defp schedulers do
    case System.get_env("CNODE_TEST_SCHEDULERS") do
      nil -> []
      number -> ["runtime.schedulers=" <> number]
    end
  end

  @doc "Ends a C node of start_c_node by SIGTERM and waits for it."
  def stop_c_node(node), do: ExUnit.Callbacks.stop_supervised!(node.id)

  @doc "A BEAM node with our code; ends with the test."
  def start_beam_node(options \\ []) do
    [name, host] =
      options |> Keyword.get(:node, unique("b")) |> Atom.to_string() |> String.split("@")

    arguments =
      [~c"-setcookie", Atom.to_charlist(Node.get_cookie())] ++
        [~c"-kernel", ~c"logger_level", ~c"emergency", ~c"-pa" | :code.get_path()] ++
        Keyword.get(options, :arguments, [])

    {:ok, peer, node} =
      :peer.start_link(%{
        name: to_charlist(name),
        host: to_charlist(host),
        longnames: true,
        connection: :standard_io,
        args: arguments
      })

    {:ok, _} = :peer.call(peer, :application, :ensure_all_started, [:elixir])
    true = Node.connect(node)
    %{name: node, peer: peer}
  end

  @doc """
  A node that hosts one pool: `:c` or `:beam`. Options: `:pool`, `:behaviour`,
  `:idle_timeout` in milliseconds.
  """
  def start_pool_node(kind, options)

  def start_pool_node(:beam, options) do
    node = start_beam_node()
    :ok = :peer.call(node.peer, TestWorkers, :host, [options])
    node
  end

  def start_pool_node(:c, options) do
    node = start_c_node(%{pools: %{options[:pool] => pool_config(options)}})
    true = Node.connect(node.name)
    node
  end

  @doc "A pool's configuration from the same options, and `:worker` and `:supervisors` as in the file."
  def pool_config(options) do
    idle = if ms = options[:idle_timeout], do: %{idle_timeout: "#{ms}ms"}, else: %{}
    worker = Map.merge(idle, Map.new(options[:worker] || %{}))
    module = inspect_atom(Module.concat(options[:pool], Worker))
    config = %{behaviour: options[:behaviour], registry: "none"}
    config = Map.put(config, :worker, Map.put(worker, :module, module))

    if options[:supervisors],
      do: Map.put(config, :supervisors, options[:supervisors]),
      else: config
  end

  defp inspect_atom(atom), do: Atom.to_string(atom)

  @doc "Calls until it is true; fails after five seconds. Never a fixed sleep."
  def eventually(fun, milliseconds \\ 5_000) do
    poll(fun, System.monotonic_time(:millisecond) + milliseconds)
  end

  defp poll(fun, deadline) do
    case fun.() do
      value when value not in [nil, false] ->
        value

      value ->
        if System.monotonic_time(:millisecond) > deadline do
          ExUnit.Assertions.flunk("not true in time, last value: #{inspect(value)}")
        end

        Process.sleep(10)
        poll(fun, deadline)
    end
  end

  @doc "Whether an operating system process lives."
  def os_alive?(pid) do
    # A zombie has ended; only its parent has not looked yet.
    case File.read("/proc/#{pid}/stat") do
      {:ok, stat} -> not String.contains?(stat, ") Z ")
      {:error, _} -> false
    end
  end

  @doc "Sends a signal, a name such as TERM, to an operating system process."
  def signal(pid, name) do
    {_, 0} = System.cmd("kill", ["-#{name}", "#{pid}"])
    :ok
  end

  @doc "Resident memory of an operating system process in KiB."
  def resident_kib(pid) do
    [_, kib] = Regex.run(~r/VmRSS:\s+(\d+) kB/, File.read!("/proc/#{pid}/status"))
    String.to_integer(kib)
  end

  @doc "JSON of maps, lists, strings, numbers, booleans and nil."
  def json(map) when is_map(map) do
    "{" <> Enum.map_join(map, ",", fn {k, v} -> json(to_string(k)) <> ":" <> json(v) end) <> "}"
  end

  def json(list) when is_list(list), do: "[" <> Enum.map_join(list, ",", &json/1) <> "]"
  def json(nil), do: "null"
  def json(value) when is_boolean(value) or is_number(value), do: to_string(value)
  def json(atom) when is_atom(atom), do: json(Atom.to_string(atom))
  def json(text) when is_binary(text), do: inspect(text, binaries: :as_strings)
end
