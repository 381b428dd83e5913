# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Options do
  @moduledoc false
  # Options against a table of `key: {check, default, text}`. A default of
  # :required must be given. Every mistake is one readable ArgumentError.

  @type check :: (term() -> boolean())
  @type table :: [{atom(), {check(), term(), String.t()}}]

  @spec validate!(term(), table(), String.t()) :: map()
  def validate!(options, table, whose) do
    if not Keyword.keyword?(options) do
      raise ArgumentError, "#{whose}: expected a keyword list, got #{inspect(options)}"
    end

    Enum.each(Keyword.keys(options), &known!(&1, table, whose))
    Map.new(table, &value!(&1, options, whose))
  end

  defp known!(key, table, whose) do
    if not Keyword.has_key?(table, key) do
      raise ArgumentError, "#{whose}: unknown option #{inspect(key)}#{hint(key, table)}"
    end
  end

  defp value!({key, {check, default, expected}}, options, whose) do
    case Keyword.fetch(options, key) do
      {:ok, value} ->
        if not check.(value) do
          raise ArgumentError,
                "#{whose}: option #{inspect(key)}: expected #{expected}, got #{inspect(value)}"
        end

        {key, value}

      :error when default == :required ->
        raise ArgumentError,
              "#{whose}: option #{inspect(key)} is missing: expected #{expected}"

      :error ->
        {key, default}
    end
  end

  defp hint(key, table) do
    nearest = table |> Keyword.keys() |> Enum.max_by(&similarity(&1, key))

    if similarity(nearest, key) > 0.75 do
      ", did you mean #{inspect(nearest)}?"
    else
      ", known are #{table |> Keyword.keys() |> Enum.map_join(", ", &inspect/1)}"
    end
  end

  defp similarity(one, other), do: String.jaro_distance(to_string(one), to_string(other))

  # Checks that several tables share.

  @spec node_name?(term()) :: boolean()
  def node_name?(value) do
    is_atom(value) and Regex.match?(~r/\A[^@\s]+@[^@\s]+\z/, Atom.to_string(value))
  end

  @spec node_names?(term()) :: boolean()
  def node_names?(value) do
    is_list(value) and value != [] and Enum.all?(value, &node_name?/1) and
      Enum.uniq(value) == value
  end

  @spec name?(term()) :: boolean()
  def name?(value), do: is_atom(value) and value not in [nil, true, false]

  @spec timeout?(term()) :: boolean()
  def timeout?(value), do: value == :infinity or positive?(value)

  @spec positive?(term()) :: boolean()
  def positive?(value), do: is_integer(value) and value > 0

  @spec text?(term()) :: boolean()
  def text?(value), do: is_binary(value) and value != "" and not String.contains?(value, <<0>>)

  @spec texts?(term()) :: boolean()
  def texts?(value), do: is_list(value) and Enum.all?(value, &text?/1)
end
