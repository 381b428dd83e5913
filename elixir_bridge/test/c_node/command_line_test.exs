# SPDX-License-Identifier: Apache-2.0
defmodule CNode.CommandLineTest do
  @moduledoc "`cnode check`, `call`, `start`, `version`, `help`: output and exit codes."
  use ExUnit.Case, async: false

  import CNode.TestNode, only: [executable: 0, start_c_node: 1, unique: 1, write_config: 1]

  @moduletag :cnode

  setup_all do
    pools = %{
      "Elixir.Demo.Counters" => %{behaviour: "counter", registry: "none"},
      "Elixir.Demo.KV" => %{behaviour: "kv", registry: "none"}
    }

    node = start_c_node(%{pools: pools, services: %{echo: %{behaviour: "echo"}}})
    %{node: node.name}
  end

  # {stdout, stderr, status}
  defp cnode(arguments, env \\ []) do
    errors = write_config("")
    command = ~s(exec "$0" "$@" 2>"$ERRORS" </dev/null)
    env = [{"ERRORS", errors}, {"CNODE_COOKIE", to_string(Node.get_cookie())} | env]

    {output, status} =
      System.cmd("sh", ["-c", command, executable() | Enum.map(arguments, &to_string/1)], env: env)

    {output, File.read!(errors), status}
  end

  defp check(config), do: cnode(["check", "--config", write_config(config)])

  describe "check" do
    test "is content with a configuration without mistakes" do
      pools = %{
        "Elixir.A" => %{behaviour: "counter"},
        "b" => %{behaviour: "kv", registry: "none"}
      }

      config = %{
        node: %{name: "c1@127.0.0.1"},
        pools: pools,
        services: %{e: %{behaviour: "echo"}}
      }

      assert {"ok\n", "", 0} = check(config)
    end

    test "says the first syntax error with file, line and column" do
      path = write_config("{\n  \"node\": {\"name\": \"a@b\"},\n  \"pools\": }\n")
      assert {"", errors, 2} = cnode(["check", "--config", path])
      assert errors =~ ~r/#{Regex.escape(Path.basename(path))}:3:\d+: /
    end

    test "says every other mistake with its line, path and what was expected" do
      path =
        write_config("""
        {
          "node": {"nmae": "c1@127.0.0.1", "hidden": "yes"},
          "pools": {
            "Elixir.A": {
              "behaviour": "counter",
              "worker": {"restart": "sometimes",
                         "max": "many", "idle_timeout": "15 parsecs"},
              "supervisors": {"segments": 0}
            },
            "Elixir.B": {}
          },
          "limits": {"term_depth": 3},
          "colour": "red"
        }
        """)

      assert {"", errors, 2} = cnode(["check", "--config", path])
      file = Regex.escape(Path.basename(path))

      for expected <- [
            ~r/#{file}:2: node\.nmae: unknown key, did you mean "name"\?/,
            ~r/#{file}:2: node\.hidden: expected true or false, got "yes"/,
            ~r/#{file}:6: pools\.Elixir\\\.A\.worker\.restart: expected .*permanent.*, got "sometimes"/,
            ~r/#{file}:7: pools\.Elixir\\\.A\.worker\.max: expected 1\.\.16000000.*, got "many"/,
            ~r/#{file}:7: pools\.Elixir\\\.A\.worker\.idle_timeout: expected .*, got "15 parsecs"/,
            ~r/#{file}:8: pools\.Elixir\\\.A\.supervisors\.segments: expected 1\.\.4096, got 0/,
            ~r/#{file}:10: pools\.Elixir\\\.B\.behaviour/,
            ~r/#{file}:12: limits\.term_depth: expected 16\.\.100000000, got 3/,
            ~r/#{file}:13: colour: unknown key/
          ] do
        assert errors =~ expected
      end
    end

    test "names a behaviour that is not there" do
      config = %{pools: %{"Elixir.A" => %{behaviour: "countr"}}, node: %{name: "a@127.0.0.1"}}
      assert {"", errors, 2} = check(config)
      assert errors =~ "pools.Elixir\\.A.behaviour"
      assert errors =~ "countr"
    end

    test "names a shared object that does not load" do
      node = %{name: "a@127.0.0.1"}
      assert {"", errors, 2} = check(%{behaviours: ["no/such.so"], node: node})
      assert errors =~ "no/such.so"
      text = write_config("not a shared object")
      assert {"", errors, 2} = check(%{behaviours: [text], node: node})
      assert errors =~ Path.basename(text)
    end

    test "a file that cannot be read is one line" do
      assert {"", errors, 2} = cnode(["check", "--config", "/no/such.json"])
      assert errors =~ "/no/such.json"
      assert length(String.split(errors, "\n", trim: true)) == 1
    end
  end

  describe "start refuses" do
    test "a configuration with mistakes, before anything is started" do
      assert {"", errors, 2} = cnode(["start", "--config", write_config(%{nodes: 1})])
      assert errors =~ "nodes: unknown key"
    end

    test "a name without a host" do
      config = write_config(%{})
      assert {"", errors, 2} = cnode(["start", "--config", config, "--name", "nohost"])
      assert errors =~ "nohost"
    end

    test "a cookie file that is missing or that others may read" do
      config = write_config(%{node: %{name: to_string(unique("c"))}})
      start = ["start", "--config", config, "--cookie-file"]
      no_cookie = [{"CNODE_COOKIE", nil}]
      assert {"", errors, 2} = cnode(start ++ ["/no/such.cookie"], no_cookie)
      assert errors =~ "/no/such.cookie"

      cookie = write_config("secret")
      File.chmod!(cookie, 0o644)
      assert {"", errors, 2} = cnode(start ++ [cookie], no_cookie)
      assert errors =~ Path.basename(cookie)
    end

    test "a port that is in use" do
      {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1}, reuseaddr: false)
      {:ok, port} = :inet.port(socket)

      config =
        write_config(%{node: %{name: to_string(unique("c")), port: port, listen: "127.0.0.1"}})

      assert {"", errors, 1} = cnode(["start", "--config", config])
      assert errors =~ "#{port}"
    end
  end

  describe "call" do
    test "prints the reply as an Erlang term", %{node: node} do
      counters = ["call", node, "Elixir.Demo.Counters", "123"]
      assert {"1\n", "", 0} = cnode(counters ++ ["increment"])
      assert {"{ok,6}\n", "", 0} = cnode(counters ++ ["{add, 5}"])
      assert {"6\n", "", 0} = cnode(counters ++ ["get"])
      kv = ["call", node, "Elixir.Demo.KV", "{user, 1}"]
      assert {"ok\n", "", 0} = cnode(kv ++ ["{put, <<1,2>>, #{"\#{a => [1, 2.5, \"text\"]}"}}"])
      assert {output, "", 0} = cnode(kv ++ ["{get, <<1,2>>}"])
      assert output =~ "a => [1,2.5,"
      assert {"error\n", "", 0} = cnode(kv ++ ["{get, nothing}"])
    end

    test "of a service needs no id", %{node: node} do
      assert {"{hello,'World',[1,2,3]}\n", "", 0} =
               cnode(["call", node, "echo", "{hello, 'World', [1, 2, 3]}"])
    end

    test "exits 1 when no reply comes", %{node: node} do
      assert {"", errors, 1} = cnode(["call", node, "Elixir.No.Pool", "1", "get"])
      assert errors =~ "Elixir.No.Pool"
      nobody = unique("nobody")
      assert {"", errors, 1} = cnode(["call", nobody, "Elixir.Demo.Counters", "1", "get"])
      assert errors =~ "#{nobody}"

      crash = ["call", node, "Elixir.Demo.Counters", "9", "'crash!'"]
      assert {"", errors, 1} = cnode(crash)
      assert errors =~ "User Initiated Crash"
    end

    test "with another cookie exits 1", %{node: node} do
      call = ["call", node, "Elixir.Demo.Counters", "1", "get"]
      assert {"", errors, 1} = cnode(call, [{"CNODE_COOKIE", "wrong"}])
      assert errors != ""
    end

    test "with arguments that make no sense exits 2", %{node: node} do
      for arguments <- [
            ["call", node],
            ["call", node, "Elixir.Demo.Counters", "123", "{add,"],
            ["call", node, "Elixir.Demo.Counters", "][", "get"],
            ["call", node, "Elixir.Demo.Counters", "1", "get", "--timeout", "soon"],
            ["call", node, "Elixir.Demo.Counters", "1", "get", "--tiemout", "1s"],
            ["call", "nohost", "Elixir.Demo.Counters", "1", "get"]
          ] do
        assert {"", errors, 2} = cnode(arguments)
        assert errors != ""
      end
    end

    test "leaves no trace in the cluster", %{node: node} do
      true = Node.connect(node)
      before = {Node.list(), Node.list(:hidden)}
      assert {_, _, 0} = cnode(["call", node, "echo", "hi"])
      assert {Node.list(), Node.list(:hidden)} == before
    end
  end

  test "version and help go to stdout with exit 0" do
    assert {version, "", 0} = cnode(["version"])
    assert version =~ ~r/\Acnode \d+\.\d+\.\d+/
    assert {help, "", 0} = cnode(["help"])
    for command <- ~w(start check call version help), do: assert(help =~ command)
    assert {start, "", 0} = cnode(["help", "start"])
    assert start =~ "--config"
  end

  test "what is no command exits 2 and names the nearest" do
    assert {"", errors, 2} = cnode(["strat"])
    assert errors =~ "start"
    assert {"", _, 2} = cnode([])
    assert {"", _, 2} = cnode(["start"])
  end
end
