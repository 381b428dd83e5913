# SPDX-License-Identifier: Apache-2.0
# Tests of workers in C carry the tag :cnode and are skipped without the
# executable.
excluded = if CNode.TestNode.executable(), do: [], else: [:cnode]
CNode.TestNode.start_distribution()
ExUnit.start(exclude: excluded, capture_log: true)
