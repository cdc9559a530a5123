#!/usr/bin/env bash
# shellcheck disable=SC2317 # What takes turns is called by name.
# keepwarm beside itself, in Markdown tables:
#   formats     speed on logs of other formats
#   gzip        one .gz beside decompression alone by the same reads, and 20 rotated ones on one thread and two
#   growth      the first hundredth, the first tenth and all of a month's log of 100 peers, and of a busy one of 12 peers and
#               eight hours: time by byte, and of what each adds to the one before; peak memory.
#               Takes 1.1 times its size in the folder for temporary files (TMPDIR), and GNU time
#   [SIZE=1GB] [ROUNDS=5] benches/itself.sh [formats|gzip|growth]...        without any: formats and gzip
# SIZE is that of the plain log; for growth it is 10GB if it is not given.
cd "$(dirname "$0")/.." || exit
. benches/measure.sh
build

# A row for each of the runs that took turns, with ratios to the first; $log is what the named run reads, plain.
declare -A log
table() {
    local name first=$1
    echo '| run | seconds | CPU s | GB/s | time by byte | CPU by byte | memory MB |'
    echo '| --- | ---: | ---: | ---: | ---: | ---: | ---: |'
    for name in "$@"; do
        awk -v name="${name//_/ }" -v wall="$(wall "run_$name")" -v cpu="$(cpu "run_$name")" \
            -v base_wall="$(wall "run_$first")" -v base_cpu="$(cpu "run_$first")" -v bytes="$(bytes_of "${log[$name]}")" \
            -v base_bytes="$(bytes_of "${log[$first]}")" -v kib="$(memory "$name")" 'BEGIN {
                less = base_bytes / bytes
                if (base_wall == 0) base_wall = 0.001
                if (base_cpu == 0) base_cpu = 0.001
                if (wall == 0) wall = 0.001
                printf "| %s | %.3f | %.3f | %.2f | %.2f | %.2f | %s |\n", name, wall, cpu, bytes / wall / 1e9,
                    less * wall / base_wall, less * cpu / base_cpu, kib ? int(kib * 1.024 / 1000 + 0.5) : "" }'
    done
}

# Runs keepwarm; the most memory it took goes to $folder/NAME.kib.
measured() {
    local kib=$folder/$1.kib
    shift
    if [ -x /usr/bin/time ]; then
        /usr/bin/time --quiet --append --output "$kib" --format %M "$target/keepwarm" report --quiet "$@" || [ $? = 1 ]
    else
        keepwarm "$@"
    fi
}
memory() { if [ -e "$folder/$1.kib" ]; then median <"$folder/$1.kib"; fi; }

# Lets keepwarm run on some files by turns: add NAME LOG ARGUMENT...
runs=()
add() {
    local name=$1
    log[$name]=$2
    shift 2
    eval "run_$name() { measured '$name' ${*@Q}; }"
    runs+=("$name")
}
# Those named besides take turns too, and have no row.
run_and_show() {
    cat "${log[@]}" >/dev/null
    take_turns "${runs[@]/#/run_}" "$@"
    table "${runs[@]}"
}

formats() {
    local format
    for format in keepwarm ingress-nginx keepwarm_json json ltsv combined_upstream upstream_time; do
        generate --bytes "$size" --format "$format" --output "$folder/$format.log"
        add "$format" "$folder/$format.log" --threads 1 "$folder/$format.log"
    done
    run_and_show
}

gzipped() {
    local plain=$folder/access.log one=$folder/one.gz many=$folder/rotated
    generate --bytes "$size" --output "$plain"
    gzip -c "$plain" >"$one"
    mkdir "$many"
    # shellcheck disable=SC2016
    split -n l/20 --filter 'gzip >"$FILE.gz"' "$plain" "$many/access.log."
    run_decompression() { newlines --bytes "$one"; }
    runs=(decompression) log[decompression]=$plain
    add one_file_1_thread "$plain" --threads 1 "$one"
    add one_file_2_threads "$plain" --threads 2 "$one"
    add twenty_files_1_thread "$plain" --threads 1 "$many"
    add twenty_files_2_threads "$plain" --threads 2 "$many"
    add plain_1_thread "$plain" --threads 1 "$plain"
    run_side_by_side() {
        keepwarm --threads 1 "$many" >"$folder/beside" &
        keepwarm --threads 1 "$many" && wait "$!" && cmp "$folder/beside" "$folder/run_twenty_files_1_thread.out"
    }
    cat "$one" "$many"/* >/dev/null
    run_and_show run_side_by_side
    printf '\ntwenty files: '
    scaling run_twenty_files_1_thread run_twenty_files_2_threads run_side_by_side
}

# Prefixes of one log, so that a larger one only goes on longer. grow NAME OPTION...
grow() {
    local name=$1 whole=$folder/whole.log tenth=$folder/tenth.log hundredth=$folder/hundredth.log
    shift
    generate --bytes "${SIZE:-10GB}" "$@" --output "$whole"
    head -c $(($(bytes_of "$whole") / 10)) "$whole" >"$tenth"
    head -c $(($(bytes_of "$whole") / 100)) "$whole" >"$hundredth"
    runs=() log=()
    add "hundredth_of_$name" "$hundredth" --threads 1 "$hundredth"
    add "tenth_of_$name" "$tenth" --threads 1 "$tenth"
    add "$name" "$whole" --threads 1 "$whole"
    run_and_show
    awk -v a="$(wall "run_hundredth_of_$name")" -v b="$(wall "run_tenth_of_$name")" -v c="$(wall "run_$name")" \
        -v bytes="$(bytes_of "$whole")" 'BEGIN {
            gb = bytes / 1e9; first = (b - a) / (gb * 0.09); then = (c - b) / (gb * 0.9)
            if (first <= 0) first = 0.001
            printf "\nEach GB more takes %.3f s up to the tenth and %.3f s behind it: %.2f times as long. ", first, then, then / first
            printf "What does not grow takes %.3f s.\n", a - first * gb / 100 }'
}

# At 10 requests a second 10 GB last 32 days, at 1,000 eight hours.
growth() {
    grow month --rate 10 --upstreams 10 --peers 10
    echo
    grow eight_hours
}

[ $# -gt 0 ] || set -- formats gzip
for part in "$@"; do
    printf '%s: %s; medians of %s\n\n' "$part" "$(machine)" "$rounds"
    runs=() log=()
    case $part in
    formats | growth) "$part" ;;
    gzip) gzipped ;;
    *) echo "formats, gzip or growth, not $part" >&2; exit 2 ;;
    esac
    echo
    rm -r "${folder:?}"/*
done
