#!/bin/sh
# Finds the system packages that Sancha needs and this machine lacks. Root on Debian or Ubuntu: installs them.
# Otherwise: names them in one message and fails, before anything else has run.
set -eu

python=$1
missing=

need() { # package, then a test that succeeds where it is there
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}

library() { PATH=$PATH:/sbin:/usr/sbin ldconfig -p | grep -q "$1" || [ -n "$(find /usr/lib /usr/local/lib -name "$1*" -print -quit)" ]; }
font() { command -v fc-list && [ -n "$(fc-list :lang=zh-cn family)" ]; }
headers() { "$python" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_paths()["include"], "Python.h"))'; }
venv() { "$python" -c 'import venv, ensurepip'; }
compiler() { command -v cc || command -v gcc; }

need gcc compiler
need libc6-dev test -e /usr/include/stdlib.h
need "python3-dev" headers
need "python3-venv" venv
need libpango-1.0-0 library libpango-1.0.so.0
need libpangoft2-1.0-0 library libpangoft2-1.0.so.0
need libharfbuzz-subset0 library libharfbuzz-subset.so.0
need fontconfig command -v fc-list
need fonts-noto-cjk font

[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing system packages:$missing"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y -qq --no-install-recommends $missing >/dev/null
  exit 0
fi

cat >&2 <<MESSAGE
Sancha needs system packages that are not here. On Debian or Ubuntu, as root:

    apt-get install$missing

On other systems install their counterparts: a C compiler, the headers of Python, Pango, the HarfBuzz subsetter,
fontconfig and a font for Chinese (Noto Sans CJK). Then run make again.
MESSAGE
exit 1
