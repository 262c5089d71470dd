"""A name server for one test: answers on UDP port 53 of 127.0.0.1, prints each name that it is asked for.

usage: names.py NAME=IPV4[,IPV4...][/IPV4...]...

A question of type A for NAME gets the addresses, the next one those behind the next `/`, and so on in turn; any other type
for it gets an empty answer, any other name NXDOMAIN.
"""

import socket
import struct
import sys

TYPE_A = 1
NXDOMAIN = 3


def read_question(message):
    """The name, the type, and where the question ends (RFC 1035 section 4.1.2)."""
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode("ascii"))
        at += 1 + message[at]
    (kind,) = struct.unpack_from("!H", message, at + 1)
    return ".".join(labels).lower(), kind, at + 5


def answer(message, answers):
    name, kind, end = read_question(message)
    print("asked", name, kind, flush=True)
    code = 0 if name in answers else NXDOMAIN
    addresses = []
    if name in answers and kind == TYPE_A:
        addresses = answers[name].pop(0)
        answers[name].append(addresses)
    # An answer, recursion desired and available; one question.
    head = message[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
    record = struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, 0, 4)
    return head + message[12:end] + b"".join(record + socket.inet_aton(address) for address in addresses)


def main():
    words = (word.split("=", 1) for word in sys.argv[1:])
    answers = {name: [turn.split(",") for turn in turns.split("/")] for name, turns in words}
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    print("ready", flush=True)
    while True:
        message, client = server.recvfrom(4096)
        server.sendto(answer(message, answers), client)


main()
