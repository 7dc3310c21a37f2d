#!/usr/bin/env bash
# What settings of the allocator cost a log in throughput, and save it in memory: the same streaming load under each.
#
#   tools/load/memory.sh [DIRECTORY OF BINARIES] [SECONDS]        default: target/release 20
set -euo pipefail
binaries=$(realpath "${1:-target/release}") seconds=${2:-20}
folder=$(mktemp -d)
server=
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

measure() {
  local name=$1 data="$folder/$1" url vkey
  shift
  env "$@" "$binaries/vouchlog" serve --json --data "$data" --origin log.example.com/memory --listen 127.0.0.1:0 >"$data.json" 2>"$data.err" &
  server=$!
  while [[ ! -s "$data.json" ]]; do
    kill -0 "$server" || { cat "$data.err" >&2; exit 1; }
    sleep 0.1
  done
  url=$(sed -nE 's/.*"url": ?"([^"]+)".*/\1/p' "$data.json")
  vkey=$(sed -nE 's/.*"log_vkey": ?"([^"]+)".*/\1/p' "$data.json")
  printf '%s: ' "$name"
  "$binaries/vouchlog-load" stream --log "$url" --log-vkey "$vkey" --operator-key "$data.operator.key" --gateways 4 --batch 256 \
    --seconds "$seconds" --pid "$server"
  kill "$server"
  wait "$server" || true
}

for round in 1 2; do
  measure "huge-pages-$round" MIMALLOC_ALLOW_THP=1
  measure "small-pages-$round"
  measure "small-pages-and-a-second-$round" MIMALLOC_PURGE_DELAY=1000
  measure "small-pages-and-no-delay-$round" MIMALLOC_PURGE_DELAY=0
done
