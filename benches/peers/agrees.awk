# Compares two files of "address attempts zeros p95", the first one being the right answer: counts exactly, p95 by nearest
# rank, so to 1 ms or the 1 % that a histogram may round by. With -v counts=1 a file may lack zeros and p95.
NR == FNR { attempts[$1] = $2; zeros[$1] = $3; p95[$1] = $4; sum += $2; wanted++; next }
{ found += $2; rows++ }
$2 != attempts[$1] || (!counts && $3 != zeros[$1]) { wrong++ }
!counts && ($4 - p95[$1]) ^ 2 > (1 + p95[$1] / 100) ^ 2 { late++ }
END {
    if (wrong || rows != wanted) printf "no: %.1f %% of the attempts\n", 100 * found / sum
    else if (late) printf "no: p95 of %d peers\n", late
    else print "yes"
}
