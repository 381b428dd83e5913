# SPDX-License-Identifier: Apache-2.0
defmodule CNode.WorkersOnBeamTest do
  use CNode.WorkerSemantics, host: :beam
end
