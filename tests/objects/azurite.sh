#!/usr/bin/env bash
# Starts Azurite, which serves the interface of Azure Blob Storage, with a blob port on loopback and the container `vouchlog`. Once it takes
# requests, the settings that the tests need are printed, and its process id. Stop it with `kill`.
#
#   tests/objects/azurite.sh MODULES FOLDER PORT     MODULES is the folder `node_modules` with npm's azurite
set -euo pipefail
modules=$1 folder=$2 port=$3
account=vouchlog
key=$(printf 'a key of tests, not a secret, of 32b' | base64 -w0)

mkdir -p "$folder"
# It reports its use to its makers unless it is told not to, and writes a trace unless it is silent.
AZURITE_ACCOUNTS="$account:$key" node "$modules/azurite/dist/src/blob/main.js" --location "$folder" --blobHost 127.0.0.1 --blobPort "$port" \
  --silent --disableTelemetry --skipApiVersionCheck >"$folder/log" 2>&1 &
pid=$!

# A request with a shared key, as Azure defines it: of the twelve lines of standard headers only the method is not empty.
create() {
  local date signature headers
  date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
  headers="x-ms-date:$date"$'\n'"x-ms-version:2023-11-03"
  signature=$(printf 'PUT\n\n\n\n\n\n\n\n\n\n\n\n%s\n/%s/%s/vouchlog\nrestype:container' "$headers" "$account" "$account" |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(base64 -d <<<"$key" | od -An -v -tx1 | tr -d ' \n')" -binary | base64)
  curl -sf -X PUT -H "x-ms-date: $date" -H 'x-ms-version: 2023-11-03' -H 'content-length: 0' \
    -H "authorization: SharedKey $account:$signature" "http://127.0.0.1:$port/$account/vouchlog?restype=container" >/dev/null
}
for _ in $(seq 60); do
  if create; then
    echo "VOUCHLOG_AZURE=az://vouchlog"
    echo "AZURE_STORAGE_ENDPOINT=http://127.0.0.1:$port/$account"
    echo "AZURE_STORAGE_ACCOUNT_NAME=$account"
    echo "AZURE_STORAGE_ACCOUNT_KEY=$key"
    echo "AZURITE_PID=$pid"
    exit
  fi
  kill -0 "$pid" 2>/dev/null || break
  sleep 1
done
echo "Azurite did not start; the end of its log:" >&2
tail -5 "$folder/log" >&2
kill "$pid" 2>/dev/null || true
exit 1
