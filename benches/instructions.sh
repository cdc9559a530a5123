#!/usr/bin/env bash
# How many instructions a report takes for each line of a log, by format: the same on a busy machine and a quiet one.
#   benches/instructions.sh             compares with benches/instructions.txt, fails where more than 3 % are between them
#   benches/instructions.sh record      writes benches/instructions.txt anew
# Counted by valgrind's callgrind, on one thread: the difference of two logs, so that starting up does not count. Another
# compiler, C library or kind of processor takes other instructions: where these differ from the recorded ones, nothing is
# compared and nothing fails.
cd "$(dirname "$0")/.." || exit
. benches/measure.sh
records=benches/instructions.txt
formats=(keepwarm ingress-nginx keepwarm_json ltsv combined_upstream upstream_time)
few=50000 many=200000

if ! command -v valgrind >/dev/null; then
    echo 'instructions: not counted, as there is no valgrind: apt-get install valgrind'
    exit
fi

# What counts depend on beside the program. It, memchr and the C library choose AVX2 at run time if the processor has it, as
# all that have it have what else they ask for; valgrind shows them no more than that.
surroundings() {
    printf '# %s\n' "$(rustc --version)" "$(valgrind --version)" "$(getconf GNU_LIBC_VERSION 2>/dev/null || echo 'another libc')" \
        "$(uname -m), $(grep -m 1 -o -w avx2 /proc/cpuinfo || echo 'no avx2')"
}

if [ "${1:-}" != record ] && [ "$(grep '^#' "$records")" != "$(surroundings)" ]; then
    echo "instructions: not compared, as they were counted elsewhere ($records, and here):"
    diff <(grep '^#' "$records") <(surroundings) || exit 0
fi

# The generator's profile is that of the tests, which have built most of it.
cargo build --locked --release --quiet --bin keepwarm
cargo build --locked --profile test --quiet --example generate
generator=$(dirname "$target")/debug/examples/generate

# instructions FORMAT LINES: of a whole run.
instructions() {
    "$generator" --lines "$2" --format "$1" --output "$folder/access.log"
    # The same name each time, for the same workers.
    local said status=0 program
    program=$(realpath "$target/keepwarm")
    said=$(cd "$folder" && valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" report --quiet --threads 1 \
        --log-format "$1" access.log 2>&1 >/dev/null) || status=$?
    # Status 1 is a finding.
    if [ $status -gt 1 ]; then
        printf '%s\n' "$said" >&2
        return $status
    fi
    awk '/Collected : / { print $NF; found = 1 } END { exit !found }' <<<"$said"
}

{
    surroundings
    for format in "${formats[@]}"; do
        all=$(instructions "$format" $many)
        some=$(instructions "$format" $few)
        printf '%s %s\n' "$format" $(((all - some) / (many - few)))
    done
} >"$folder/counted"

if [ "${1:-}" = record ]; then
    cp "$folder/counted" "$records"
    cat "$records"
    exit
fi
printf '%-20s %8s %8s %8s\n' 'instructions/line' recorded now change
# A format that only one side has counts as 0 on the other.
join -a 1 -a 2 -e 0 -o 0,1.2,2.2 <(grep -v '^#' "$records" | sort) <(grep -v '^#' "$folder/counted" | sort) | awk '
!$2 || !$3 {
    missing = 1
    printf "%-20s %8s %8s %8s !\n", $1, $2 ? $2 : "-", $3 ? $3 : "-", "missing"
    next
}
{
    change = 100 * ($3 / $2 - 1)
    bad = change > 3 || change < -3
    failed += bad
    printf "%-20s %8d %8d %+7.1f%%%s\n", $1, $2, $3, change, bad ? " !" : ""
}
END {
    if (missing) print "instructions: not the formats that are recorded. If that is meant: benches/instructions.sh record"
    if (failed) print "instructions: more than 3 % from the record. If that is meant: benches/instructions.sh record"
    exit missing || failed
}'
