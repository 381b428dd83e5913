# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Host.Envelope do
  @moduledoc false
  # What a host reads of AdvancedPool's terms. Everything here comes from other
  # nodes.

  @doc "The ref of a recipient; nil: it is none."
  @spec ref(term()) :: :cnode_pool.ref() | nil
  def ref({:link, _node, _pid, recipient}), do: ref(recipient)
  def ref({:ref, module, _id} = ref) when is_atom(module), do: ref
  def ref(_other), do: nil

  @doc "The envelope is for this worker, or what its caller gets."
  @spec check(term(), :cnode_pool.ref()) :: :ok | term()
  def check(recipient, own) do
    case ref(recipient) do
      ^own -> :ok
      nil -> {:error, :message_delivery_error}
      _other -> {:nz_ap_forward, nil}
    end
  end

  @doc "Whether the settings allow to start the worker."
  @spec spawn?(term()) :: boolean()
  def spawn?({:settings, _, true, _, _, _, _}), do: true
  def spawn?(_settings), do: false

  @doc "Its sender is told that it was handled, if it wants to know."
  @spec acknowledge(term(), term()) :: :ok
  def acknowledge({:settings, _, _, _, true, _, _}, {pid, _} = identifier) when is_pid(pid) do
    send(pid, {:ack, :process, identifier})
    :ok
  end

  def acknowledge(_settings, _identifier), do: :ok

  @doc "How long the caller waits."
  @spec timeout(term()) :: timeout()
  def timeout({:settings, _, _, _, _, _, timeout})
      when timeout == :infinity or (is_integer(timeout) and timeout > 0),
      do: timeout

  def timeout(_settings), do: 60_000

  @doc "A kill! that says that the worker must not come back."
  @spec kills_for_good?(term()) :: boolean()
  # The list may be improper: it comes from anywhere.
  def kills_for_good?({:s, :kill!, context, [option | options]}) do
    option == {:restart, false} or kills_for_good?({:s, :kill!, context, options})
  end

  def kills_for_good?(_message), do: false

  @doc "The context of an inner message."
  @spec context(term()) :: term()
  def context({:s, _, context, _}), do: context
  def context(_other), do: nil

  @doc "AdvancedPool's Worker.State, the answer to a fetch of the state."
  @spec worker_state(:cnode_pool.ref(), module(), term()) :: map()
  def worker_state(ref, module, shown) do
    %{
      __struct__: Noizu.AdvancedPool.Worker.State,
      identifier: ref,
      handler: module,
      status: :loaded,
      status_info: nil,
      worker: shown,
      aux: nil,
      book_keeping: nil,
      vsn: 1.0
    }
  end

  @doc "The ref, arguments and context in a child spec of AdvancedPool."
  @spec child(term()) :: {:ok, :cnode_pool.ref(), term(), term()} | :error
  def child({{_module, :start_link, [ref | rest]}, _, _, _, _}), do: child(ref, rest)
  def child(%{start: {_module, :start_link, [ref | rest]}}), do: child(ref, rest)
  def child(_other), do: :error

  defp child({:ref, module, _id} = ref, rest) when is_atom(module) do
    case rest do
      [[args], context | _] -> {:ok, ref, args, context}
      [args, context | _] -> {:ok, ref, args, context}
      [args] -> {:ok, ref, args, nil}
      [] -> {:ok, ref, [], nil}
      _improper -> :error
    end
  end

  defp child(_ref, _rest), do: :error
end
