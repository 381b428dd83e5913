# SPDX-License-Identifier: Apache-2.0
defmodule CNode.WorkersInCTest do
  use CNode.WorkerSemantics, host: :c
end
