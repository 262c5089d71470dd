"""A name server for one test: answers on UDP port 53 of 127.0.0.1, prints each name that it is asked for.

usage: names.py NAME=IPV4...

A question of type A for NAME gets the address, any other type for it an empty answer, any other name NXDOMAIN.
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


def answer(message, addresses):
    name, kind, end = read_question(message)
    print("asked", name, kind, flush=True)
    found = name in addresses and kind == TYPE_A
    code = 0 if name in addresses else NXDOMAIN
    # An answer, recursion desired and available; one question, perhaps one record.
    head = message[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, int(found), 0, 0)
    if not found:
        return head + message[12:end]
    record = struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, 60, 4) + socket.inet_aton(addresses[name])
    return head + message[12:end] + record


def main():
    addresses = dict(word.split("=", 1) for word in sys.argv[1:])
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    print("ready", flush=True)
    while True:
        message, client = server.recvfrom(4096)
        server.sendto(answer(message, addresses), client)


main()
