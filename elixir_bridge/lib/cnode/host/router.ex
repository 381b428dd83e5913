# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Host.Router do
  @moduledoc false
  # The process with the pool's name: passes envelopes on to the segment of their
  # ref, and answers as the pool's supervisor.
  use GenServer

  alias CNode.Host
  alias CNode.Host.{Envelope, Face, Reply, Segment}

  @spec start_link(Host.t()) :: GenServer.on_start()
  def start_link(host), do: GenServer.start_link(__MODULE__, host, name: host.pool)

  @doc "Its worker supervisors that are up."
  @spec faces(Host.t()) :: [{pos_integer(), pid()}]
  def faces(host) do
    for {{:worker_supervisor, index}, pid, _, _} <- children(host), is_pid(pid), do: {index, pid}
  end

  @doc "One more worker supervisor."
  @spec add_face(Host.t()) :: {:ok, pid()} | {:error, term()}
  def add_face(host) do
    taken = for {{:worker_supervisor, index}, _, _, _} <- children(host), do: index
    index = Enum.max(taken, fn -> 0 end) + 1
    spec = Supervisor.child_spec({Face, {host, index}}, id: {:worker_supervisor, index})
    Supervisor.start_child(supervisor(host), spec)
  end

  @doc "It goes; its workers live on and count for none."
  @spec remove_face(Host.t(), pid()) :: :ok | {:error, :not_found}
  def remove_face(host, pid) do
    case List.keyfind(faces(host), pid, 1) do
      {index, ^pid} ->
        id = {:worker_supervisor, index}
        :ok = Supervisor.terminate_child(supervisor(host), id)
        Supervisor.delete_child(supervisor(host), id)

      nil ->
        {:error, :not_found}
    end
  end

  defp children(host), do: Supervisor.which_children(supervisor(host))
  defp supervisor(host), do: Host.name(host.pool, PoolSupervisor)

  @impl true
  def init(host), do: {:ok, host}

  @impl true
  def handle_call({:msg_envelope, _, _, recipient, _, _} = envelope, from, host) do
    route(host, Envelope.ref(recipient), from, envelope)
    {:noreply, host}
  end

  def handle_call({:start_child, spec}, _from, host), do: {:reply, start_child(host, spec), host}

  def handle_call({:terminate_child, id}, _from, host) do
    {:reply, child(host, id, &Supervisor.terminate_child/2), host}
  end

  def handle_call({:delete_child, id}, _from, host) do
    {:reply, child(host, id, &Supervisor.delete_child/2), host}
  end

  def handle_call({:restart_child, id}, _from, host) do
    {:reply, child(host, id, &Supervisor.restart_child/2), host}
  end

  def handle_call(:which_children, _from, host) do
    supervisors = [Noizu.AdvancedPool.WorkerSupervisor]

    {:reply, for({id, pid, _, _} <- supervised(host), do: {id, pid, :supervisor, supervisors}),
     host}
  end

  def handle_call(:count_children, _from, host) do
    children = supervised(host)
    active = Enum.count(children, fn {_, pid, _, _} -> is_pid(pid) end)

    {:reply, [specs: length(children), active: active, supervisors: length(children), workers: 0],
     host}
  end

  def handle_call(request, _from, host), do: {:reply, {:error, {:unsupported, request}}, host}

  @impl true
  def handle_cast({:msg_envelope, _, _, recipient, _, _} = envelope, host) do
    route(host, Envelope.ref(recipient), nil, envelope)
    {:noreply, host}
  end

  def handle_cast(_other, host) do
    Host.count_dead_letter(host)
    {:noreply, host}
  end

  @impl true
  def handle_info({:msg_envelope, _, _, _, _, _} = envelope, host),
    do: handle_cast(envelope, host)

  def handle_info(_message, host), do: {:noreply, host}

  defp route(%{worker: worker} = host, {:ref, worker, _id} = ref, from, envelope) do
    Segment.deliver(host, ref, from, envelope)
  end

  defp route(host, nil, from, _envelope) do
    Reply.refuse(host, from, {:error, :message_delivery_error})
  end

  defp route(host, _other, from, _envelope), do: Reply.refuse(host, from, {:nz_ap_forward, nil})

  # What AdvancedPool sends to have one more worker supervisor.
  defp start_child(host, %{start: {module, :start_link, _arguments}}) do
    if module == Noizu.AdvancedPool.WorkerSupervisor do
      add_face(host)
    else
      {:error, {:unsupported, module}}
    end
  end

  defp start_child(_host, spec), do: {:error, {:invalid_child_spec, spec}}

  # Of a supervisor's children others may touch the worker supervisors.
  defp child(host, {:worker_supervisor, _} = id, function), do: function.(supervisor(host), id)
  defp child(_host, _id, _function), do: {:error, :not_found}

  defp supervised(host) do
    Enum.filter(children(host), fn {id, _, _, _} ->
      match?({:worker_supervisor, _}, id) or match?({:segment, _}, id)
    end)
  end
end
