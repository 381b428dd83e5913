# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Logfmt do
  @moduledoc """
  Reads the log lines of the executable: `key=value key="quoted value"`.
  """

  @doc """
  The pairs of a line in order. What is not a pair is skipped: a log line must
  never hurt its reader.

      iex> CNode.Logfmt.parse(~s(level=warn event=peer_lost peer="a b" text="say \\\\"hi\\\\"\\\\n"))
      [{"level", "warn"}, {"event", "peer_lost"}, {"peer", "a b"}, {"text", "say \\"hi\\"\\n"}]
      iex> CNode.Logfmt.parse("no pairs here")
      []
  """
  @spec parse(String.t()) :: [{String.t(), String.t()}]
  def parse(line), do: pairs(line, [])

  defp pairs(line, found) do
    case Regex.run(~r/\A[^=]*?([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)/s, line, return: :index) do
      [{0, length}, key, value] ->
        pair = {part(line, key), unquoted(part(line, value))}
        pairs(binary_part(line, length, byte_size(line) - length), [pair | found])

      nil ->
        Enum.reverse(found)
    end
  end

  defp part(line, {start, length}), do: binary_part(line, start, length)

  defp unquoted(~s(") <> quoted) do
    quoted |> binary_part(0, byte_size(quoted) - 1) |> unescape()
  end

  defp unquoted(plain), do: plain

  defp unescape(text) do
    Regex.replace(~r/\\(x[0-9a-f]{2}|.)/s, text, fn
      _, "n" -> "\n"
      _, "t" -> "\t"
      _, "x" <> <<hex::binary-size(2)>> -> <<String.to_integer(hex, 16)>>
      _, other -> other
    end)
  end
end
