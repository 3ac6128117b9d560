#!/bin/bash
# Runs inside a booted container as root: installs the .deb, pairs through TLS, and then kills, stops,
# upgrades, removes and purges the server while the pair talks. Each check is a line on standard output.
set -uo pipefail

export PATH="/opt/relay:$PATH" HOME=/root SHELL=/bin/bash
mkdir -p "$HOME/test"
cd "$HOME/test"
. /opt/test/checks.sh

property() { systemctl show relayd.service --property "$1" --value; }

is_active() { systemctl is-active --quiet relayd.service; }

is_other_process() { local now; now="$(property MainPID)"; [ "$now" != 0 ] && [ "$now" != "$1" ]; }

# The first line of the answer to a plain GET of this path.
answer() {
    local line
    exec 3<>"/dev/tcp/127.0.0.1/3001" || return 1
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3
    read -r line <&3
    exec 3>&-
    echo "$line"
}

is_healthy() { answer /health | grep -q ' 200 '; }

installs() { dpkg -i /opt/relay/relayd_9.9.1-1_*.deb; }

is_hardened() {
    local pid
    pid="$(property MainPID)"
    grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status"
    [ "$(stat -c %U "/proc/$pid")" = relayd ] && grep -q '^CapEff:.*0000000000000000$' "/proc/$pid/status" &&
        grep -q '^Seccomp:.*2$' "/proc/$pid/status" && grep -q '^NoNewPrivs:.*1$' "/proc/$pid/status"
}

# What an operator asks, over the socket in the folder that systemd made.
answers_relayctl() { relayctl nodes && relayctl sessions --json && ! runuser -u anna relayctl nodes; }

# The server shows a certificate at the port for TLS, which systemd opens for it.
switches_to_tls() {
    echo '127.0.0.1 relay.test' >>/etc/hosts
    install -m 640 -g relayd -t /etc/relayd /opt/relay/tls/relay.pem /opt/relay/tls/relay.key
    printf '%s\n' 'tls-cert = "/etc/relayd/relay.pem"' 'tls-key = "/etc/relayd/relay.key"' 'store = "memory"' \
        'public-ws-url = "wss://relay.test/ws"' >>/etc/relayd/relayd.toml
    sh -e /opt/relay/low-port.sh && is_active
}

pair() {
    workstation setup https://relay.test --ca /opt/relay/tls/ca.pem || return 1
    workstation pair --yes --name Pixel >pair.out 2>&1 &
    until_true has 'or paste this: ' pair.out || return 1
    phone --ca /opt/relay/tls/ca.pem --name Pixel "$(sed -n 's/^or paste this: //p' pair.out)" </dev/null
    until_true has 'paired with "Pixel"' pair.out
}

# numbers WORD: numbered lines, some hundred a second, until the file `stop` is there. At most a million.
numbers() {
    local n=0
    while [ ! -e stop ] && [ "$n" -lt 1000000 ]; do
        n=$((n + 1))
        echo "$1 $n"
        if [ $((n % 20)) -eq 0 ]; then sleep 0.05; fi
    done
}

# The two ends talk in both directions until `stop`, through everything below.
begin_talk() {
    numbers desk | tee sent.desk | workstation pipe >received.desk 2>desk.err &
    numbers phone | tee sent.phone |
        phone --ca /opt/relay/tls/ca.pem --desk "$(phone desks | cut -d ' ' -f 1)" --pipe >received.phone 2>phone.err &
    until_true test -s received.desk && until_true test -s received.phone
}

size() { stat -c %s "$1"; }

is_longer() { [ "$(size "$1")" -gt "$2" ]; }

# What is said from now on arrives, at both ends.
talks_on() {
    local desk phone
    desk="$(size sent.phone)" phone="$(size sent.desk)"
    until_true is_longer received.desk "$desk" && until_true is_longer received.phone "$phone"
}

returns_after_kill() {
    local before
    before="$(property MainPID)"
    kill -9 "$before"
    until_true is_other_process "$before" && talks_on
}

stops_in_time() {
    systemctl stop relayd.service relayd-https.socket
    property Result
    [ "$(property Result)" = success ] && [ "$(property ExecMainStatus)" = 0 ] && ! is_active
}

starts_again() { systemctl start relayd-https.socket relayd.service && talks_on; }

upgrades() {
    local before settings
    before="$(property MainPID)" settings="$(cat /etc/relayd/relayd.toml)"
    dpkg -i --force-confold /opt/relay/relayd_9.9.2-1_*.deb || return 1
    is_active && is_other_process "$before" && [ "$settings" = "$(cat /etc/relayd/relayd.toml)" ] &&
        [ "$(dpkg-query -W -f '${Version}' relayd)" = 9.9.2-1 ] && talks_on
}

# Nothing of what was said is missing, twice, or in another order.
ends_whole() {
    touch stop
    wait
    wc -l sent.* received.*
    cmp sent.desk received.phone && cmp sent.phone received.desk && [ -s received.phone ] && [ -s received.desk ]
}

removes() {
    dpkg -r relayd && ! is_active && ! test -e /usr/bin/relayd && test -e /etc/relayd/relayd.toml &&
        test -d /var/lib/relayd
}

# leftovers: files with the server's name, or of a user that is gone.
leftovers() {
    find / -xdev \( -path /proc -o -path /opt -o -path "$HOME/test" -o -path /var/log \) -prune -o \
        \( -nouser -o -nogroup -o -name '*relayd*' \) -print
}

purges() {
    local left
    dpkg -P relayd || return 1
    left="$(leftovers)"
    echo "left: $left"
    [ -z "$left" ] && ! getent passwd relayd && ! getent group relayd && ! dpkg-query -W relayd
}

# An administrator's policy says whether services start.
respects_policy() {
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    installs && ! is_active && systemctl is-enabled relayd.service
    local code=$?
    rm /usr/sbin/policy-rc.d
    return "$code"
}

stays_disabled() {
    systemctl disable relayd.service && dpkg -i /opt/relay/relayd_9.9.2-1_*.deb &&
        ! systemctl is-enabled relayd.service
}

# The commands of docs/operations.md, for a system without dpkg and rpm.
installs_archive() {
    local code
    tar -xzf /opt/relay/relayd-9.9.1-*.tar.gz || return 1
    (cd relayd-9.9.1-* && sh -e /opt/relay/from-archive.sh)
    code=$?
    [ "$code" -eq 0 ] && is_active && until_true is_healthy
}

check "the desk's package is installed" dpkg -i /opt/relay/relay-workstation_9.9.1-1_*.deb
check "the server's package is installed" installs
check "the service runs" is_active
check "it starts with the machine" systemctl is-enabled relayd.service
check "it answers" until_true is_healthy
check "it runs as its own user and may do nothing else" is_hardened
check "relayctl reaches it, and only for root" answers_relayctl
check "it speaks TLS at a port that systemd opens" switches_to_tls
check "a phone pairs through TLS" pair
check "the pair talks" begin_talk
check "systemd starts it again after a kill, and the pair talks on" returns_after_kill
check "it stops in time" stops_in_time
check "it starts again, and the pair talks on" starts_again
check "it is upgraded while the pair talks, and the settings stay" upgrades
check "everything that was said has arrived, once and in order" ends_whole
check "a removal keeps the settings and the state" removes
check "a purge leaves nothing" purges
check "a policy keeps it from starting" respects_policy
check "an upgrade keeps it disabled" stays_disabled
check "a purge leaves nothing again" purges
check "the archive is installed by the commands of the docs" installs_archive
echo "done: $failed failed"
