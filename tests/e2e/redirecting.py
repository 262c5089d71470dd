"""A registry for the address check: answers on every address given, sends blobs and tokens elsewhere, keeps who connected.

usage: redirecting.py LABEL=URL... -- ADDRESS...

It listens on port 80 of each ADDRESS. A GET of /v2/to/LABEL/blobs/... there is a redirect to URL, /v2/to/LABEL/manifests/...
is a challenge with URL as its realm and LABEL as its service, /accepted is the list of the addresses that were connected to,
in order, and everything else is the blob itself.
"""

import selectors
import socket
import sys

BLOB = b"a blob of a registry\n"


def listen(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 80))
    listener.listen(64)
    return listener


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(65536)
        if not part:
            return None
        head += part
    return head.decode("latin-1").split(" ")[:2]


def answer(path, targets, accepted):
    if path == "/accepted":
        return "200 OK", [], "".join(address + "\n" for address in accepted).encode()
    parts = path.split("?")[0].split("/")
    if parts[1:3] == ["v2", "to"] and parts[4:5] == ["blobs"]:
        return "307 Temporary Redirect", ["Location: " + targets[parts[3]]], b""
    if parts[1:3] == ["v2", "to"] and parts[4:5] == ["manifests"]:
        challenge = 'Bearer realm="%s",service="%s"' % (targets[parts[3]], parts[3])
        return "401 Unauthorized", ["WWW-Authenticate: " + challenge], b""
    return "200 OK", ["Content-Type: application/octet-stream"], BLOB


def serve(connection, targets, accepted):
    connection.settimeout(5)
    request = read_head(connection)
    if request is None:
        return
    method, path = request
    status, fields, body = answer(path, targets, accepted)
    head = ["HTTP/1.1 " + status, "Content-Length: %d" % len(body), "Connection: close", *fields, "", ""]
    connection.sendall("\r\n".join(head).encode() + (b"" if method == "HEAD" else body))


def main():
    split = sys.argv.index("--")
    targets = dict(word.split("=", 1) for word in sys.argv[1:split])
    selector, accepted = selectors.DefaultSelector(), []
    for address in sys.argv[split + 1:]:
        try:
            selector.register(listen(address), selectors.EVENT_READ, address)
        except OSError as error:
            # A machine without IPv6: nothing can be dialled there either.
            if ":" not in address:
                raise
            print(address, error, flush=True)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            connection, _ = key.fileobj.accept()
            accepted.append(key.data)
            with connection:
                try:
                    serve(connection, targets, accepted)
                except OSError as error:
                    print(error, flush=True)


main()
