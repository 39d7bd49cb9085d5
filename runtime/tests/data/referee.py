"""Reads the CSV files of a list with Python's csv module, and writes their rows as JSON, one file a line."""
import csv
import json
import sys

csv.field_size_limit(1 << 30)
for line in open(sys.argv[1], encoding="utf-8"):
    case = json.loads(line)
    quote = case["quote"]
    quoting = {"quoting": csv.QUOTE_NONE} if quote is None else {"quotechar": quote}
    try:
        with open(case["path"], encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, delimiter=case["separator"], strict=True, **quoting))
        answer = {"rows": [row for row in rows if row or case["width"] == 1]}
    except csv.Error as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))
