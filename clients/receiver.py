"""A receiver of webhooks: verifies each with the official Standard Webhooks library and prints what it was told.

receiver.py SECRET [PORT]: prints the port first, then one line of JSON for each request.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(sys.argv[1])


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = webhook.verify(body, dict(self.headers))
            status, told = 204, {"id": self.headers["webhook-id"], "event": event}
        except WebhookVerificationError as error:
            status, told = 401, {"error": str(error)}
        print(json.dumps(told), flush=True)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
server = HTTPServer(("127.0.0.1", port), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
