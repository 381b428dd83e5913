# SPDX-License-Identifier: Apache-2.0
defmodule CNode.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :cnode,
      version: @version,
      elixir: "~> 1.14",
      description: "Call supervised workers that live in C as if they were GenServers",
      elixirc_paths: elixirc_paths(Mix.env()),
      erlc_options: [:debug_info, :warn_missing_spec],
      start_permanent: false,
      aliases: [test: [&on_private_epmd/1, "test"]],
      package: [licenses: ["Apache-2.0"], files: ~w(lib src priv mix.exs README.md)],
      # None, on purpose: :telemetry is used when the application has it.
      deps: []
    ]
  end

  def application, do: [mod: {CNode.Application, []}, extra_applications: [:logger]]

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_env), do: ["lib"]

  # The tests start distributed nodes, and a BEAM learns the port of epmd when
  # it starts. So `mix test` runs itself again with a port of its own.
  defp on_private_epmd(_args) do
    if System.get_env("ERL_EPMD_PORT") == nil do
      {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
      {:ok, port} = :inet.port(socket)
      :ok = :gen_tcp.close(socket)

      {_output, status} =
        System.cmd("mix", System.argv(),
          env: [{"ERL_EPMD_PORT", Integer.to_string(port)}, {"MIX_ENV", "test"}],
          into: IO.stream()
        )

      System.halt(status)
    end
  end
end
