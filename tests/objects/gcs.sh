#!/usr/bin/env bash
# Starts a server that serves the interface of Google Cloud Storage on loopback, with the bucket `vouchlog`. It ignores the conditions of
# writes, and leaves headers out that clients need, so no log may be kept there. Once it takes requests, the settings that the tests need are printed, and its process id. Stop it
# with `kill`.
#
#   tests/objects/gcs.sh EMULATOR FOLDER PORT     EMULATOR is the program of PyPI's gcp-storage-emulator
set -euo pipefail
emulator=$1 folder=$2 port=$3

"$emulator" start --host=127.0.0.1 --port="$port" --in-memory --default-bucket=vouchlog >"$folder/log" 2>&1 &
pid=$!
for _ in $(seq 60); do
  if curl -sf "http://127.0.0.1:$port/storage/v1/b/vouchlog" >/dev/null; then
    echo "VOUCHLOG_GCS=gs://vouchlog"
    echo "GOOGLE_BASE_URL=http://127.0.0.1:$port"
    # Without a token, which would be asked for elsewhere.
    echo "GOOGLE_SERVICE_ACCOUNT_KEY='{\"disable_oauth\":true,\"client_email\":\"\",\"private_key\":\"\",\"private_key_id\":\"\"}'"
    echo "GCS_PID=$pid"
    exit
  fi
  kill -0 "$pid" 2>/dev/null || break
  sleep 1
done
echo "the server did not start; the end of its log:" >&2
tail -5 "$folder/log" >&2
kill "$pid" 2>/dev/null || true
exit 1
