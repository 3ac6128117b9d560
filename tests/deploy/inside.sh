#!/bin/bash
# Runs inside a booted container, as the user `anna`, whose systemd runs: installs the service, pairs the
# example phone, opens a shell from it, and kills what can be killed. Each check is a line on standard output.
set -uo pipefail

export PATH="/opt/relay:$PATH" HOME=/srv/anna SHELL=/bin/bash XDG_RUNTIME_DIR=/run/user/1000
cd "$HOME"
. /opt/test/checks.sh

# The process of the agent.
agent() { workstation doctor --json | sed -n 's/.*"check":"agent".*process \([0-9]*\), version.*/\1/p'; }

serve_pid() { systemctl --user show relay-workstation.service --property MainPID --value; }

is_other_agent() { local now; now="$(agent)"; [ -n "$now" ] && [ "$now" != "$1" ]; }

is_other_serve() { local now; now="$(serve_pid)"; [ "$now" != 0 ] && [ "$now" != "$1" ]; }

runs() { workstation service status | grep -q '^the service runs'; }

lists_shell() { workstation terminals | grep -q '^bash '; }

# The phone's number of this desk.
desk() { phone desks | cut -d ' ' -f 1; }

# What the phone sees of the shell, after typing this there.
phone_sees() {
    local keys="$1" words="$2"
    rm -f phone.out
    (until_true has "$words" phone.out; echo '{Ctrl-C}') |
        phone --desk "$(desk)" --watch bash --dump --send-keys "$keys{Enter}" >phone.out 2>phone.err &
    local pid=$!
    until_true has "$words" phone.out
    local seen=$?
    [ "$seen" -eq 0 ] || cat phone.out phone.err
    kill "$pid"
    wait "$pid" 2>/dev/null
    return "$seen"
}

pair() {
    workstation pair --yes --name Pixel >pair.out 2>&1 &
    until_true has 'or paste this: ' pair.out || return 1
    phone --name Pixel "$(sed -n 's/^or paste this: //p' pair.out)" </dev/null
    until_true has 'paired with "Pixel"' pair.out
}

opens_shell() {
    (until_true has 'first-42' shell.out; sleep 1) |
        phone --desk "$(desk)" --shell --dump --send-keys 'mark=42; echo first-$mark{Enter}' >shell.out 2>shell.err &
    local pid=$!
    until_true has 'first-42' shell.out || { cat shell.out shell.err; return 1; }
    kill "$pid"
    wait "$pid" 2>/dev/null
    return 0
}

verifies() {
    local unit="$HOME/.config/systemd/user/relay-workstation.service" said
    said="$(systemd-analyze --user verify "$unit" 2>&1)"
    echo "$said"
    [ -z "$said" ]
}

mkdir -p "$HOME/in box"
relayd --port 3001 --store memory >relayd.log 2>&1 &
until_true workstation setup http://127.0.0.1:3001

check "a phone pairs" pair
check "the service is installed" workstation service install --shell --for Pixel --inbox "$HOME/in box"
check "systemd has nothing to say about its unit" verifies
check "the service runs" runs
check "doctor finds nothing about the service to do" \
    sh -c 'workstation doctor | grep "^ok    service"'
check "the phone opens a shell" opens_shell
check "the shell is listed" until_true lists_shell

echo 'all is well' >report.txt
check "a file of the phone goes into the folder" phone --desk "$(desk)" --send report.txt --once
check "it is whole" cmp report.txt "in box/report.txt"

before="$(agent)"
kill -9 "$before"
check "another agent comes by itself" until_true is_other_agent "$before"
check "the shell outlived the agent, with its variables" phone_sees 'echo second-$mark' 'second-42'

before="$(serve_pid)"
kill -9 "$before"
check "systemd starts serve again" until_true is_other_serve "$before"
check "the shell outlived serve" phone_sees 'echo third-$mark' 'third-42'

check "the service is stopped" systemctl --user stop relay-workstation.service
check "the shell outlived the service" lists_shell
check "the service is started" systemctl --user start relay-workstation.service
check "the phone is back in the shell" phone_sees 'echo fourth-$mark' 'fourth-42'

check "the service is removed" workstation service uninstall
check "its unit is gone" test ! -e "$HOME/.config/systemd/user/relay-workstation.service"
check "status tells so by its exit code" sh -c '! workstation service status'
check "the shell outlived the service's end" lists_shell
echo "done: $failed failed"
