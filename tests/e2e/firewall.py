#!/usr/bin/env python3
"""A registry at an address and port that keeps its connections, and answers with the port from which it was asked."""

import http.server
import sys


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = str(self.client_address[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer((sys.argv[1], 80), Registry)
print("ready", flush=True)
server.serve_forever()
