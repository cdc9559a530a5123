"""Attempts, those with connect time 0.000 and the p95 of response times for each address, by DuckDB."""

import sys

import duckdb

# Split at quotes: fields 8, 12 and 16 are the lists of addresses, connect and response times.
COLUMNS = ", ".join(f"f{n}: 'VARCHAR'" for n in range(1, 22))
QUERY = f"""
WITH attempts AS (
  SELECT unnest(string_split(f8, ', ')) AS addr, unnest(string_split(f12, ', ')) AS connect,
         unnest(string_split(f16, ', ')) AS response
  FROM read_csv(?, delim = '"', quote = '', escape = '', header = false, auto_detect = false, columns = {{{COLUMNS}}}))
SELECT addr, count(*), count(*) FILTER (connect = '0.000'), round(1000 * quantile_disc(response::DOUBLE, 0.95))::INT
FROM attempts WHERE response <> '-' GROUP BY addr ORDER BY addr
"""

for row in duckdb.execute(QUERY, [sys.argv[1]]).fetchall():
    print(*row)
