# Turns the lines that benches/peers.sh makes for it, fields between tabs, into what HAProxy's `option httplog` writes, with three captured headers so
# that lines are about as long as those of keepwarm's format. Of a list the last slot counts: HAProxy logs one attempt.
BEGIN { FS = "\t" }
{
    split($2, time, "[/: ]")
    n = split($6, addr, ", "); split($7, connect, ", "); split($8, header, ", ")
    server = addr[n] == "-" ? "<NOSRV>" : addr[n]
    printf "%s %s %s:%s:%s proxy-1.example.com haproxy[%s]: %s:%d [%s/%s/%s:%s:%s:%s.%s] www~ %s/%s 0/0/%d/%d/%d %s %s - - ---- 200/180/12/3/0 0/0 {%s|%s|%s} \"%s\"\n",
        time[2], time[1], time[4], time[5], time[6], $3, $1, 30000 + NR % 30000, time[1], time[2], time[3], time[4], time[5],
        time[6], substr($4, length($4) - 2), $5, server, ms(connect[n]), ms(header[n]), ms($9), $10, $11, $12, $13, $14, $15
}
function ms(seconds) { return seconds == "-" ? -1 : int(seconds * 1000 + 0.5) }
