#!/usr/bin/env bash
# shellcheck disable=SC2317,SC2016 # Contenders are called by name; nginx and awk have dollars of their own.
# keepwarm beside the tools that people use, on one generated log in the page cache: a Markdown table of their times as
# ratios to counting newlines over the same reads, what each answers and whether that agrees; then the commands.
#   [SIZE=1GB] [ROUNDS=5] [FORMAT=keepwarm] [CACHE=target/peers] benches/peers.sh [CONTENDER...]
# Contenders: newlines ordinary wc rg keepwarm_1 keepwarm_2 gawk mawk duckdb chdb rhit ag goaccess halog; without any: all. Those
# that need to know where fields are take part in the keepwarm format only. CPU time is the one to look at when others
# use the machine. The slow ones get a tenth of the log or less; all are compared by byte.
cd "$(dirname "$0")/.." || exit
. benches/measure.sh
build
format=${FORMAT:-keepwarm} cache=${CACHE:-target/peers}

contenders=("$@")
if [ $# = 0 ]; then
    contenders=(newlines ordinary wc rg keepwarm_1 keepwarm_2)
    [ "$format" != keepwarm ] || contenders+=(gawk mawk duckdb chdb rhit ag goaccess halog)
fi
# What all else is compared with always runs.
for needed in keepwarm_1 newlines; do
    [[ " ${contenders[*]} " == *" $needed "* ]] || contenders=("$needed" "${contenders[@]}")
done
benches/peers/install.sh "$cache" "${contenders[@]}"

log=$folder/access.log tenth=$folder/tenth.log hundredth=$folder/hundredth.log haproxy=$folder/haproxy.log
generate --bytes "$size" --format "$format" --output "$log" --truth "$folder/truth.json"

# Whole lines of a part of the log.
part() { head -c $(($(bytes_of "$log") / $1)) "$log" | sed '$d'; }
part 10 >"$tenth"
part 100 >"$hundredth"
if [[ " ${contenders[*]} " == *" halog "* ]]; then
    fields='$remote_addr $time_local $pid $msec $proxy_host $upstream_addr $upstream_connect_time $upstream_header_time'
    fields+=' $request_time $status $bytes_sent $host $http_referer $http_user_agent $request'
    generate --bytes "$size" --format "${fields// /$'\t'}" | mawk -f benches/peers/haproxy.awk >"$haproxy"
fi

# What each contender runs. Those that can answer with a line for each peer: address, attempts, those with connect time
# 0.000, p95 of response times in milliseconds.
run_newlines() { newlines "$log"; }
run_ordinary() { newlines --ordinary "$log"; }
run_wc() { wc -l <"$log"; }
run_rg() { rg -c '^' "$log"; }
run_keepwarm_1() { keepwarm -o csv --threads 1 "$log"; }
run_keepwarm_2() { keepwarm -o csv --threads 2 "$log"; }
# What the machine lets two threads gain.
run_side_by_side() {
    run_keepwarm_1 >"$folder/beside" &
    run_keepwarm_1 && wait "$!" && cmp "$folder/beside" "$folder/run_keepwarm_1.out"
}
run_gawk() { gawk -F'"' -f benches/peers/attempts.awk "$log" | sort -k 1,1 -k 2,2n | gawk -f benches/peers/p95.awk; }
run_mawk() { mawk -F'"' -f benches/peers/attempts.awk "$log" | sort -k 1,1 -k 2,2n | mawk -f benches/peers/p95.awk; }
run_duckdb() { "$cache/venv/bin/python" benches/peers/duckdb_query.py "$log"; }
run_chdb() { "$cache/venv/bin/python" benches/peers/chdb_query.py "$log"; }
run_rhit() { "$cache/bin/rhit" --silent-load --color no --fields status "$log"; }
run_ag() {
    "$cache/bin/agrind" -o 'format={addr} {attempts} {zeros} {p95}' -f "$tenth" \
        '* | parse "ua=\"*\" us=\"*\" uct=\"*\" uht=\"*\" urt=\"*\"" as addr, us, connect, uht, response
        | where response != "-" | count as attempts, count(connect == 0) as zeros, p95(response) as p95 by addr'
}
run_goaccess() {
    goaccess "$hundredth" --no-global-config --no-progress --date-format=%d/%b/%Y --time-format=%T -o csv \
        --log-format='%h %^[%d:%t %^] "%r" %s %b "%R" "%u" rt=%T %^ %^ %^ %^ up=%v %^' --enable-panel=VIRTUAL_HOSTS
}
run_halog() { "$cache/usr/bin/halog" -q -srv <"$haproxy"; }

declare -A log_of=([ag]=$tenth [goaccess]=$hundredth [halog]=$haproxy)
declare -A shown=([$log]=all [$tenth]='a tenth' [$hundredth]='a hundredth' [$haproxy]="HAProxy's")
declare -A answers=([newlines]=lines [ordinary]='lines, over ordinary reads' [wc]=lines [rg]=lines [rhit]='lines, by status'
    [goaccess]='requests by upstream, and much else' [halog]='requests by server, mean times'
    [keepwarm_1]='the report' [keepwarm_2]='the report')

# A contender's answer in one form: what it counts, then "address attempts zeros p95" or "upstream requests" or lines.
answer() {
    case $1 in
    keepwarm_*) awk -F, '$1 == "peer" { print $3, $4, $9, $29 }' ;;
    ag) awk '!/, / && NF == 4 { print $1, $2, $3, $4 * 1000 }' ;;
    goaccess) awk -F'"' '/"vhosts"/ { print $(NF - 1), $6 }' ;;
    halog) awk '!/^#/ { print $1, $8 }' ;;
    rhit) sed -n '1s/ .*//; 1s/,//gp' ;;
    *) cat ;;
    esac
}

