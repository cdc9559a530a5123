# For gawk and mawk with -F'"' on a log of keepwarm's format: how many attempts at an address had a response time, and
# whether their connect time was 0.000: "address response zero attempts", unsorted.
{
    n = split($8, addr, ", "); split($12, connect, ", "); split($16, response, ", ")
    for (i = 1; i <= n; i++)
        if (response[i] != "-") count[addr[i] " " response[i] " " (connect[i] == "0.000")]++
}
END { for (key in count) print key, count[key] }
