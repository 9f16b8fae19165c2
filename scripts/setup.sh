#!/usr/bin/env bash
# Make the virtual environment: scripts/setup.sh PYTHON FOLDER EXTRAS, such as dev,ffcv. On a bare
# Debian or Ubuntu what is missing is installed by apt-get when root, and named otherwise.
set -euo pipefail

python=$1
folder=$2
extras=$3

fail() {
    echo "setup: $*" >&2
    exit 1
}

install() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "$* is missing; install it, on Debian and Ubuntu by: sudo apt-get install -y $*"
    fi
    echo "setup: installing $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 update -qq
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null
}

command -v "$python" >/dev/null || install python3
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is Python $version; kbench needs 3.11 or newer: make setup PYTHON=python3.12"
"$python" -c 'import ensurepip, venv' 2>/dev/null || install "python$version-venv"
"$folder/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$folder"
# ffcv is built from source against these.
if [[ ",$extras," == *,ffcv,* ]]; then
    pkg-config --exists opencv4 libturbojpeg 2>/dev/null ||
        install pkg-config build-essential libopencv-dev libturbojpeg0-dev
    header='import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
    "$python" -c "$header" || install "python$version-dev"
fi
"$folder/bin/python" -m pip install --quiet --constraint constraints.txt --editable ".[$extras]"
