#!/usr/bin/env bash
# Make the virtual environment: scripts/setup.sh PYTHON FOLDER. On a bare Debian or Ubuntu what is
# missing is installed by apt-get when root, and named otherwise.
set -euo pipefail

python=$1
folder=$2

fail() {
    echo "setup: $*" >&2
    exit 1
}

install() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "$1 is missing; install it, on Debian and Ubuntu by: sudo apt-get install -y $1"
    fi
    echo "setup: installing $1"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq "$1" >/dev/null
}

command -v "$python" >/dev/null || install python3
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is Python $version; kbench needs 3.11 or newer: make setup PYTHON=python3.12"
"$python" -c 'import ensurepip, venv' 2>/dev/null || install "python$version-venv"
"$folder/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$folder"
"$folder/bin/python" -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
