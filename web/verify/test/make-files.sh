#!/bin/sh
# Writes test/files: one file of each kind, by the real program. Usage: make-files.sh VOUCHLOG OUT
# The keys are new each time; only public ones are kept.
set -eu
vouchlog=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
here=$(realpath "$(dirname "$0")/../../..")
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

log=$("$vouchlog" keygen --kind log --name log.example.com/ai --out log.key)
gateway=$("$vouchlog" keygen --kind gateway --name gateway.example.com --out gateway.key)
printf '%s\n' "$log" >"$out/log.vkey"
printf '%s\n' "$gateway" >"$out/gateway.vkey"

# Two witnesses with keys of type 0x04. The log asks both, and one suffices.
: >policy.txt
for name in a b; do
  port=$((17000 + $$ % 1000 * 4 + $(printf %d "'$name") - 96))
  vkey=$("$vouchlog" keygen --kind witness --name "witness-$name.example.com" --out "witness-$name.key")
  "$vouchlog" witness --data "witness-$name" --key "witness-$name.key" --log-vkey "$log" --listen "127.0.0.1:$port" >"witness-$name.out" 2>&1 &
  pids="$pids $!"
  curl -sf --retry 40 --retry-delay 1 --retry-connrefused "http://127.0.0.1:$port/readyz" >/dev/null
  echo "witness $name $vkey http://127.0.0.1:$port" >>policy.txt
done
printf 'group any-witness any a b\nquorum any-witness\n' >>policy.txt
sed -E 's| http://[^ ]*||' policy.txt >"$out/policy.txt"

port=$((17000 + $$ % 1000 * 4))
url=http://127.0.0.1:$port
"$vouchlog" serve --data log --origin log.example.com/ai --key log.key --gateway "$gateway" --policy policy.txt --listen "127.0.0.1:$port" >log.out 2>&1 &
pids="$pids $!"
curl -sf --retry 40 --retry-delay 1 --retry-connrefused "$url/readyz" >/dev/null
at="--log $url --log-vkey $log"
trust="$at --policy policy.txt"

# The records of the README, in one session, with a seal.
sed -n "/^cat > refund.json/,/^JSON/p" "$here/README.md" | sed '1d;$d' >refund.json
for number in 1 2 3; do
  sed -e "s/refund-8841/refund-884$number/" -e "s/\"session_sequence\": 2/\"session_sequence\": $number/" refund.json >"refund-$number.json"
  "$vouchlog" record --vault vault $at --gateway-key gateway.key "refund-$number.json" >/dev/null
done
for number in 1 2 3 4 5; do echo "call $number" >"call-$number.json"; done
"$vouchlog" submit $trust --receipts receipts call-*.json >/dev/null

"$vouchlog" disclose --vault vault $trust --gateway-key gateway.key --record refund-8841 \
  --fields initiator.sub,credential,outcome.state,tools --basis "case 17" -o "$out/presentation.json" >/dev/null
"$vouchlog" session --vault vault $trust --gateway-key gateway.key --basis "case 17" \
  --fields correlation,initiator,outcome,tools --bundle "$out/session.json" sess-4c19 >/dev/null || [ $? -eq 1 ]
"$vouchlog" prove-complete $trust --all -o "$out/streams.completeness.json" >/dev/null
"$vouchlog" sample $trust --count 3 -o "$out/sample.json" >/dev/null
"$vouchlog" prove $trust --index 0 -o "$out/entry-0.tlog-proof" >/dev/null
cp "$(ls receipts/*.tlog-proof | head -1)" "$out/receipt.tlog-proof"
curl -sf "$url/checkpoint" >"$out/checkpoint"

# What it serves, damaged: evidence of an observation.
mkdir -p served/tile/0 served/tile/entries
curl -sf "$url/checkpoint" >served/checkpoint
size=$(sed -n 2p served/checkpoint)
for path in "tile/0/000.p/$size" "tile/entries/000.p/$size"; do
  mkdir -p "served/$(dirname "$path")"
  curl -sf "$url/$path" >"served/$path"
done
cp -r served "$out/"
printf 'X' | dd of="served/tile/entries/000.p/$size" bs=1 seek=40 conv=notrunc 2>/dev/null
"$vouchlog" audit --log served --log-vkey "$log" --policy policy.txt --evidence evidence >/dev/null || [ $? -eq 1 ]
cp evidence/01-*.finding.json "$out/altered.finding.json"
