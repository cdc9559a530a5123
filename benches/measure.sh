# What the measuring scripts here share: `. benches/measure.sh` in the project's folder. It makes a folder that goes away,
# builds the program, runs things in turns and takes medians. The environment may set:
#   SIZE=1GB ROUNDS=5       how large the logs are, how often each thing runs
# shellcheck shell=bash
set -euo pipefail

# What the sourcing scripts use.
# shellcheck disable=SC2034
size=${SIZE:-1GB} rounds=${ROUNDS:-5}
target=${CARGO_TARGET_DIR:-target}/release
# For sort, and for awk's speed.
export LC_ALL=C
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The program apart from the examples: together they would share features that only tests need, and it would be another one.
build() {
    cargo build --locked --release --quiet --example generate --example newlines
    cargo build --locked --release --quiet --bin keepwarm
}
generate() { "$target/examples/generate" "$@"; }
newlines() { "$target/examples/newlines" "$@"; }
# Findings are not failures here.
keepwarm() { "$target/keepwarm" report --quiet "$@" || [ $? = 1 ]; }

# Runs each of the named functions once a round, in turns, so that a busy moment of the machine hits all of them. What a
# function prints is in $folder/NAME.out, its times (wall, user, system) are in $folder/NAME.times, a line a round. One that
# fails has no times.
take_turns() {
    local round name TIMEFORMAT='%3R %3U %3S'
    rm -f "$folder"/*.times
    for ((round = 0; round < rounds; round++)); do
        for name in "$@"; do
            { time "$name" >"$folder/$name.out" 2>"$folder/$name.err" || touch "$folder/$name.failed"; } 2>>"$folder/$name.times"
        done
    done
    for name in "$@"; do
        if [ -e "$folder/$name.failed" ]; then
            printf '%s failed: %s\n' "$name" "$(tail -n 1 "$folder/$name.err")" >&2
            rm -f "$folder/$name.times" "$folder/$name.failed"
        fi
    done
}

median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }
# Median seconds of a function that took turns, by the clock and of CPU time.
wall() { awk '{ print $1 }' "$folder/$1.times" | median; }
cpu() { awk '{ print $2 + $3 }' "$folder/$1.times" | median; }

# ratio 3 2: 1.50. A time under the clock's millisecond counts as one.
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / (b > 0 ? b : 0.001) }'; }
# scaling ONE TWO BOTH: how much faster TWO is, the same as ONE on two threads, and how fast the machine lets two threads be:
# BOTH runs ONE twice at once.
scaling() {
    local one both
    one=$(wall "$1") both=$(wall "$3")
    printf 'two threads are %s times as fast as one; two programs of one thread, side by side, are %s times as fast\n' \
        "$(ratio "$one" "$(wall "$2")")" "$(ratio "$(awk -v one="$one" 'BEGIN { print 2 * one }')" "$both")"
}
# speed BYTES SECONDS, in GB/s.
speed() { ratio "$(awk -v bytes="$1" 'BEGIN { print bytes / 1e9 }')" "$2"; }
bytes_of() { stat -L -c %s "$1"; }

# What was measured, where: for the line above a table.
machine() {
    printf '%s, %s, %s threads, load %s; %s; keepwarm %s' "$(date +%F)" \
        "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)" \
        "$(rustc --version)" "$(git describe --always --dirty 2>/dev/null || echo unknown)"
}
