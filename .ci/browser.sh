#!/usr/bin/env bash
# The report and the Explorer in a real browser: they load without an error, and can be stepped.
# Screenshots are left in target/browser/, to be looked at.
set -euo pipefail
cd "$(dirname "$0")/.."

install() {
  if [ "${updated:-}" = "" ]; then apt-get update -qq; updated=yes; fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
command -v chromium >/dev/null || install chromium fonts-dejavu-core
command -v npm >/dev/null || install nodejs npm
npm ci --prefix checks/browser --no-audit --no-fund --silent

cargo build --release --bin check
node checks/browser/test.mjs
