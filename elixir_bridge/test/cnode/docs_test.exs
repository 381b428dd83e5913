# SPDX-License-Identifier: Apache-2.0
defmodule CNode.DocsTest do
  use ExUnit.Case, async: true

  doctest CNode
  doctest CNode.Logfmt

  test "every public module has documentation" do
    {:ok, modules} = :application.get_key(:cnode, :modules)

    for module <- modules, match?("Elixir.CNode" <> _, Atom.to_string(module)) do
      assert {:docs_v1, _, _, _, doc, _, _} = Code.fetch_docs(module)
      assert doc != :none, "#{inspect(module)} has no moduledoc"
    end
  end
end
