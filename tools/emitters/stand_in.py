"""A stand-in for a model provider's API on loopback: it replays the answers in exchanges.jsonl, byte for byte where they stream.

    python3 stand_in.py [PORT]

It prints its URL (`http://127.0.0.1:PORT/v1`) and answers until it is interrupted. The other programs here start one of their own
in a thread, by `serving()`.

An exchange is found by what a call means, since clients add parameters of their own: path, model, messages or input, number of
choices, and whether it streams. What was recorded nowhere is answered with 404, as a provider answers for an unknown model.
Nothing a client sends is printed or kept, its key least of all.
"""

import contextlib
import http.server
import json
import os
import sys
import threading
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_BODY_BYTES = 1 << 20
UNKNOWN = {"error": {"message": "no such exchange was recorded", "type": "invalid_request_error", "code": "not_recorded"}}


def exchanges():
    """What was recorded, in the order of the file."""
    with open(os.path.join(HERE, "exchanges.jsonl"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def said(message):
    """A message without members that are null or empty: clients differ in whether they write those."""
    return {name: value for name, value in message.items() if value}


def meaning(path, body):
    """What two requests have in common that ask for the same."""
    messages = [said(message) for message in body.get("messages", [])]
    asked = [path, body.get("model"), messages, body.get("input"), body.get("n") or 1, bool(body.get("stream"))]
    return json.dumps(asked, sort_keys=True)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    recorded = {meaning(urllib.parse.urlsplit(it["url"]).path, it["request_body"]): it for it in exchanges()}

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True
            return self.answer(413, {}, "")
        try:
            asked = meaning(urllib.parse.urlsplit(self.path).path, json.loads(self.rfile.read(length)))
        except (ValueError, AttributeError):
            return self.answer(400, {}, json.dumps(UNKNOWN))
        found = self.recorded.get(asked, {"status": 404, "response_headers": {}, "response_body": UNKNOWN})
        body = found["response_body"]
        self.answer(found["status"], found["response_headers"], body if isinstance(body, str) else json.dumps(body))

    def answer(self, status, headers, text):
        """Status, the recorded headers and the body, which is an event stream where that was recorded."""
        body = text.encode()
        self.send_response_only(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Says nothing."""


@contextlib.contextmanager
def serving(port=0):
    """The URL of a stand-in, which is there until the block ends."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    with serving(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as url:
        print(url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