# What the answer has to be. The generator knows the counts, keepwarm the percentiles for the others to compare with.
expected() {
    case $1 in
    keepwarm_1) awk -F '[ ",:]+' '$2 == "addr" { addr = $3 ":" $4 } $2 == "attempts" { n = $3 } $2 == "new_visible" { new = $3 }
        $2 == "failed" && addr { print addr, n, n - $3 - new }' "$folder/truth.json" ;;
    ag) keepwarm -o csv "$tenth" | answer keepwarm_1 ;;
    goaccess) sed 's/.* up=\([^ ]*\) ua=.*/\1/' "$hundredth" | sort | uniq -c | awk '{ print $2, $1 }' ;;
    halog) mawk '{ count[$9]++ } END { for (server in count) print server, count[server] }' "$haproxy" ;;
    newlines | ordinary | wc | rg | rhit) sed -n 's/^ *"lines": \([0-9]*\).*/\1/p' "$folder/truth.json" ;;
    *) answer keepwarm_1 <"$folder/run_keepwarm_1.out" ;;
    esac >"$folder/expected"
    cat "$folder/expected"
}

agrees() {
    local columns=4
    case $1 in
    newlines | ordinary | wc | rg | rhit) if [ "$(answer "$1" <"$folder/run_$1.out")" = "$(expected "$1")" ]; then echo yes; else echo no; fi ;;
    *)
        case $1 in goaccess | halog) columns=2 ;; keepwarm_1) [ "$format" = keepwarm ] && columns=3 || columns=2 ;; esac
        awk -v columns=$columns -f benches/peers/agrees.awk <(expected "$1") <(answer "$1" <"$folder/run_$1.out") ;;
    esac
}

# From here on a contender is a function.
running=()
for contender in "${contenders[@]}"; do
    declare -F "run_$contender" >/dev/null || { echo "no contender is called $contender" >&2; exit 2; }
    if [ ! -e "$cache/$contender.why" ]; then running+=("run_$contender"); fi
done
[[ " ${contenders[*]} " != *" keepwarm_2 "* ]] || running+=(run_side_by_side)
cat "$folder"/*.log >/dev/null
take_turns "${running[@]}"

printf '%s; log: %s, %s, %s lines; medians of %s\n\n' "$(machine)" "$format" "$size" "$(expected wc)" "$rounds"
echo '| contender | answers | of the log | seconds | CPU s | GB/s | x newlines | x CPU | agrees |'
echo '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |'
base_bytes=$(bytes_of "$log") base_wall=$(wall run_newlines) base_cpu=$(cpu run_newlines)
failed=0
for contender in "${contenders[@]}"; do
    name=run_$contender
    if [ ! -e "$folder/$name.times" ]; then
        printf '| %s | not run: %s | | | | | | | |\n' "$contender" \
            "$(tail -qn 1 "$cache/$contender.why" "$folder/$name.err" 2>/dev/null | tail -n 1 | tr -d '|')"
        continue
    fi
    of=${log_of[$contender]:-$log}
    verdict=$(agrees "$contender")
    case $contender in ag) ;; *) [ "$verdict" = yes ] || failed=1 ;; esac
    awk -v name="$contender" -v answers="${answers[$contender]:-attempts, zeros, p95 by peer}" -v of="${shown[$of]}" \
        -v wall="$(wall "$name")" -v cpu="$(cpu "$name")" -v bytes="$(bytes_of "$of")" -v base_bytes="$base_bytes" \
        -v base_wall="$base_wall" -v base_cpu="$base_cpu" -v verdict="$verdict" 'BEGIN {
            more = base_bytes / bytes
            if (base_wall == 0) base_wall = 0.001
            if (base_cpu == 0) base_cpu = 0.001
            if (wall == 0) wall = 0.001
            printf "| %s | %s | %s | %.3f | %.3f | %.3f | %.1f | %.1f | %s |\n", name, answers, of, wall, cpu,
                bytes / wall / 1e9, more * wall / base_wall, more * cpu / base_cpu, verdict }'
done

if [[ " ${contenders[*]} " == *" keepwarm_2 "* ]]; then
    if [ -e "$folder/run_side_by_side.times" ] && [ -e "$folder/run_keepwarm_2.times" ]; then
        echo
        scaling run_keepwarm_1 run_keepwarm_2 run_side_by_side
    else
        failed=1
    fi
fi

if [ -e "$folder/run_ordinary.times" ]; then
    printf '\none thread takes %s times as long as counting newlines over ordinary reads\n' \
        "$(ratio "$(wall run_keepwarm_1)" "$(wall run_ordinary)")"
fi

# The commands are the functions above, without what is around them.
printf '\n```bash\n'
for contender in "${contenders[@]}"; do
    printf '# %s\n' "$contender"
    declare -f "run_$contender" | sed '1,2d; $d; s/^    //; s/;$//'
done
printf '```\n'
exit $failed
