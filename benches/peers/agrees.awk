# Compares the first columns of two files of "address attempts zeros p95", the first file being the right answer: counts
# exactly, p95 by nearest rank, so to 1 ms or the 1 % that a histogram may round by. -v columns=N says how many.
NR == FNR { attempts[$1] = $2; zeros[$1] = $3; p95[$1] = $4; sum += $2; wanted++; next }
{ found += $2; rows++ }
$2 != attempts[$1] || (columns > 2 && $3 != zeros[$1]) { wrong++ }
columns > 3 && ($4 - p95[$1]) ^ 2 > (1 + p95[$1] / 100) ^ 2 { off++ }
END {
    if (wrong || rows != wanted) printf "no: in %d of %d peers, %.1f %% of the attempts\n", wrong + (wanted > rows ? wanted - rows : 0), wanted, sum ? 100 * found / sum : 0
    else if (off) printf "no: p95 of %d peers\n", off
    else print "yes"
}
