#!/bin/sh
# The guaranteed loans of sba_loans_raw.csv: import, check, test, replay, counts.
# Usage: run.sh DATA [OUT]
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/examples/sba
data=${1:?usage: run.sh DATA [OUT]}
out=${2:-$root/build/example-sba}

if [ ! -d "$data" ]; then
  echo "the data are not there: $data; give the folder, as in make example-sba DATA=FOLDER" >&2
  exit 2
fi
"$root/.venv/bin/sancha" import "$data" --mapping "$here/mapping.yaml" \
  --vocabulary "$here/pack/vocabulary.yaml" --out "$out/book"
"$root/.venv/bin/sancha" check "$here/pack"
"$root/.venv/bin/sancha" test "$here/pack"
"$root/.venv/bin/sancha" replay "$out/book" --pack "$here/pack" --out "$out/run"
"$root/.venv/bin/python" "$root/examples/counts.py" "$out/run" "$here/pack"
