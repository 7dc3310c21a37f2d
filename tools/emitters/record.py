"""Runs an emitter and keeps what it exports over OTLP/HTTP, byte for byte.

    python3 record.py FOLDER COMMAND [ARGUMENT...]

FOLDER receives `NNN.traces.pb` (or `.logs.`, `.json`) for each body, after decompression, and `account.json`: what the program
printed, the account of its calls. Metrics are acknowledged and not kept.

Installation paths, as in stack traces, are replaced by neutral ones of the same length: those of `NEUTRAL_PATHS`, separated by
colons, and of the program's own folder. Nothing else is changed.
"""

import gzip
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading


def neutral(path):
    """A path of the same length that names no machine."""
    return ("/opt/" + "app/" * len(path))[: len(path) - 1].rstrip("/").ljust(len(path), "_")


def neutralise(body, paths):
    """The body, with each of these paths replaced at equal length. The longest go first."""
    for path in sorted(paths, key=len, reverse=True):
        body = body.replace(path.encode(), neutral(path).encode())
    return body


class Recorder(http.server.BaseHTTPRequestHandler):
    """Takes exports."""

    protocol_version = "HTTP/1.1"
    bodies, lock = [], threading.Lock()

    def read_body(self):
        if "chunked" not in (self.headers.get("transfer-encoding") or ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def do_POST(self):
        body = self.read_body()
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        kind = (self.headers.get("content-type") or "").split(";")[0]
        found = re.search(r"/v1/(traces|logs)$", self.path)
        is_json = kind == "application/json"
        if found:
            with self.lock:
                self.bodies.append((found[1], "json" if is_json else "pb", body))
        elif not self.path.endswith("/v1/metrics"):
            print(f"not kept: POST {self.path} {kind}", file=sys.stderr)
        self.reply(b"{}" if is_json else b"", "application/json" if is_json else "application/x-protobuf")

    def do_GET(self):
        print(f"not kept: GET {self.path}", file=sys.stderr)
        self.reply(b"{}", "application/json")

    def reply(self, body, kind):
        self.send_response_only(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Logs nothing."""


def main(folder, *command):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True, timeout=300)
    server.shutdown()
    account = json.loads(done.stdout)
    paths = {path for path in env.get("NEUTRAL_PATHS", "").split(":") if path}
    paths |= {str(pathlib.Path(argument).resolve().parent) for argument in command if os.path.isfile(argument)} - {"/usr/bin"}
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    for number, (signal, encoding, body) in enumerate(Recorder.bodies, 1):
        (target / f"{number:03}.{signal}.{encoding}").write_bytes(neutralise(body, paths))
    (target / "account.json").write_text(json.dumps(account, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{folder}: {len(Recorder.bodies)} bodies, {sum(len(body) for _, _, body in Recorder.bodies)} bytes", file=sys.stderr)
    for call in account["calls"]:
        print("  ", {name: value for name, value in call.items() if name not in ("kind", "usage")}, file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
