"""Attempts, those with connect time 0.000 and the p95 of response times for each address, by chDB (ClickHouse)."""

import sys

import chdb

# Split at quotes: fields 8, 12 and 16 are the lists of addresses, connect and response times.
QUERY = """
SELECT addr, count(), countIf(connect = '0.000'), round(1000 * quantileExactLow(0.95)(toFloat64(response)))
FROM (SELECT splitByChar('"', line) AS f FROM file('{file}', LineAsString, 'line String'))
ARRAY JOIN splitByString(', ', f[8]) AS addr, splitByString(', ', f[12]) AS connect,
           splitByString(', ', f[16]) AS response
WHERE response != '-' GROUP BY addr ORDER BY addr
"""

print(str(chdb.query(QUERY.format(file=sys.argv[1]), "TSV")).replace("\t", " "), end="")
