#!/usr/bin/env bash
# Proves safety, with two solvers and five seeds, and shows what that is worth. Installs z3 and cvc5
# where they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

install() {
  if ! apt-get install -y -qq --no-install-recommends "$@"; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"
  fi
}
command -v cvc5 >/dev/null || DEBIAN_FRONTEND=noninteractive install cvc5

# Debian's z3 is some years older, and would do; this one is pinned.
target=${CARGO_TARGET_DIR:-target}
python3 -c 'import ensurepip' 2>/dev/null || install python3 python3-venv
solvers=$target/solvers
[ -x "$solvers/bin/pip" ] || python3 -m venv "$solvers"
"$solvers/bin/pip" install --quiet --disable-pip-version-check z3-solver==5.4.1.0
PATH=$(cd "$solvers/bin" && pwd):$PATH
export PATH

check() { cargo run --release --locked --quiet --bin check -- "$@"; }

said=$target/proof.json
check prove --seeds 5 --json >"$said"
# Both solvers agree on nine obligations of ten at least, no question takes ten seconds, and each
# seed a minute at most.
python3 - "$said" <<'PYTHON'
import json, sys
said = json.load(open(sys.argv[1]))
all_said = [one["said"] for one in said["obligations"]]
assert len(said["solvers"]) == 2, said["solvers"]
agreed = sum(all(by["verdict"] == "proved" for by in said) for said in all_said)
assert agreed >= 0.9 * len(all_said), f"two solvers agree on {agreed} of {len(all_said)}"
longest = max(by["longest"] for said in all_said for by in said)
assert longest < 10, f"one question took {longest} s"
for place, solver in enumerate(said["solvers"]):
    seconds = sum(one[place]["seconds"] for one in all_said) / 5
    assert seconds < 60, f"{solver} took {seconds} s"
print(f"two solvers agree on {agreed} of {len(all_said)}; the longest question took {longest} s")
PYTHON

# Nothing is proved of what cannot be, and every rule is needed.
check prove --possible | tail -n 1
check prove --bend all | tail -n 1
check prove --without all | tail -n 1
