"""Judges what cargo-mutants found by the list of those that nothing can catch: survivors.sh.

    survivors.py LIST NAMES OUT...

NAMES has the name of every mutant there is, a line each; each OUT is a folder that a run of
cargo-mutants left behind.
"""

import re
import sys
from collections import Counter
from pathlib import Path


def name(line):
    """A mutant as LIST names it: without line and column, which move."""
    return re.sub(r"^(\S+\.rs):\d+:\d+: ", r"\1: ", line)


def names(lines):
    return Counter(name(line) for line in lines)


def found(outs, *kinds):
    """The mutants of these kinds, each once, though more than one run tried it."""
    files = [out / f"{kind}.txt" for out in outs for kind in kinds]
    return names({line for file in files for line in file.read_text().splitlines()})


def listed(path):
    """The names in LIST, each as often as it stands there, and what is wrong with the list."""
    counts, reasons, current = Counter(), Counter(), None
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            reasons[current] += 1
        else:
            current = line
            counts[current] += 1
    return counts, [f"{each}: no reason is given" for each in counts if not reasons[each]]


def judge(path, every, outs):
    equivalent, wrong = listed(path)
    missed = found(outs, "missed")
    tested = found(outs, "caught", "missed", "timeout", "unviable")
    for each, count in equivalent.items():
        if every[each] < count:
            wrong.append(f"{each}: no longer occurs as often as it is listed")
        elif tested[each] == every[each] and missed[each] < count:
            wrong.append(f"{each}: is listed, and a test catches it")
    for each, count in missed.items():
        if count > equivalent[each]:
            wrong.append(f"{each}: no test catches it")
    return tested, missed, wrong


tested, missed, wrong = judge(
    Path(sys.argv[1]),
    names(Path(sys.argv[2]).read_text().splitlines()),
    [Path(out) for out in sys.argv[3:]],
)
for line in wrong:
    print(f"FOUND: {line}")
print(f"{tested.total()} tried, {missed.total()} lived")
sys.exit(bool(wrong))
