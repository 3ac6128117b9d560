# shellcheck shell=bash
# A container with a booted systemd and no network: what the tests in this folder share. Sourced by them.
#
# Needs root, and Debian. The root file system stays for the next run; what a test changes in it does not.

cache="${RELAY_DEPLOY_CACHE:-/var/tmp/relay-deploy}"
# shellcheck source=/dev/null
suite="$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")"
rootfs="$cache/$suite"
work="$(mktemp -d "${TMPDIR:-/tmp}/relay-deploy.XXXXXX")"
trap 'rm -rf "$work"' EXIT

# install_tools COMMAND=PACKAGE…: has Debian's package of each command that is missing.
install_tools() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    echo "installing ${missing[*]}" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

# A minimal Debian with systemd and a user whose services run without a login.
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

# write_unit USER SCRIPT: the one thing that the container does besides booting.
write_unit() {
    cat >"$rootfs/etc/systemd/system/deploy-test.service" <<UNIT
[Unit]
After=user@1000.service
Wants=user@1000.service
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
User=$1
ExecStart=/bin/bash /opt/test/$2
StandardOutput=file:/opt/result/out
StandardError=file:/opt/result/err
UNIT
    mkdir -p "$rootfs/etc/systemd/system/multi-user.target.wants" "$rootfs"/opt/{relay,test,result}
    ln -sf ../deploy-test.service "$rootfs/etc/systemd/system/multi-user.target.wants/"
}

# boot USER SCRIPT LIMIT PROGRAMS: runs the script of this folder in the container, for LIMIT seconds at most.
# It finds the folder PROGRAMS as /opt/relay. Succeeds if the script's last line says that nothing failed.
boot() {
    write_unit "$1" "$2"
    mkdir -p "$work/result"
    chmod 755 "$work" "$4"
    chmod 777 "$work/result"
    timeout --kill-after=10 "$3" systemd-nspawn --quiet --register=no --keep-unit --private-network \
        --volatile=overlay --machine=relay-deploy --directory="$rootfs" \
        --bind-ro="$4:/opt/relay" --bind-ro="$here:/opt/test" --bind="$work/result:/opt/result" \
        --console=pipe --boot </dev/null >"$work/console" 2>&1 || true
    cat "$work/result/out" 2>/dev/null || true
    if ! grep -q '^done: 0 failed$' "$work/result/out" 2>/dev/null; then
        sed 's/^/err: /' "$work/result/err" 2>/dev/null | tail -n 20 || true
        tail -n 20 "$work/console"
        return 1
    fi
}
