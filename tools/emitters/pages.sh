#!/usr/bin/env bash
# The set-ups of docs/gateways as they stand there: each installs its packages into a folder of its own, makes its first call of a model,
# which a stand-in answers, and is known to `vouchlog doctor` afterwards.
#
#   tools/emitters/pages.sh VOUCHLOG
#
# It takes python3 with venv, node and npm, and their package indexes.
set -euo pipefail

[[ $# -eq 1 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
vouchlog=$(realpath "$1") here=$(realpath "$(dirname "$0")")
pages=$here/../../docs/gateways
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

# The JSON line of a server that serves.
wait_for() {
  until [[ -s "$1" ]]; do
    kill -0 "${pids[-1]}" 2>/dev/null || { cat "$1.err"; exit 1; }
    sleep 0.05
  done
}

python3 "$here/stand_in.py" >"$work/stand-in" 2>"$work/stand-in.err" &
pids+=($!)
wait_for "$work/stand-in"
OPENAI_BASE_URL=$(cat "$work/stand-in") OPENAI_API_KEY=none
export OPENAI_BASE_URL OPENAI_API_KEY PIP_DISABLE_PIP_VERSION_CHECK=1 npm_config_audit=false npm_config_fund=false

# Writes what stands in the fences of a page: NAME.env has the exports before the first set-up, NAME.1, NAME.2 … the set-ups.
extract() {
  awk -v to="$work/$1" '
    /^<!-- not run: installs packages, which tools\/emitters\/pages.sh does -->$/ { is_set_up = 1; next }
    /^```sh$/ { in_block = 1; if (is_set_up) file = to "." ++count; next }
    /^```$/ { in_block = 0; is_set_up = 0; file = ""; next }
    in_block && file { print >file; next }
    in_block && count == 0 && /^export / { print >(to ".env") }
  ' "$pages/$1.md"
}

# One set-up, in a shell as a reader has it, with a collector of its own.
try() {
  local set_up=$1 env=$2 folder
  folder=$(mktemp -d -p "$work")
  cd "$folder"
  "$vouchlog" collect --data collector --listen 127.0.0.1:0 --otlp-grpc 127.0.0.1:0 --otlp-http 127.0.0.1:0 --settle 2s --json \
    >collector.json 2>collector.json.err &
  local collector=$!
  pids+=("$collector")
  wait_for collector.json
  local url
  url=$(python3 -c 'import json; print(json.loads(open("collector.json").readline())["url"])')
  {
    echo 'set -euo pipefail'
    sed "s|http://127.0.0.1:4318|$url|" "$env"
    cat "$set_up"
  } >set-up.sh
  timeout 600 bash set-up.sh >said 2>&1 || { cat said; exit 1; }
  tail -n 1 said
  kill -TERM "$collector"
  wait "$collector" || { cat collector.json.err; exit 1; }
  "$vouchlog" doctor --vault collector/vault --json >report.json
  python3 - <<'PY'
import json
services = json.load(open("report.json"))["services"]
known = [(it["service"], it["records"]) for it in services]
assert known == [("support-bot", 1)], known
assert services[0]["ladder"]["next"], services[0]
print("known as", services[0]["name"])
PY
}

tried=0
for page in otel-sdk; do
  extract "$page"
  for set_up in "$work/$page".[0-9]*; do
    printf '\n== %s, set-up %s\n' "$page" "${set_up##*.}"
    try "$set_up" "$work/$page.env"
    tried=$((tried + 1))
  done
done
[[ $tried -ge 2 ]] || { echo "no set-up is marked on the pages"; exit 1; }
