# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Daemon do
  @moduledoc """
  Runs the executable as a part of an Elixir application.

      children = [
        {CNode.Daemon, config: "cnode.json", node: "c1@127.0.0.1"},
        {Demo.Counters, nodes: [:"c1@127.0.0.1"]}
      ]

  Start waits for the line that says the node is ready, so what stands below in
  the list may call it. When the executable ends, this process ends with
  `{:exit_status, status}` and the supervisor decides. When this process ends,
  the executable gets SIGTERM, and SIGKILL after `:stop_timeout`; likewise when
  the whole BEAM ends, be it by `kill -9`: a small shell script between the two
  watches for that (`priv/until_eof.sh`). Nothing is left behind.

  Its log lines go to `Logger` at their own level, with `cnode` (the node's
  name) and `event` as metadata.

  ## Options

    * `:config` - the configuration file; required.
    * `:executable` - a path or a name in `PATH`; `"cnode"`.
    * `:node` - the name of the node, if not the one in the file.
    * `:cookie` - handed over in the environment, where other users of the
      machine cannot read it. By default the cookie of this BEAM if it is
      distributed, else the executable looks for one itself.
    * `:cookie_file`, `:hidden`, `:join`, `:set` - as on the command line;
      `:join` a list of nodes, `:set` a list of strings `"path=json"`.
    * `:env` - a list of `{"NAME", "value"}`.
    * `:start_timeout` - milliseconds until the node must be ready; 15 000.
    * `:stop_timeout` - seconds between SIGTERM and SIGKILL; 6, a little more
      than the node's own `stop_timeout`.
    * `:name` - of this process, as for any GenServer.
  """
  use GenServer

  require Logger

  alias CNode.{Logfmt, Options, Telemetry}

  @external_resource script = Path.expand("../../priv/until_eof.sh", __DIR__)
  @script File.read!(script)

  @stop_timeout 6

  # What a node that cannot start said, kept for the reason we stop with.
  @kept_lines 20

  @type info :: %{
          name: node(),
          port: :inet.port_number(),
          creation: pos_integer(),
          pools: [String.t()],
          behaviours: [String.t()],
          pid: pos_integer()
        }

  @doc false
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(options) do
    # A little longer than terminate/2 takes at most.
    shutdown = Keyword.get(options, :stop_timeout, @stop_timeout) * 1000 + 2_000
    start = {__MODULE__, :start_link, [options]}
    %{id: options[:name] || __MODULE__, start: start, shutdown: shutdown}
  end

  @doc "Starts the executable and waits until it is ready."
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options) do
    given = Options.validate!(options, table(), "CNode.Daemon")
    executable = executable!(given.executable)
    server_options = if given.name, do: [name: given.name], else: []
    GenServer.start_link(__MODULE__, %{given | executable: executable}, server_options)
  end

  @doc "What the running node said when it was ready, and its process id."
  @spec info(GenServer.server()) :: info()
  def info(daemon), do: GenServer.call(daemon, :info)

  @doc """
  The port of a command that ends when the port closes or this BEAM ends. Its
  first line is `pid=N`; the messages are those of a port with `:exit_status`
  and lines.
  """
  @spec open_port(Path.t(), [String.t()], [{String.t(), String.t()}], pos_integer()) :: port()
  def open_port(executable, arguments, env \\ [], grace_seconds \\ @stop_timeout) do
    arguments = ["-c", @script, "until_eof", "#{grace_seconds}", executable | arguments]
    env = for {name, value} <- env, do: {to_charlist(name), to_charlist(value)}

    Port.open(
      {:spawn_executable, "/bin/sh"},
      [:binary, :exit_status, :stderr_to_stdout, line: 8192, args: arguments, env: env]
    )
  end

  @impl true
  def init(given) do
    Process.flag(:trap_exit, true)
    started = System.monotonic_time()
    port = open_port(given.executable, arguments(given), env(given), given.stop_timeout)

    state = %{
      port: port,
      stop_timeout: given.stop_timeout,
      # the node's name, for the log
      node: given.node,
      info: nil,
      os_pid: nil,
      # of a line longer than the port gives at once
      part: "",
      kept: []
    }

    case await_ready(state, deadline(given.start_timeout)) do
      {:ok, state} ->
        duration = System.monotonic_time() - started
        Telemetry.event([:daemon, :ready], %{duration: duration}, state.info)
        {:ok, %{state | kept: []}}

      {:error, reason} ->
        stop(state)
        {:stop, reason}
    end
  end

  defp await_ready(%{info: info} = state, _deadline) when info != nil, do: {:ok, state}

  defp await_ready(%{port: port} = state, deadline) do
    receive do
      {^port, {:data, data}} -> state |> take(data) |> await_ready(deadline)
      {^port, {:exit_status, status}} -> {:error, {:exit_status, status, said(state)}}
      {:EXIT, ^port, reason} -> {:error, {:port, reason}}
    after
      max(deadline - System.monotonic_time(:millisecond), 0) ->
        {:error, {:not_ready, said(state)}}
    end
  end

  @impl true
  def handle_call(:info, _from, state), do: {:reply, state.info, state}

  @impl true
  def handle_info({port, {:data, data}}, %{port: port} = state), do: {:noreply, take(state, data)}

  def handle_info({port, {:exit_status, status}}, %{port: port} = state) do
    Telemetry.event([:daemon, :exit], %{count: 1}, %{name: state.info.name, status: status})
    {:stop, {:exit_status, status}, %{state | port: nil}}
  end

  def handle_info({:EXIT, port, reason}, %{port: port} = state),
    do: {:stop, {:port, reason}, state}

  def handle_info({:EXIT, _other, reason}, state), do: {:stop, reason, state}
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, %{port: nil}), do: :ok
  def terminate(_reason, state), do: stop(state)

  # A line for the script is a SIGTERM for the node; its own end follows. If it
  # does not, closing the port makes the script insist and then kill it.
  defp stop(%{port: port, stop_timeout: seconds}) do
    if Port.info(port) != nil do
      Port.command(port, "stop\n")
      await_exit(port, deadline(seconds * 1000))
    end

    :ok
  end

  defp await_exit(port, deadline) do
    receive do
      {^port, {:exit_status, _status}} -> :ok
      {:EXIT, ^port, _reason} -> :ok
      {^port, {:data, _line}} -> await_exit(port, deadline)
    after
      max(deadline - System.monotonic_time(:millisecond), 0) -> close(port)
    end
  end

  defp close(port) do
    Port.close(port)
  rescue
    ArgumentError -> true
  end

  # --------------------------------------------------------------- its output

  defp take(state, {:noeol, part}), do: %{state | part: state.part <> part}

  defp take(state, {:eol, rest}) do
    line = state.part <> rest
    state = %{state | part: "", kept: Enum.take([line | state.kept], @kept_lines)}

    case {state.os_pid, line} do
      {nil, "pid=" <> pid} -> %{state | os_pid: String.to_integer(pid)}
      _ -> understand(state, line)
    end
  end

  defp understand(%{info: nil} = state, line) do
    case CNode.parse_ready(line) do
      {:ok, info} -> %{state | info: Map.put(info, :pid, state.os_pid), node: info.name}
      :error -> log(state, line)
    end
  end

  defp understand(state, line), do: log(state, line)

  defp log(state, line) do
    fields = Map.new(Logfmt.parse(line))
    metadata = [cnode: state.node, event: fields["event"]]
    Logger.log(level(fields["level"]), fn -> text(line, fields) end, metadata)
    state
  end

  defp level("debug"), do: :debug
  defp level("info"), do: :info
  defp level("warn"), do: :warning
  defp level("error"), do: :error
  # What is no log line is worth a look: a sanitizer's or a library's words.
  defp level(_none), do: :warning

  # Logger has its own time and level.
  defp text(line, %{"event" => _}), do: String.replace(line, ~r/\Ats=\S+ level=\S+ /, "cnode: ")
  defp text(line, _fields), do: "cnode: " <> line

  defp said(state), do: Enum.reverse(state.kept)

  # ------------------------------------------------------------------ options

  defp table do
    text = &Options.text?/1

    [
      config: {text, :required, "the path of a configuration file"},
      executable: {text, "cnode", "the path of the executable, or its name in PATH"},
      node: {&node?/1, nil, "a node name such as \"c1@127.0.0.1\""},
      cookie: {&cookie?/1, nil, "a cookie, a string or an atom"},
      cookie_file: {text, nil, "the path of a cookie file"},
      hidden: {&is_boolean/1, false, "true or false"},
      join: {&(&1 == [] or Options.node_names?(&1)), [], "a list of node names"},
      set: {&Options.texts?/1, [], "a list of strings \"path=json\""},
      env: {&env?/1, [], "a list of {\"NAME\", \"value\"}"},
      start_timeout: {&Options.positive?/1, 15_000, "milliseconds above 0"},
      stop_timeout: {&Options.positive?/1, @stop_timeout, "seconds above 0"},
      name: {&(&1 != nil), nil, "a name as GenServer.start_link takes it"}
    ]
  end

  defp node?(value) when is_binary(value), do: value =~ ~r/\A[^@\s]+@[^@\s]+\z/
  defp node?(value), do: Options.node_name?(value)

  defp cookie?(value) when is_atom(value), do: Options.name?(value)
  defp cookie?(value), do: Options.text?(value)

  defp env?(value) do
    is_list(value) and
      Enum.all?(value, fn pair -> match?({n, v} when is_binary(n) and is_binary(v), pair) end)
  end

  # A name is looked up in PATH; anything with a slash is a path, as in a shell.
  defp executable!(executable) do
    path = if executable =~ "/", do: Path.expand(executable), else: executable

    System.find_executable(path) ||
      raise ArgumentError,
            "CNode.Daemon: option :executable: #{inspect(executable)} is not an executable file"
  end

  defp arguments(given) do
    ["start", "--config", given.config] ++
      option("--name", given.node) ++
      option("--cookie-file", given.cookie_file) ++
      if(given.hidden, do: ["--hidden"], else: []) ++
      Enum.flat_map(given.join, &option("--join", &1)) ++
      Enum.flat_map(given.set, &option("--set", &1))
  end

  defp option(_flag, nil), do: []
  defp option(flag, value), do: [flag, to_string(value)]

  defp env(%{cookie: nil, cookie_file: nil} = given) do
    if Node.alive?(),
      do: [{"CNODE_COOKIE", to_string(Node.get_cookie())} | given.env],
      else: given.env
  end

  defp env(%{cookie: nil} = given), do: given.env
  defp env(%{cookie: cookie} = given), do: [{"CNODE_COOKIE", to_string(cookie)} | given.env]

  defp deadline(ms), do: System.monotonic_time(:millisecond) + ms
end
