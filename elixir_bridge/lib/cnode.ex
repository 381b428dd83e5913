# SPDX-License-Identifier: Apache-2.0
defmodule CNode do
  @external_resource readme = Path.expand("../README.md", __DIR__)

  @moduledoc readme |> File.read!() |> String.split("\n", parts: 3) |> List.last()

  @doc """
  What the running node says of itself when it is ready, as a map; `:error` for
  any other line.

      iex> CNode.parse_ready("ready name=c1@127.0.0.1 port=41234 creation=123 pools=Elixir.A,Elixir.B behaviours=echo")
      {:ok,
       %{
         name: :"c1@127.0.0.1",
         port: 41234,
         creation: 123,
         pools: ["Elixir.A", "Elixir.B"],
         behaviours: ["echo"]
       }}
      iex> CNode.parse_ready("ts=2026-01-01T00:00:00.000Z level=info event=listening")
      :error
  """
  @spec parse_ready(String.t()) :: {:ok, map()} | :error
  def parse_ready("ready " <> fields) do
    pairs = Map.new(CNode.Logfmt.parse(fields))

    with %{"name" => name, "port" => port, "creation" => creation} <- pairs,
         {port, ""} <- Integer.parse(port),
         {creation, ""} <- Integer.parse(creation) do
      {:ok,
       %{
         name: String.to_atom(name),
         port: port,
         creation: creation,
         pools: names(pairs["pools"]),
         behaviours: names(pairs["behaviours"])
       }}
    else
      _ -> :error
    end
  end

  def parse_ready(_line), do: :error

  defp names(nil), do: []
  defp names(text), do: String.split(text, ",", trim: true)
end
