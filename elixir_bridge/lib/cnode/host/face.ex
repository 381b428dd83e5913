# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Host.Face do
  @moduledoc false
  # A worker supervisor, as others see it: the calls of DynamicSupervisor. The
  # workers are their segments'; one counts for the face that first started it.
  use GenServer

  alias CNode.Host
  alias CNode.Host.{Envelope, Segment}

  @spec start_link({Host.t(), pos_integer()}) :: GenServer.on_start()
  def start_link({_host, _index} = face), do: GenServer.start_link(__MODULE__, face)

  @doc "How many workers count for it."
  @spec count(Host.t(), pos_integer()) :: non_neg_integer()
  def count(host, index), do: Host.size(host, {:supervisor, index})

  @impl true
  def init(face), do: {:ok, face}

  @impl true
  def handle_call({:start_child, spec}, from, {host, index} = face) do
    case Envelope.child(spec) do
      {:ok, {:ref, module, _} = ref, args, context} when module == host.worker ->
        Segment.start_worker(host, from, {ref, args, context}, index)
        {:noreply, face}

      {:ok, _ref, _args, _context} ->
        {:reply, {:error, {:wrong_module, host.worker}}, face}

      :error ->
        {:reply, {:error, {:invalid_child_spec, spec}}, face}
    end
  end

  def handle_call({:terminate_child, pid}, _from, {host, index} = face) do
    {:reply, terminate(host, index, pid), face}
  end

  def handle_call(:which_children, _from, {host, index} = face) do
    children =
      for [pid] <- :ets.match(host.table, {:_, :"$1", index}) do
        {:undefined, pid, :worker, [host.worker]}
      end

    {:reply, children, face}
  end

  def handle_call(:count_children, _from, {host, index} = face) do
    count = count(host, index)
    # A list crosses; DynamicSupervisor makes the map at the caller.
    {:reply, [specs: count, active: count, supervisors: 0, workers: count], face}
  end

  def handle_call(request, _from, face), do: {:reply, {:error, {:unsupported, request}}, face}

  defp terminate(_host, _index, pid) when not is_pid(pid), do: {:error, :not_found}

  defp terminate(host, index, pid) do
    case :ets.match(host.table, {:"$1", pid, index}) do
      [[ref]] ->
        if Segment.end_worker(Host.segment(host, ref), pid), do: :ok, else: {:error, :not_found}

      [] ->
        {:error, :not_found}
    end
  end
end
