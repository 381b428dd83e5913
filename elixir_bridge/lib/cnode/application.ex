# SPDX-License-Identifier: Apache-2.0
defmodule CNode.Application do
  @moduledoc false
  use Application

  @impl true
  def start(_type, _arguments) do
    Supervisor.start_link([CNode.Admin], strategy: :one_for_one, name: CNode.Supervisor)
  end
end
