#!/usr/bin/env bash
# Tests what needs a booted systemd: `workstation service`, in a container of its own without a network.
# Called by `run-test.sh --deploy` with the folder of the built programs. Needs root, and Debian.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
programs="$(cd "${1:?the folder of the programs}" && pwd)"
# shellcheck source=tests/deploy/container.sh
. "$here/container.sh"

install_tools debootstrap=debootstrap systemd-nspawn=systemd-container
make_rootfs
mkdir "$work/programs"
cp "$programs/relayd" "$programs/workstation" "$programs/examples/phone" "$work/programs"
# A system that does not come to its end is stopped.
boot anna inside.sh 300 "$work/programs"
