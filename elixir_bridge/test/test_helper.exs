# SPDX-License-Identifier: Apache-2.0
# Tests of workers in C carry the tag :cnode and are skipped without the
# executable; tests with syn carry :syn, and are skipped unless CNODE_SYN_EBIN
# names its ebin folder (of several, separated by colons, the last is taken).
syn = "CNODE_SYN_EBIN" |> System.get_env("") |> String.split(":", trim: true) |> List.last()
if syn, do: true = Code.append_path(syn)

excluded =
  if(CNode.TestNode.executable(), do: [], else: [:cnode]) ++ if(syn, do: [], else: [:syn])

if :syn in excluded,
  do: IO.puts("CNODE_SYN_EBIN names no syn: its tests are left out, see the number of excluded")

CNode.TestNode.start_distribution()
ExUnit.start(exclude: excluded, capture_log: true)
