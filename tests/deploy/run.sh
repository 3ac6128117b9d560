#!/usr/bin/env bash
# Tests what needs a booted systemd: `workstation service`, in a container of its own without a network.
# Called by `run-test.sh --deploy` with the folder of the built programs. Needs root, and Debian.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
programs="$(cd "${1:?the folder of the programs}" && pwd)"
cache="${RELAY_DEPLOY_CACHE:-/var/tmp/relay-deploy}"
# shellcheck source=/dev/null
suite="$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")"
rootfs="$cache/$suite"
# A system that does not come to its end is stopped.
limit=300

install_tools() {
    command -v debootstrap >/dev/null && command -v systemd-nspawn >/dev/null && return
    echo "installing debootstrap and systemd-container" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        debootstrap systemd-container >/dev/null
}

# A minimal Debian with systemd and a user whose services run without a login. It is kept for the next run.
make_rootfs() {
    [ -e "$rootfs/.complete" ] && return
    echo "making a root file system in $rootfs" >&2
    mkdir -p "$cache"
    rm -rf "$rootfs"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd \
        "$suite" "$rootfs" >"$cache/debootstrap.log"
    chroot "$rootfs" useradd --create-home --home-dir /srv/anna --uid 1000 --shell /bin/bash anna
    mkdir -p "$rootfs/var/lib/systemd/linger"
    touch "$rootfs/var/lib/systemd/linger/anna" "$rootfs/.complete"
}

# The one thing that the container does besides booting.
write_unit() {
    cat >"$rootfs/etc/systemd/system/deploy-test.service" <<'UNIT'
[Unit]
After=user@1000.service
Wants=user@1000.service
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
User=anna
ExecStart=/bin/bash /opt/test/inside.sh
StandardOutput=file:/opt/result/out
StandardError=file:/opt/result/err
UNIT
    mkdir -p "$rootfs/etc/systemd/system/multi-user.target.wants" "$rootfs"/opt/{relay,test,result}
    ln -sf ../deploy-test.service "$rootfs/etc/systemd/system/multi-user.target.wants/"
}

install_tools
make_rootfs
write_unit
work="$(mktemp -d "${TMPDIR:-/tmp}/relay-deploy.XXXXXX")"
trap 'rm -rf "$work"' EXIT
mkdir "$work/programs" "$work/result"
chmod 755 "$work" "$work/programs"
chmod 777 "$work/result"
cp "$programs/relayd" "$programs/workstation" "$programs/examples/phone" "$work/programs"
timeout --kill-after=10 "$limit" systemd-nspawn --quiet --register=no --keep-unit --private-network \
    --volatile=overlay --machine=relay-deploy --directory="$rootfs" \
    --bind-ro="$work/programs:/opt/relay" --bind-ro="$here:/opt/test" --bind="$work/result:/opt/result" \
    --console=pipe --boot </dev/null >"$work/console" 2>&1 || true
cat "$work/result/out" 2>/dev/null || true
if ! grep -q '^done: 0 failed$' "$work/result/out" 2>/dev/null; then
    sed 's/^/err: /' "$work/result/err" 2>/dev/null | tail -n 20 || true
    tail -n 20 "$work/console"
    exit 1
fi
