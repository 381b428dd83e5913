# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Worker do
  @moduledoc """
  A worker of a pool that is hosted on a BEAM, in plain Elixir: what
  `<cnode/behaviour.h>` is to one in C. Callers do not see which of the two they
  talk to.

      defmodule Demo.Counters.Worker do
        use CNode.Worker

        @impl true
        def init(_ref, _args, _context), do: {:ok, 0}

        @impl true
        def handle_call(:increment, _from, count), do: {:reply, count + 1, count + 1}
      end

      defmodule Demo.Counters do
        use CNode.Pool, nodes: [:"c1@127.0.0.1", :"b1@127.0.0.1"]
      end

      # on b1, under a supervisor
      children = [{Demo.Counters, host: true}]

  Messages arrive without their envelope; `context/0` is the call context that
  came with the one being handled, `options/0` its options. The handlers return
  what those of `GenServer` do (timeouts in the return are not supported: use
  `Process.send_after/3`). A call that no clause of `handle_call/3` takes is
  answered `{:unhandled, message}`, as by a worker in C; other messages that
  nobody takes are dropped. For that `use CNode.Worker` puts a last clause behind
  yours.

  All callbacks but `c:init/3` are optional.
  """

  @type state :: term()
  @type reason :: term()
  @type reply ::
          {:reply, term(), state()}
          | {:noreply, state()}
          | {:stop, reason(), term(), state()}
          | {:stop, reason(), state()}

  @doc """
  The worker starts. `args` is what its starter gave, `[]` when it starts by its
  first message; `context` is the call context of that message. `{:stop, reason}`:
  it does not start, and whoever wanted it gets `{:error, reason}`.
  """
  @callback init(ref :: :cnode_pool.ref(), args :: term(), context :: term()) ::
              {:ok, state()} | {:stop, reason()}

  @doc "Once, before its first message, and again for `reload!`."
  @callback load(state()) :: {:ok, state()} | {:stop, reason()}

  @doc "A call."
  @callback handle_call(call :: term(), from :: GenServer.from(), state()) :: reply()

  @doc "A cast, or an envelope that was sent as a plain message."
  @callback handle_cast(cast :: term(), state()) ::
              {:noreply, state()} | {:stop, reason(), state()}

  @doc "Any other message."
  @callback handle_info(message :: term(), state()) ::
              {:noreply, state()} | {:stop, reason(), state()}

  @doc "The worker ends."
  @callback terminate(reason(), state()) :: term()

  @doc "The worker had no message for the pool's idle time-out: `:ok` ends it, `:wait` asks again later."
  @callback offload(state()) :: :ok | :wait

  @doc "What `fetch/2` gives, for anything but `:process`; by default the state for `:state`."
  @callback fetch(what :: term(), state()) :: {:reply, term(), state()}

  @doc "Writes the state somewhere, for `persist!`; `:not_supported` by default."
  @callback persist(state()) :: {:reply, term(), state()}

  @doc "How it is, for `health`: any term."
  @callback health(state()) :: term()

  @optional_callbacks load: 1,
                      handle_call: 3,
                      handle_cast: 2,
                      handle_info: 2,
                      terminate: 2,
                      offload: 1,
                      fetch: 2,
                      persist: 1,
                      health: 1

  defmacro __using__(_options) do
    quote location: :keep do
      @behaviour CNode.Worker
      @before_compile CNode.Worker
      import CNode.Worker, only: [context: 0, options: 0]

      @doc false
      def __cnode_worker__, do: true
    end
  end

  # Behind the user's clauses: what nobody takes.
  @doc false
  defmacro __before_compile__(_env) do
    quote generated: true, location: :keep do
      def handle_call(_call, _from, _state), do: :unhandled
      def handle_cast(_cast, _state), do: :unhandled
      def handle_info(_message, _state), do: :unhandled
    end
  end

  @doc "The call context that came with the message being handled; `nil` if none did."
  @spec context() :: term()
  def context, do: Process.get(:"$cnode_context")

  @doc "The options that came with the message being handled."
  @spec options() :: term()
  def options, do: Process.get(:"$cnode_options")
end
