# Sourced by `run`: the same load on a log in each of its stores. Needs PostgreSQL; SeaweedFS if WEED names its program.

db_port=${PG_PORT:-7980}
as=()

postgres_programs() {
  local programs
  programs=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)
  [[ -n "${PG_BIN:-}" || -n "$programs" ]] && echo "${PG_BIN:-$(dirname "$programs")}"
}

# pg NAME PORT [SETTING...]: starts the cluster in the folder NAME, and waits until it answers. Its id goes to the list of others.
pg() {
  local name=$1 port=$2 setting settings=()
  shift 2
  for setting in "$@"; do settings+=(-c "$setting"); done
  (cd "$work/$name" && exec "${as[@]}" "$bin_pg/postgres" -D "$work/$name/data" -k "$work/$name" -c listen_addresses=127.0.0.1 \
    -p "$port" "${settings[@]}") >"$work/$name.log" 2>&1 &
  other="$other $!"
  local tries=0
  until "$bin_pg/pg_isready" -q -h 127.0.0.1 -p "$port"; do
    ((tries++ < 300)) || { tail -n 5 "$work/$name.log" >&2; return 1; }
    sleep 0.1
  done
}

cluster() {
  mkdir -p "$work/$1"
  chmod 755 "$work"
  [[ "$(id -u)" != 0 ]] || chown postgres "$work/$1"
}

psql_of() { "$bin_pg/psql" -q -h 127.0.0.1 -p "$1" -U postgres -d postgres -c "$2" >/dev/null; }

# one NAME WORDS SERVE-ARGUMENTS...: a row of the table, which is one log under three loads.
one() {
  local name=$1 words=$2 data="$work/store-$1"
  shift 2
  note "stores: $words"
  start "store-$name" serve --data "$data" --origin "log.example.com/$name" --listen 127.0.0.1:0 --index off "$@"
  local at=("--log" "$url" "--log-vkey" "$vkey" "--operator-key" "$data.operator.key")
  load stream "${at[@]}" --gateways 4 --batch 256 --seconds "$seconds" --pid "$server" >"$work/small"
  load stream "${at[@]}" --gateways 4 --batch 4096 --window 4 --seconds "$seconds" --pid "$server" >"$work/large"
  load unary "${at[@]}" --gateways 16 --batch 1 --rate 1000 --seconds "$seconds" --pid "$server" >"$work/unary"
  stop
  rm -rf "$data" "$data.operator.key"
  local small large
  small=$(member statements_per_second small) large=$(member statements_per_second large)
  [[ "$name" != sled ]] || sled_small=$small sled_large=$large
  printf '%s\t%s\t%s\t%s ms\t%s ms\n' "$words" "$(grouped <<<"$small"), $(share "$small" "$sled_small")" \
    "$(grouped <<<"$large"), $(share "$large" "$sled_large")" "$(member p50 unary | scaled 1000)" "$(member p99 unary | scaled 1000)" >>"$work/stores.rows"
  figures "store-$name" small="$small" large="$large" of_sled="$(awk -v a="$large" -v b="$sled_large" 'BEGIN { print a / b }')" \
    unary_p50_us="$(member p50 unary)" unary_p99_us="$(member p99 unary)"
}

share() { awk -v part="$1" -v whole="$2" 'BEGIN { printf "%.0f %%", 100 * part / whole }'; }

stores() {
  wanted stores || return 0
  local bin_pg sled_small=1 sled_large=1 url_pg="postgres://postgres@127.0.0.1:$db_port/postgres" settings
  if ! bin_pg=$(postgres_programs); then
    left_out "stores: no PostgreSQL"
    return
  fi
  [[ "$(id -u)" != 0 ]] || as=(setpriv --reuid=postgres --regid=postgres --init-groups)
  : >"$work/stores.rows"
  one sled 'sled, segments'
  cluster primary
  (cd "$work/primary" && "${as[@]}" "$bin_pg/initdb" -D "$work/primary/data" -A trust -U postgres -E UTF8 --locale=C >"$work/initdb.log")
  pg primary "$db_port"
  one postgres 'PostgreSQL on this machine' --store "$url_pg" --create
  if [[ -n "${WEED:-}" ]]; then
    settings=$(tests/objects/seaweedfs.sh "$WEED" "$work/seaweedfs" "${WEED_PORT:-7990}")
    set -a
    eval "$settings"
    set +a
    other="$other $SEAWEEDFS_PID"
    one objects 'PostgreSQL, SeaweedFS' --store "$url_pg" --create --objects "$VOUCHLOG_S3/speed"
  else
    left_out "stores: no SeaweedFS; WEED names its program"
  fi
  cluster standby
  (cd "$work/standby" && "${as[@]}" "$bin_pg/pg_basebackup" -h 127.0.0.1 -p "$db_port" -U postgres -D "$work/standby/data" -R -X stream -c fast >"$work/standby.log" 2>&1)
  pg standby $((db_port + 1))
  psql_of "$db_port" "ALTER SYSTEM SET synchronous_standby_names = '*'"
  psql_of "$db_port" "SELECT pg_reload_conf()"
  one synchronous 'PostgreSQL with a synchronous standby on the same disk' --store "$url_pg" --create
  table stores $'store\tstatements a second, batches of 256, of sled\tbatches of 4,096, of sled\tunary at 1,000/s, p50\tp99' <"$work/stores.rows"
  end_others
  rm -rf "$work/primary" "$work/standby" "$work/seaweedfs"
}
