#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what a real BEAM says on a distribution connection.

    scripts/record_frames.py 25 >tests/golden/frames_otp25.txt
    scripts/record_frames.py 27 >tests/golden/frames_otp27.txt

A throw-away peer, made of nothing but a socket, shakes hands with a BEAM and
has it run a scenario that uses every control message it will send. Release 25
is the one of this machine; others run through scripts/otp.sh. No epmd is
needed. The file has one section for each connection:

    connection NAME dials|accepts   what the BEAM did; the peer did the opposite
    peer NAME / flags / creation / challenge / cookie   what the peer said
    handshake > HEX                 the BEAM's packets, in order
    handshake < HEX                 the peer's
    frame OP HEX                    the BEAM's frames; OP: of the control tuple,
                                    "next" for further fragments
    end

In HEX, `78*1000` stands for a thousand bytes 78.
"""
import hashlib
import os
import re
import socket
import struct
import subprocess
import sys
import time

PORT = 41700
BEAM = 'beam@127.0.0.1'
PEER = 'peer@127.0.0.2'  # another address: each node has the port for itself
COOKIE = 'apple'
CREATION = 1000
CHALLENGE = 0xF0000001
ALL_FLAGS = 0x2D07DF5FBD
FRAGMENTS, EXIT_PAYLOAD, SEND_SENDER = 0x800000, 0x400000, 0x80000
SPAWN, ALIAS, ALTACT_SIG = 1 << 32, 8 << 32, 32 << 32
OLD_FLAGS = ALL_FLAGS & ~(FRAGMENTS | EXIT_PAYLOAD | SEND_SENDER | SPAWN |
                          ALIAS | ALTACT_SIG)

SCENARIO = r'''
Peer = '@PEER@', Name = atom_to_binary(Peer), Len = byte_size(Name),
Pid = binary_to_term(<<131,88,119,Len,Name/binary,5:32,0:32,1000:32>>),
Ref = binary_to_term(<<131,90,3:16,119,Len,Name/binary,1000:32,7:32,8:32,9:32>>),
Self = self(), register(main, Self),
register(victim, spawn(fun() -> receive after infinity -> ok end end)),
Wait = fun Wait() -> nodes(connected) =/= [] orelse begin timer:sleep(20), Wait() end end,
In = fun(F) -> {P, M} = spawn_monitor(F), receive {'DOWN', M, process, P, _} -> ok end end,
@CONNECT@, Wait(),
{collector, Peer} ! hello,
receive go -> ok end,
Pid ! {to_pid, 1, -1, 1 bsl 40, -(1 bsl 70), 1.5, "abc", <<"bin">>, <<5:3>>, [a | b]},
{collector, Peer} ! #{ {tuple, key} => fun lists:map/2, self() => make_ref() },
erlang:send(Ref, to_alias),
gen_server:send_request(Pid, request),
gen_server:cast({collector, Peer}, cast),
M1 = monitor(process, Pid), demonitor(M1),
M2 = monitor(process, {collector, Peer}), demonitor(M2),
In(fun() -> link(Pid), exit(reason_of_link) end),
In(fun() -> link(Pid), unlink(Pid) end),
exit(Pid, reason_of_exit),
group_leader(Self, Pid),
spawn_request(Peer, erlang, self, [], [monitor]),
In(fun() -> Pid ! binary:copy(<<"x">>, 200000) end),
In(fun() -> {collector, Peer} ! {big, binary:copy(<<"y">>, 65536)} end),
In(fun() -> seq_trace:set_token(label, 17), Pid ! traced, {collector, Peer} ! traced,
    erlang:send(Ref, traced), exit(Pid, traced), link(Pid), exit(traced) end),
exit(whereis(victim), reason_of_monitor),
timer:sleep(200),
{collector, Peer} ! bye,
timer:sleep(2000), halt(0).
'''


# --- the few terms the peer writes -------------------------------------------

def atom(text):
    return struct.pack('>BB', 119, len(text)) + text.encode()


def small(n):
    return bytes([97, n])


def tup(*elements):
    return bytes([104, len(elements)]) + b''.join(elements)


NIL = b'\x6a'
PEER_PID = b'\x58' + atom(PEER) + struct.pack('>III', 5, 0, CREATION)


def ref(n):
    return (b'\x5a' + struct.pack('>H', 3) + atom(PEER) +
            struct.pack('>IIII', CREATION, n, 8, 9))


# --- packets -------------------------------------------------------------------

class Connection:
    def __init__(self, sock, flags):
        self.sock, self.flags, self.log = sock, flags, []
        self.modern = bool(flags & FRAGMENTS)
        sock.settimeout(20)

    def read(self, n):
        data = b''
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                sys.exit('the BEAM closed the connection')
            data += more
        return data

    def read_packet(self):
        head = self.read(2)
        body = self.read(struct.unpack('>H', head)[0])
        self.log.append(f'handshake > {compact(head + body)}')
        return body

    def write_packet(self, body):
        data = struct.pack('>H', len(body)) + body
        self.log.append(f'handshake < {compact(data)}')
        self.sock.sendall(data)

    def read_frame(self):
        """The body of the next frame that is no tick."""
        while True:
            head = self.read(4)
            body = self.read(struct.unpack('>I', head)[0])
            if body:
                self.log.append(f'frame {operation(body)} '
                                f'{compact(head + body)}')
                return body
            self.log.append(f'frame tick {head.hex()}')

    def write_frame(self, control, payload=b''):
        if self.modern:
            body = b'\x83\x44\x00' + control + payload
        else:
            body = b'\x70\x83' + control + (payload and b'\x83' + payload)
        self.sock.sendall(struct.pack('>I', len(body)) + body)


def compact(data):
    """HEX with runs of one byte abbreviated."""
    out, at = [], 0
    for match in re.finditer(rb'(.)\1{31,}', data, re.DOTALL):
        out += [data[at:match.start()].hex(),
                f'{match[1][0]:02x}*{len(match[0])}']
        at = match.end()
    return ' '.join(part for part in out + [data[at:].hex()] if part)


def operation(body):
    if body[:2] == b'\x83\x46':
        return 'next'
    at = {b'\x70\x83': 2, b'\x83\x44': 3, b'\x83\x45': 19}[body[:2]]
    assert body[at] == 104 and body[at + 2] == 97, body[:40].hex()
    return body[at + 3]


def digest(challenge):
    return hashlib.md5(f'{COOKIE}{challenge}'.encode()).digest()


def name_packet(flags, middle, name):
    return (struct.pack('>cQ', b'N', flags) + middle +
            struct.pack('>H', len(name)) + name.encode())


def accept_handshake(c):
    c.read_packet()
    c.write_packet(b'sok')
    c.write_packet(name_packet(c.flags, struct.pack('>II', CHALLENGE, CREATION),
                               PEER))
    reply = c.read_packet()
    assert reply[5:] == digest(CHALLENGE), 'wrong digest'
    c.write_packet(b'a' + digest(struct.unpack('>I', reply[1:5])[0]))


def dial_handshake(c):
    c.write_packet(name_packet(c.flags, struct.pack('>I', CREATION), PEER))
    assert c.read_packet() == b'sok'
    challenge = struct.unpack('>I', c.read_packet()[9:13])[0]
    c.write_packet(struct.pack('>cI', b'r', CHALLENGE) + digest(challenge))
    assert c.read_packet() == b'a' + digest(CHALLENGE)


# --- the scenario ----------------------------------------------------------------

def run_scenario(c):
    body = c.read_frame()
    while b'\x05hello' not in body:
        body = c.read_frame()
    at = body.index(b'\x68\x04\x61\x06') + 4
    beam_pid = body[at:at + 3 + body[at + 2] + 12]

    c.write_frame(tup(small(1), PEER_PID, beam_pid))
    c.write_frame(tup(small(35), small(9), PEER_PID, beam_pid))
    c.write_frame(tup(small(19), PEER_PID, atom('victim'), ref(20)))
    c.write_frame(tup(small(19), PEER_PID, atom('nobody'), ref(21)))
    for number, options in ((22, NIL), (23, b'\x6c\0\0\0\1' + atom('monitor') +
                                        NIL)):
        mfa = tup(atom('erlang'), atom('self'), small(0))
        c.write_frame(tup(small(29), ref(number), PEER_PID, beam_pid, mfa,
                          options), NIL)
    c.write_frame(tup(small(6), PEER_PID, atom(''), atom('main')), atom('go'))
    while b'\x03bye' not in body:
        body = c.read_frame()


def start_beam(release, connect):
    scenario = (SCENARIO.replace('@PEER@', PEER).replace('@CONNECT@', connect)
                .replace('\n', ' '))
    command = ['erl', '-noinput', '-start_epmd', 'false', '-erl_epmd_port',
               str(PORT), '-name', BEAM, '-setcookie', COOKIE, '-kernel',
               'inet_dist_use_interface', '{127,0,0,1}', '-eval', scenario]
    if release != '25':
        script = os.path.join(os.path.dirname(__file__), 'otp.sh')
        command = [script, 'run', release] + command
    # An epmd port at which nobody is, so that no real one learns of this node.
    return subprocess.Popen(command, stdout=sys.stderr, stdin=subprocess.DEVNULL,
                            env=dict(os.environ, ERL_EPMD_PORT='41799',
                                     ERL_CRASH_DUMP_SECONDS='0'))


def dial_beam():
    for _ in range(200):
        try:
            return socket.create_connection(('127.0.0.1', PORT), 1)
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit('the BEAM does not listen')


def record(release, name, beam_dials, flags):
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(('127.0.0.2', PORT))
        server.listen()
        server.settimeout(20)
        beam = start_beam(release, f"net_kernel:connect_node('{PEER}')"
                          if beam_dials else 'ok')
        try:
            c = Connection(server.accept()[0] if beam_dials else dial_beam(),
                           flags)
            (accept_handshake if beam_dials else dial_handshake)(c)
            run_scenario(c)
            c.sock.close()
        finally:
            beam.kill()
            beam.wait()
    print(f'connection {name} {"dials" if beam_dials else "accepts"}')
    print(f'peer {PEER}\nflags {flags:x}\ncreation {CREATION}\n'
          f'challenge {CHALLENGE}\ncookie {COOKIE}')
    print('\n'.join(c.log))
    print('end')


def main():
    release = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    print(f'# OTP {release}, recorded by scripts/record_frames.py')
    record(release, 'modern', True, ALL_FLAGS)
    record(release, 'old', False, OLD_FLAGS)


if __name__ == '__main__':
    main()
