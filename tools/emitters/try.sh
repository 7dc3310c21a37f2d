#!/usr/bin/env bash
# An emitter, a collector and a log, from the calls to the verified evidence, in a folder of its own.
#
#   tools/emitters/try.sh VOUCHLOG PYTHON EMITTER [ARGUMENT...]
#
# For example: try.sh target/debug/vouchlog venv/bin/python litellm_proxy.py. Where a log and a collector listen is chosen by the
# system, so several may run at once. KEEP=1 leaves the folder. PROTOCOL=grpc sends OTLP over gRPC, else it goes over HTTP.
set -euo pipefail

[[ $# -ge 3 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
vouchlog=$(realpath "$1") python=$(realpath -s "$2") here=$(realpath "$(dirname "$0")")
shift 2
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  if [[ "${KEEP:-}" ]]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap finish EXIT
cd "$work"
export PYTHONDONTWRITEBYTECODE=1

# Starts a server, waits for the line of JSON it prints when it serves, and leaves that in the file.
start() {
  local said=$1
  shift
  "$vouchlog" "$@" --json >"$said" 2>"$said.err" &
  pids+=($!)
  until [[ -s "$said" ]]; do
    kill -0 "${pids[-1]}" 2>/dev/null || { cat "$said.err"; exit 1; }
    sleep 0.05
  done
}
said() { "$python" -c 'import json, sys; print(json.loads(open(sys.argv[1]).readline())[sys.argv[2]])' "$1" "$2"; }
step() { printf '\n== %s\n' "$*"; }

gateway=$("$vouchlog" keygen --kind gateway --name gateway.example.com --out gateway.key)
start log.json serve --data log --listen 127.0.0.1:0 --gateway "$gateway"
VOUCHLOG_URL=$(said log.json url) VOUCHLOG_LOG_VKEY=$(said log.json log_vkey)
export VOUCHLOG_URL VOUCHLOG_LOG_VKEY VOUCHLOG_GATEWAY_KEY=$work/gateway.key VOUCHLOG_VAULT=$work/vault
start collector.json collect --data collector --vault "$VOUCHLOG_VAULT" --log "$VOUCHLOG_URL" \
  --log-vkey "$VOUCHLOG_LOG_VKEY" --gateway-key gateway.key --otlp-grpc 127.0.0.1:0 --otlp-http 127.0.0.1:0 --settle 5s
http=$(said collector.json url)

step "the calls: $*"
if [[ "${PROTOCOL:-}" == grpc ]]; then
  export OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_ENDPOINT=$(said collector.json grpc)
else
  export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_ENDPOINT=$http
fi
GENERIC_LOGGER_ENDPOINT=$http/v1/litellm EMITTER_SESSION=sess-1 "$python" "$here/$1" "${@:2}" >calls.json 2>calls.err ||
  { cat calls.err; exit 1; }
"$python" - calls.json <<'PY'
import json, sys
for call in json.load(open(sys.argv[1]))["calls"]:
    tokens = call.get("usage", {})
    print(call["exchange"], call["kind"], call["requested"], call.get("response_id") or call.get("error") or "-", *tokens.values())
PY

# The collector completes what is open, seals its stream and ends.
kill -TERM "${pids[-1]}"
wait "${pids[-1]}" || { cat collector.json.err; exit 1; }
unset 'pids[-1]'

step 'each call is one record'
"$python" "$here/check.py" "$vouchlog" <calls.json

step 'vouchlog session: what happened'
status=0
"$vouchlog" session sess-1 >session.txt || status=$? # 1: something is missing or cannot be told, as it says
[[ $status -le 1 ]] || exit 1
head -n "${LINES_SHOWN:-40}" session.txt

step 'vouchlog disclose, vouchlog verify: one record, for a stranger'
record=$("$vouchlog" find --json --kind interaction --limit 1 | "$python" -c 'import json, sys; print(json.load(sys.stdin)["records"][0]["id"])')
"$vouchlog" disclose --record "$record" --fields model,usage,outcome,correlation.response_id --basis 'a try' -o shown.json
"$vouchlog" verify --presentation shown.json

step 'vouchlog audit: the whole log'
"$vouchlog" audit --log "$VOUCHLOG_URL" --log-vkey "$VOUCHLOG_LOG_VKEY"
