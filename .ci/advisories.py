"""Judges the crates on standard input, one `name v1.2.3<tab>licence` a line as `cargo tree`
prints them: open advisories and unknown crates by the list in the file that is named, and
licences. Exits with 1 when anything is found."""

import re
import sys

LICENCES = {
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}


def number(version):
    """Orders versions; what follows a hyphen or a plus is left out."""
    return tuple(int(part) for part in re.split("[-+]", version)[0].split("."))


def within(version, bound):
    sign, limit = re.fullmatch(r"(>=|<=|>|<|=)([\d.]+)", bound).groups()
    one, other = number(version), number(limit)
    return {
        ">=": one >= other,
        "<=": one <= other,
        ">": one > other,
        "<": one < other,
        "=": one == other,
    }[sign]


def affects(ranges, version):
    return ranges == "*" or any(
        all(within(version, bound) for bound in one.split(",")) for one in ranges.split(";")
    )


def permits(licence):
    """Whether a licence expression can be met with the licences above."""
    name = r"[\w.+-]+(?:\s+WITH\s+[\w.+-]+)?"
    tokens = re.findall(rf"\(|\)|/|\bAND\b|\bOR\b|{name}", licence)

    def choice():
        met = both()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            met = both() or met
        return met

    def both():
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one():
        token = tokens.pop(0)
        if token != "(":
            return token in LICENCES
        met = choice()
        tokens.pop(0)
        return met

    return bool(tokens) and choice()


def main():
    advisories, known = [], set()
    for line in open(sys.argv[1]):
        fields = [field.strip() for field in line.split("|")]
        if line.startswith("#"):
            continue
        if len(fields) == 4:
            advisories.append(fields)
            known.add(fields[1])
        else:
            known.update(line.split())

    crates = set()
    for line in sys.stdin:
        crate, licence = line.rstrip("\n").removesuffix(" (*)").split("\t")
        name, version = crate.split()[:2]
        crates.add((name, version.removeprefix("v"), licence))

    found = []
    for name, version, licence in sorted(crates):
        if name not in known:
            found.append(f"{name} {version} was never looked up: see {sys.argv[1]}")
        if not permits(licence):
            found.append(f"{name} {version} has the licence '{licence}', which is not on the list")
        for advisory, crate, ranges, what in advisories:
            if crate == name and affects(ranges, version):
                found.append(f"{name} {version} has {advisory}: {what}")
    print(f"{len(crates)} crates, {len(advisories)} advisories, {len(found)} found")
    for one in found:
        print(f"FOUND: {one}")
    sys.exit(bool(found) or not crates)


main()
