#!/bin/sh
# Makes .venv from requirements.lock, with `sancha` installed as a link to this checkout.
set -eu
cd "$(dirname "$0")/.."

python=
for candidate in ${PYTHON:-} python3.12 python3.11 python3; do
  if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "Sancha needs Python 3.11 or 3.12. On Debian or Ubuntu: apt-get install python3. Or name one: make PYTHON=/path/to/python" >&2
  exit 1
fi

scripts/system_packages.sh "$python"

echo "Setting up .venv with $("$python" --version)"
rm -rf .venv
"$python" -m venv .venv
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
if command -v npm >/dev/null; then
  # An evaluator of other authors, for the tests that compare with it; they skip without.
  npm ci --prefix tests/feelin --silent --no-audit --no-fund ||
    echo "feelin could not be installed: the tests that compare with it are skipped" >&2
fi
touch .venv/ready
