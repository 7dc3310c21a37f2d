"""Holds what an emitter did against what is in a vault: each call it made is one record, and no record is of anything else.

    python3 check.py VOUCHLOG < what-the-emitter-printed

VOUCHLOG is the program; the vault is the one of `VOUCHLOG_VAULT`. An answer's id names its call; calls without (embeddings, refused
calls) are counted.
"""

import json
import subprocess
import sys


def find(program, *facets):
    """The ids of the interactions that have all these facets."""
    arguments = [argument for facet in facets for argument in ("--by", facet)]
    command = [program, "find", "--json", "--kind", "interaction", "--limit", "1000", *arguments]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return [row["id"] for row in json.loads(said)["records"]]


def main(program):
    report = json.load(sys.stdin)
    wrong = []
    for call in report["calls"]:
        if call.get("response_id"):
            found = find(program, f"response={call['response_id']}")
            if len(found) != 1:
                wrong.append(f"{call['exchange']}: {len(found)} records of {call['response_id']}")
    every, made = find(program), report["calls"]
    if len(every) != len(made):
        wrong.append(f"{len(made)} calls were made, {len(every)} are recorded")
    print("\n".join(wrong) or f"{len(made)} calls were made, and each is one record")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
