#!/usr/bin/env bash
# Build the image of the Dockerfile without a Docker daemon or a registry, and run the smoke suite in it.
#
# Runs as root on Debian or Ubuntu and takes about 12 GB of disk, of which the image keeps half.
# STORAGE_DRIVER=vfs is for machines that cannot mount overlay file systems, as inside a container.
#
# The base is a debootstrap of SUITE from MIRROR (by default the mirror of this machine's own apt
# sources). pip inside the build uses this machine's pip configuration: the settings go in as a
# secret, the folders and certificates they name as read-only mounts; only empty mount points stay.
set -euo pipefail

SUITE=${SUITE:-bookworm}
IMAGE=${IMAGE:-kbench}
BASE=${BASE:-localhost/kbench-base-$SUITE}
export BUILDAH_ISOLATION=chroot

fail() {
    echo "build_image: $*" >&2
    exit 1
}

# buildah reads STORAGE_DRIVER itself only in later versions.
image_tool() {
    buildah ${STORAGE_DRIVER:+--storage-driver "$STORAGE_DRIVER"} "$@"
}

need_tools() {
    local missing=()
    for tool in buildah debootstrap; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || fail "${missing[*]} missing; install with the system's packages"
    apt-get update -qq
    apt-get install -y -qq "${missing[@]}"
}

mirror_of_this_machine() {
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -v suite="$SUITE" '$1 == suite { print $2; exit }'
}

make_base() {
    local root mirror
    mirror=${MIRROR:-$(mirror_of_this_machine)}
    container=$(image_tool from scratch)
    root=$(image_tool mount "$container")
    # shellcheck disable=SC2086 - without a mirror debootstrap takes its own
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv \
        "$SUITE" "$root" $mirror
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
        "$root"/etc/apt/sources.list "$root"/etc/hostname "$root"/etc/resolv.conf
    image_tool umount "$container" >/dev/null
    image_tool commit --quiet --rm "$container" "$BASE" >/dev/null
    container=
}

# Write this machine's pip settings to a file and print the local paths that they name.
pip_settings() {
    local python=.venv/bin/python
    [ -x "$python" ] || python=python3
    "$python" - "$1" <<'PYTHON'
import ast, configparser, re, subprocess, sys
from pathlib import Path

listed = subprocess.run(
    [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
).stdout
settings = {}
for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
    name, _, value = line.partition("=")
    section, _, key = name.rpartition(".")
    if section in ("global", "install", "site", "user", ":env:") and key != "config-file":
        settings[key] = ast.literal_eval(value)
config = configparser.ConfigParser(interpolation=None)
config["global"] = settings
with Path(sys.argv[1]).open("w") as file:
    config.write(file)
for word in re.split(r"\s+", " ".join(settings.values())):
    path = Path(word.removeprefix("file://"))
    if path.is_absolute() and path.exists():
        # An index of a folder links to files beside it.
        print(path.parent if path.name == "simple" else path)
PYTHON
}

build() {
    local arguments=(--build-arg "BASE=$BASE" --tag "$IMAGE" --layers=false) path
    pip_settings "$scratch/pip.conf" >"$scratch/paths"
    arguments+=(--secret "id=pip_conf,src=$scratch/pip.conf")
    while read -r path; do
        arguments+=(--volume "$path:$path:ro")
    done < <(sort -u "$scratch/paths")
    ! image_tool inspect --type image "$IMAGE" >/dev/null 2>&1 || image_tool rmi "$IMAGE" >/dev/null
    image_tool build "${arguments[@]}" .
}

try() {
    container=$(image_tool from "$IMAGE")
    for arguments in "--version" "run suites/smoke.yaml" "report suites/smoke.yaml"; do
        # shellcheck disable=SC2086 - words of a command
        image_tool run "$container" -- kbench $arguments
    done
}

cleanup() {
    rm -rf "$scratch"
    [ -z "$container" ] || image_tool rm "$container" >/dev/null
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "$(id -u)" -eq 0 ] || fail "has to run as root"
scratch=$(mktemp -d)
container=
trap cleanup EXIT
need_tools
image_tool inspect --type image "$BASE" >/dev/null 2>&1 || make_base
build
try
image_tool images "$IMAGE"
