# shellcheck shell=bash
# What the scripts inside the container share: one line of output for each check. Sourced by them.

failed=0

# Prints how a check ended.
check() {
    local words="$1"
    shift
    if "$@" >check.log 2>&1; then
        echo "ok: $words"
    else
        echo "FAILED: $words"
        sed 's/^/    /' check.log
        failed=$((failed + 1))
    fi
}

# Waits until a command succeeds.
until_true() {
    local tries=0
    until "$@" >until.log 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then
            echo "never true: $*"
            cat until.log
            return 1
        fi
        sleep 0.1
    done
}

has() { grep -qF -- "$1" "$2"; }
