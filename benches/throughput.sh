#!/usr/bin/env bash
# keepwarm beside the tools that people use, on a generated log in the page cache: seconds (median of the rounds),
# speed, and how many times as long as counting newlines over the same reads, by the clock and by CPU time (the one to
# look at when others use the machine). Takes a minute or two for 1 GB.
#   benches/throughput.sh [SIZE [ROUNDS [FORMAT]]]     default: 1GB 5 keepwarm
# awk takes part in the keepwarm format only: its program knows where the fields are.
set -euo pipefail
cd "$(dirname "$0")/.."

size=${1:-1GB} rounds=${2:-5} format=${3:-keepwarm}
export LC_ALL=C
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
log=$folder/access.log

cargo build --locked --release --quiet --bin keepwarm --example generate --example newlines
target=${CARGO_TARGET_DIR:-target}/release
"$target/examples/generate" --bytes "$size" --format "$format" --output "$log" --truth "$folder/truth.json"
cat "$log" >/dev/null

# How often each peer shows 0.000: what people count as reused.
zeros='{ n = split($8, addr, ", "); split($12, time, ", ")
  for (i = 1; i <= n; i++) if (time[i] == "0.000") count[addr[i]]++ }
  END { for (peer in count) print peer, count[peer] }'

wc_l() { wc -l <"$log"; }
newlines() { "$target/examples/newlines" "$log"; }
gawk_zeros() { gawk -F'"' "$zeros" "$log" | sort; }
mawk_zeros() { mawk -F'"' "$zeros" "$log" | sort; }
report() { "$target/keepwarm" report --quiet --output csv --threads "$1" "$log" >"$folder/report.csv"; }
# Columns 3 and 9 of the rows of peers: address, attempts with 0.000.
report_zeros() { report "$1" && awk -F, '$1 == "peer" { print $3, $9 }' "$folder/report.csv" | sort; }
keepwarm_1() { report_zeros 1; }
keepwarm_2() { report_zeros 2; }

contenders=(newlines wc_l keepwarm_1 keepwarm_2)
if [ "$format" = keepwarm ]; then
    for awk in gawk mawk; do
        if command -v $awk >/dev/null; then contenders+=(${awk}_zeros); fi
    done
fi

# The contenders take turns, so that a busy moment of the machine hits all of them.
for ((round = 0; round < rounds; round++)); do
    for contender in "${contenders[@]}"; do
        TIMEFORMAT='%R %U %S'
        { time $contender >"$folder/$contender.out"; } 2>>"$folder/$contender.times"
    done
done

# A value of the truth about the whole log: lines, or one of the counts.
truth() { sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" "$folder/truth.json" | head -n 1; }

agrees() {
    case $1 in
    newlines | wc_l) [ "$(tr -d ' ' <"$folder/$1.out")" = "$(truth lines)" ] ;;
    *)
        # The connected attempts that show 0.000, from the generator, and the same peers as the others have.
        expected=$(($(truth attempts) - $(truth failed) - $(truth new_visible)))
        [ "$(awk '{ sum += $2 } END { print sum }' "$folder/$1.out")" = "$expected" ] &&
            cmp -s "$folder/$1.out" "$folder/keepwarm_1.out"
        ;;
    esac
}

median() { awk "{ print $1 }" "$folder/$2.times" | sort -n | sed -n "$(((rounds + 1) / 2))p"; }

bytes=$(stat -c %s "$log")
base=$(median '$1' newlines) cpu_base=$(median '$2 + $3' newlines)
printf '%s, %s %s, %s lines, %s threads, %s rounds\n\n' "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)" \
    "$format" "$size" "$(truth lines)" "$(nproc)" "$rounds"
printf '| %-12s | %8s | %8s | %6s | %10s | %5s | %6s |\n' contender seconds 'cpu s' GB/s 'x newlines' 'x cpu' agrees
printf '| %s | %s | %s | %s | %s | %s | %s |\n' ------------ -------: -------: -----: ---------: ----: ------
failed=0
for contender in "${contenders[@]}"; do
    if agrees "$contender"; then answer=yes; else answer=NO failed=1; fi
    awk -v name="$contender" -v wall="$(median '$1' "$contender")" -v cpu="$(median '$2 + $3' "$contender")" \
        -v base="$base" -v cpu_base="$cpu_base" -v bytes="$bytes" -v answer=$answer 'BEGIN {
            printf "| %-12s | %8.3f | %8.3f | %6.2f | %10.1f | %5.1f | %-6s |\n",
                name, wall, cpu, bytes / wall / 1e9, wall / base, cpu / cpu_base, answer }'
done
exit $failed
