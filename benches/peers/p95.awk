# Of what attempts.awk prints, sorted by address and time: "address attempts zeros p95" (milliseconds, by nearest rank).
$1 != addr { answer(); addr = $1; attempts = zeros = n = 0 }
{ attempts += $4; zeros += $3 * $4; ms[++n] = int($2 * 1000 + 0.5); upto[n] = attempts }
END { answer() }
function answer(i) {
    if (!attempts) return
    for (i = 1; upto[i] < 0.95 * attempts; i++);
    print addr, attempts, zeros, ms[i]
}
