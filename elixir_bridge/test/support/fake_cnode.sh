#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Stands in for the executable where only its manners as a program matter.
# FAKE_CNODE says how: ready (default), silent, fails, stubborn, crashes.
printf 'arguments %s\n' "$*" >&2
printf 'ts=2026-01-01T00:00:00.000Z level=warn event=starting cookie=%s\n' "${CNODE_COOKIE:-none}" >&2
case ${FAKE_CNODE:-ready} in
fails)
    echo 'cnode.json:3: node.nmae: unknown key, did you mean "name"?' >&2
    exit 2
    ;;
stubborn) trap '' TERM ;;
*) trap 'echo "level=info event=stopping" >&2; exit 0' TERM ;;
esac
[ "$FAKE_CNODE" = silent ] || echo 'ready name=fake@127.0.0.1 port=1 creation=7 pools=Elixir.A behaviours=echo'
[ "$FAKE_CNODE" = crashes ] && exit 3
while :; do sleep 0.05; done
