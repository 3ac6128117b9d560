#!/usr/bin/env bash
# The test command: runs every check and every test of the project, and sums up the results.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'EOF'
usage: ./run-test.sh [--quick] [--sim N] [--soak [SECONDS]] [--tunnel [SECONDS]]
                     [--conformance] [--noise [MEGABYTES]] [--fuzz [SECONDS]] [--miri]
                     [--mutants [K/N]] [--browsers [PART]] [--proxies [SECONDS]] [--deploy]
                     [--acme] [--help]

Runs every check of the project on this machine, and ends with `N passed, N failed`. The exit code is 0 if nothing
failed. If one stage fails, the others still run. Each option below, except --sim, runs only that part.

  --quick   formatting, lints and unit tests
  --sim N   everything, with N seeds of the core's simulation instead of the default
            (RELAY_SIM_SEED=X ./run-test.sh --quick replays seed X)
  --soak [SECONDS]
            the soak (default: 600 s). Pairs over three nodes, while nodes, Redis and the lines between them break. Then
            phones that do not read, and requests that do not end. RELAY_SOAK_SEED=X replays the faults of seed X
  --tunnel [SECONDS]
            tunnels under faults (default: 300 s). Pairs of engines through two nodes, each end on its own bad network,
            while nodes and Redis are killed. RELAY_TUNNEL_RUN_SEED=X replays the faults of seed X
  --conformance
            all cases of the Autobahn test suite, also large messages, and every byte in its own write
  --noise [MEGABYTES]
            a flood of noise at one server's port (default: 1000 MB): random bytes and damaged streams, half of the
            connections after a valid hello. RELAY_NOISE_SEED=X replays the noise of seed X
  --fuzz [SECONDS]
            every fuzz target (default: 60 s each), guided by code coverage. Needs `rustup toolchain install nightly`
            and `cargo install cargo-fuzz`. Inputs that crash a target are left in fuzz/artifacts
  --miri    the tests of the wire, the core's parsers and the tunnel's parsers, under Miri, in about ten minutes. Needs
            `rustup toolchain install nightly --component miri,rust-src`
  --mutants [K/N]
            mutants of the core and of the Redis backend's pure parts, all of them or part K of N (0/8 is the first of
            eight). Each changes one place of the code, and a test of the same package must fail. Takes hours for all.
            Needs `cargo install cargo-mutants --locked`. .cargo/mutants.toml lists exceptions, with reasons
  --browsers [PART]
            the page for phones in Chromium, as a phone and as a desktop, with a real relay and a real desk, and its main
            path in Firefox and WebKitGTK; or only the cases with PART in their names. Pictures go to
            RELAY_BROWSER_PICTURES, if it is set. Needs node, 20 or newer. Installs chromium, firefox-esr,
            webkit2gtk-driver, xvfb, htop and vim if it can, and its packages of node outside of this folder
  --proxies [SECONDS]
            the configurations in deploy/ for nginx, HAProxy and Caddy, in front of two and three nodes: pairs that are
            silent for SECONDS (default: 75), reloads, refusals, where both ends meet, and a node that stops under load
  --deploy  `workstation service` and the packages in a booted systemd, a container without a network. Then alerts,
            dashboard, chart, compose file and image. About five minutes. Needs root and Debian. Installs debootstrap,
            systemd-container, openssl, rpm, binutils, prometheus, docker-compose, buildah, skopeo, umoci and runc if it
            can, and keeps a root file system of 250 MB and tools in /var/tmp/relay-deploy (RELAY_DEPLOY_CACHE)
  --acme    `relayd --domain` with pebble, a CA for tests: certificates and their renewal while 200 pairs talk, in about
            three minutes. Installs pebble and openssl (Debian)
  --help    this text

Needs Rust and python3. Needs node, 20 or newer, for the phone's page, which is skipped without.

Installs what is missing, if it can (apt-get as root or with sudo, or brew): redis-server, gcc, python3-venv and, on
Linux, nftables and iproute2. Also nginx, haproxy, caddy, curl and openssl, for the configurations in deploy/,
tinyproxy and microsocks, as proxies of the clients, git, htop, less, tmux, vim and vttest, to be shown on a phone,
openssh-server, for commands over ssh, and fail2ban, for its filter. What needs a program is skipped if that is missing.

Cases that set a date (wall_clock, redis_clock) need Linux. Cases in their own network (lossy_line, direct_peers) also
need a kernel with namespaces and nftables. They are skipped elsewhere.
A few mutants of the core's changed lines are tried if cargo-mutants is installed.
Dependencies are checked if cargo-deny is installed (deny.toml), and their advisories if the database can be fetched.
RELAY_TEST_REDIS_URL names a Redis to use instead of a private one.
EOF
}

quick=false
soak=""
tunnel=""
conformance=false
noise=""
fuzz=""
miri=false
mutants=""
browsers=false
browser_part=""
proxies_idle=""
deploy=false
acme=false
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=true ;;
        --sim)
            [[ "${2:-}" =~ ^[1-9][0-9]*$ ]] || { echo "--sim needs a number of seeds; try --help" >&2; exit 2; }
            export RELAY_SIM_SEEDS="$2"
            shift
            ;;
        --soak)
            soak=600
            if [[ "${2:-}" =~ ^[1-9][0-9]*$ ]]; then
                soak="$2"
                shift
            fi
            ;;
        --tunnel)
            tunnel=300
            if [[ "${2:-}" =~ ^[1-9][0-9]*$ ]]; then
                tunnel="$2"
                shift
            fi
            ;;
        --conformance) conformance=true ;;
        --noise)
            noise=1000
            if [[ "${2:-}" =~ ^[1-9][0-9]*$ ]]; then
                noise="$2"
                shift
            fi
            ;;
        --fuzz)
            fuzz=60
            if [[ "${2:-}" =~ ^[1-9][0-9]*$ ]]; then
                fuzz="$2"
                shift
            fi
            ;;
        --miri) miri=true ;;
        --mutants)
            mutants=0/1
            if [[ "${2:-}" =~ ^[0-9]+/[1-9][0-9]*$ ]]; then
                mutants="$2"
                shift
            fi
            ;;
        --browsers)
            browsers=true
            if [ -n "${2:-}" ] && [ "${2:0:2}" != "--" ]; then
                browser_part="$2"
                shift
            fi
            ;;
        --proxies)
            proxies_idle=75
            if [[ "${2:-}" =~ ^[1-9][0-9]*$ ]]; then
                proxies_idle="$2"
                shift
            fi
            ;;
        --deploy) deploy=true ;;
        --acme) acme=true ;;
        --help | -h) usage; exit 0 ;;
        *) echo "unknown option $1; try --help" >&2; exit 2 ;;
    esac
    shift
done

exec </dev/null
target="${CARGO_TARGET_DIR:-$PWD/target}"
work="$(mktemp -d "${TMPDIR:-/tmp}/relay-test.XXXXXX")"
export TMPDIR="$work" RELAY_TEST_PIDS="$work/pids"
mkdir "$RELAY_TEST_PIDS"
redis_pid=""
# While this file exists, Debian does not start the services that are installed.
service_policy=""
passed=0
failed=0
failures=()
unsteady=()
skipped=()
TYPESCRIPT=7.0.2

# Ends what this run started, however it ends: its Redis, and what a crashed test left behind.
clean_up() {
    if [ -n "$redis_pid" ]; then kill "$redis_pid" 2>/dev/null || true; fi
    for note in "$RELAY_TEST_PIDS"/*; do
        if [ -e "$note" ]; then kill -9 "$(basename "$note")" 2>/dev/null || true; fi
    done
    remove_service_policy
    rm -rf "$work"
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi; }

remove_service_policy() {
    [ -n "$service_policy" ] || return 0
    as_root rm -f "$service_policy"
    service_policy=""
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n=== %s (%ss) %s\n' "$(date +%H:%M:%S)" "$SECONDS" "$*"; }

# Sums the two numbers of every line like `... 3 passed; 1 failed ...` or `3 passed, 1 failed` in a log.
count() {
    sed -nE 's/.*[^0-9]([0-9]+) passed[;,] ([0-9]+) failed.*/\1 \2/p; s/^([0-9]+) passed[;,] ([0-9]+) failed.*/\1 \2/p' "$1" |
        awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }'
}

# stage NAME COMMAND...: one check, which counts as one.
stage() {
    local name="$1"
    shift
    say "$name"
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        failures+=("$name")
    fi
}

# tests NAME COMMAND...: a test runner, whose own counts are added.
tests() {
    local name="$1" log="$work/log" ok=true p f case
    shift
    say "$name"
    "$@" 2>&1 | tee "$log" || ok=false
    read -r p f < <(count "$log")
    # Cases in Python that failed once, and passed when they were played again.
    while IFS= read -r case; do unsteady+=("$case"); done < <(sed -n 's/^test \(.*\) \.\.\. unsteady$/\1/p' "$log")
    # A runner that broke, or ran nothing, has failed, even if it counted no failure.
    if { ! $ok && [ "$f" -eq 0 ]; } || [ $((p + f)) -eq 0 ]; then f=$((f + 1)); fi
    passed=$((passed + p))
    failed=$((failed + f))
    if [ "$f" -gt 0 ]; then failures+=("$name: $f"); fi
}

# try_alone NAME: cases of the last `tests NAME` that failed beside others run again, each alone, on a machine
# that is as busy as before. A case that passes then is named in the sum as unsteady: a fault of the case or
# of the program that someone must find. More than three failures are no accident, so they stay failures, as
# does all but cases.
try_alone() {
    local name="$1" case found=() left
    while IFS= read -r case; do found+=("$case"); done < <(
        sed -n 's/^    \([a-z0-9_]*::[A-Za-z0-9_:]*\)$/\1/p' "$work/log" | sort -u
    )
    left="$failed"
    if [ "${#failures[@]}" -ne 1 ] || [ "$failed" -gt 3 ] || [ "${#found[@]}" -ne "$failed" ]; then return 0; fi
    for case in "${found[@]}"; do
        say "alone: $case"
        cargo test --locked -p relay-tests --test cases -- --exact "$case" 2>&1 | tee "$work/log" || true
        grep -q '^test result: ok. 1 passed' "$work/log" || continue
        unsteady+=("$case")
        left=$((left - 1))
    done
    passed=$((passed + failed - left))
    failed="$left"
    failures=()
    if [ "$failed" -gt 0 ]; then failures=("$name: $failed"); fi
}

# skip NAME WHY: a check that cannot run here. It counts neither as passed nor as failed.
skip() {
    say "$1"
    echo "SKIPPED: $2"
    skipped+=("$1: $2")
}

finish() {
    say "sum"
    for omission in "${skipped[@]+"${skipped[@]}"}"; do echo "skipped: $omission"; done
    for case in "${unsteady[@]+"${unsteady[@]}"}"; do echo "unsteady: $case failed, and passed when it was played again"; done
    for failure in "${failures[@]+"${failures[@]}"}"; do echo "failed: $failure"; done
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] || exit 1
    exit 0
}

has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

has_node() { node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null; }

is_linux() { [ "$(uname -s)" = Linux ]; }

# True if cases can have their own network, as in tests/src/harness/namespace.rs, and lose packets in it.
has_own_network() {
    local own=(unshare --net)
    [ "$(id -u)" -eq 0 ] || own=(unshare --map-root-user --net)
    "${own[@]}" sh -c 'ip link set lo up && ip address add 2001:db8::1/128 dev lo nodad && nft -f -' 2>/dev/null <<'EOF'
table inet probe {
    counter lost { }
    chain arriving {
        type filter hook input priority filter
        tcp dport 1 numgen random mod 100 < 20 counter name lost drop
    }
}
EOF
}

# Installs what is missing, or prints what is missing.
prepare() {
    local missing=() as_root=()
    command -v redis-server >/dev/null || missing+=(redis-server)
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    has_venv || missing+=(python3-venv)
    if is_linux; then
        command -v nft >/dev/null || missing+=(nftables)
        command -v ip >/dev/null || missing+=(iproute2)
    fi
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    if command -v apt-get >/dev/null && "${as_root[@]+"${as_root[@]}"}" true 2>/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        "${as_root[@]+"${as_root[@]}"}" apt-get update -q
        "${as_root[@]+"${as_root[@]}"}" apt-get install -qy --no-install-recommends "${missing[@]}"
    elif command -v brew >/dev/null; then
        # The compiler is Apple's own: `xcode-select --install`.
        brew install redis python3
    else
        echo "please install: ${missing[*]}" >&2
        # Without these two a few cases are left out, and that is said.
        ! printf '%s\n' "${missing[@]}" | grep -qvx -e nftables -e iproute2
    fi
}

# The proxies that deploy/ has configurations for, those on the clients' way out, the programs that the desk's
# windows show, and a server for ssh.
PROGRAMS=(nginx haproxy caddy curl openssl tinyproxy microsocks git htop less tmux vim vttest openssh-client
    openssh-server fail2ban)

# prepare_programs PACKAGE...: installs those that are missing, one by one, as not every system has all of
# them. What can't be installed is skipped later, with a note.
prepare_programs() {
    local missing=() package service policy=/usr/sbin/policy-rc.d
    for package in "$@"; do
        is_there "$(command_of "$package")" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        # Debian starts a service with its package. These would take ports of this machine.
        if [ ! -e "$policy" ]; then
            service_policy="$policy"
            printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
        fi
        as_root apt-get update -q || true
        for package in "${missing[@]}"; do
            as_root apt-get install -qy --no-install-recommends "$package" || continue
            # Nor at the next start of the machine.
            service="${package/openssh-server/ssh}"
            if systemctl is-enabled --quiet "$service" 2>/dev/null; then as_root systemctl disable "$service" || true; fi
        done
        remove_service_policy
    elif command -v brew >/dev/null; then
        brew install "${missing[@]}" || true
    fi
}

# The command of a package that has another name.
command_of() {
    case "$1" in
        openssh-client) echo ssh ;;
        openssh-server) echo sshd ;;
        fail2ban) echo fail2ban-regex ;;
        *) echo "$1" ;;
    esac
}

# The types in the page's comments, by a compiler that is installed beside this run and not in the repository.
check_types() {
    if npm install --silent --no-audit --no-fund --prefix "$work/types" "typescript@$TYPESCRIPT" >/dev/null 2>&1; then
        stage "the types of the page" "$work/types/node_modules/.bin/tsc" --project page
    else
        skip "the types of the page" "npm can't install typescript $TYPESCRIPT here"
    fi
}

# Servers may be in folders that only root has in its PATH.
is_there() { PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null; }

# run_proxies NAME SCRIPT...: the configurations in deploy/, run by the proxies that are installed.
run_proxies() {
    local name="$1"
    shift
    local proxies=() proxy
    for proxy in nginx haproxy caddy; do
        if ! is_there openssl; then
            skip "the configuration for $proxy" "openssl is not there and can't be installed here"
        elif is_there "$proxy"; then
            proxies+=("$proxy")
        else
            skip "the configuration for $proxy" "$proxy is not there and can't be installed here"
        fi
    done
    [ ${#proxies[@]} -gt 0 ] || return 0
    tests "$name for ${proxies[*]}" env RELAY_TEST_BINARIES="$target/debug" \
        tests/.venv/bin/python "$@" "${proxies[@]}"
}

# Certificates from a CA for tests.
run_acme() {
    local program
    for program in pebble openssl; do
        is_there "$program" && continue
        { as_root apt-get update -q && as_root apt-get install -qy --no-install-recommends "$program"; } || {
            skip "certificates from a CA" "$program is not there and can't be installed here"
            return 0
        }
    done
    tests "certificates from a CA" env RELAY_TEST_BINARIES="$target/debug" tests/.venv/bin/python tests/python/acme.py
}

# Mistakes that `relayd doctor` must name.
run_doctor() {
    if is_there nginx && is_there openssl; then
        tests "the server's doctor" env RELAY_TEST_BINARIES="$target/debug" tests/.venv/bin/python tests/python/doctor.py
    else
        skip "the server's doctor" "nginx or openssl is not there and can't be installed here"
    fi
}

# Alerts, dashboard, chart and compose file, judged by the tools of those who read them.
judge_deployment() {
    local venv="${RELAY_DEPLOY_CACHE:-/var/tmp/relay-deploy}/judges"
    prepare_programs prometheus docker-compose
    if python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r tests/deploy/requirements.txt &&
        is_there promtool && is_there docker-compose; then
        tests "what operators take" "$venv/bin/python" tests/deploy/operations.py "$target/debug"
    else
        skip "what operators take" "promtool, docker-compose or tests/deploy/requirements.txt can't be installed here"
    fi
}

# The image, with a static program that is built for it alone.
run_image() {
    local musl=x86_64-unknown-linux-musl
    if [ "$(uname -m)" = x86_64 ] && rustup target add "$musl" >/dev/null 2>&1; then
        # As deploy/release has it: Rust's own linker and copy of musl, and any C compiler.
        stage "a static relayd" env CC_x86_64_unknown_linux_musl=cc CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld \
            cargo build --locked -p relayd --bin relayd --target "$musl"
        tests "the image" tests/deploy/image.sh "$target/$musl/debug/relayd"
    else
        skip "the image" "it needs x86-64 and Rust's target $musl"
    fi
}

# What a user does at the desk, in windows that an independent terminal emulator draws, and what an operator
# does.
play_lanes() {
    local last=passing,push,recipes
    if is_there sshd && is_there ssh; then
        last="$last,over_ssh"
    else
        skip "the desk over ssh" "sshd or ssh is not there and can't be installed here"
    fi
    tests "the desk and the server" env RELAY_TEST_BINARIES="$target/debug" tests/.venv/bin/python \
        tests/python/side_by_side.py desk,ends,relay_lost life,settings,admin,sequences "$last"
}

# The example `phone` behind proxies by others.
run_way_out() {
    local proxies=() proxy
    for proxy in tinyproxy microsocks; do
        if is_there "$proxy" && is_there nginx && is_there openssl; then
            proxies+=("$proxy")
        else
            skip "the way out through $proxy" "$proxy, nginx or openssl is not there and can't be installed here"
        fi
    done
    [ ${#proxies[@]} -gt 0 ] || return 0
    tests "the way out through ${proxies[*]}" env RELAY_TEST_BINARIES="$target/debug" \
        tests/.venv/bin/python tests/python/way_out.py "${proxies[@]}"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

answers() {
    # The server sends one line; a connection refused fails at once.
    (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'PING\r\n' >&3 && read -r -t 5 line <&3 && [ "${line:0:5}" = "+PONG" ]) 2>/dev/null
}

start_redis() {
    local port try
    [ -z "${RELAY_TEST_REDIS_URL:-}" ] || return 0
    # Another program may take the free port first. Then try another port.
    for try in 1 2 3 4 5; do
        port="$(free_port)"
        redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly no --dir "$work" >"$work/redis.log" 2>&1 &
        redis_pid=$!
        for _ in $(seq 100); do
            kill -0 "$redis_pid" 2>/dev/null || break
            if answers "$port"; then
                export RELAY_TEST_REDIS_URL="redis://127.0.0.1:$port"
                return 0
            fi
            sleep 0.1
        done
        kill "$redis_pid" 2>/dev/null || true
        redis_pid=""
        echo "no Redis on port $port in try $try:" && tail -n 3 "$work/redis.log"
    done
    return 1
}

# The pure parsers under Miri, an interpreter that detects undefined behaviour. It does not detect the
# processor's features, so they are switched on for the table of the JSON escape. Few rounds each, as it is a
# hundred times slower.
under_miri() {
    local few=(env PROPTEST_CASES=4 RELAY_FUZZ_ROUNDS=2 MIRIFLAGS=-Zmiri-disable-isolation)
    if ! cargo +nightly miri --version >/dev/null 2>&1; then
        skip "miri" "it needs the nightly toolchain with miri and rust-src"
        return 0
    fi
    tests "the wire under Miri" "${few[@]}" RUSTFLAGS="-C target-feature=+ssse3,+popcnt" \
        cargo +nightly miri test --locked -p relay-protocol --lib -- --skip json::escape::tests
    tests "the core's parsers under Miri" "${few[@]}" cargo +nightly miri test --locked -p relayd-core --lib -- \
        fuzz:: node_link::item node_link::packet wire::inbound
    tests "the tunnel's parsers under Miri" "${few[@]}" cargo +nightly miri test --locked -p relay-client --lib -- \
        fuzz::tests::bytes tunnel::wire tunnel::record
}

# fuzz_each SECONDS: every target, one after another, from the stored corpus and what earlier runs found.
fuzz_each() {
    local target
    if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
        skip "fuzz targets" "they need the nightly toolchain and cargo-fuzz"
        return 0
    fi
    stage "fuzz targets" cargo +nightly fuzz build
    for target in $(cargo +nightly fuzz list); do
        mkdir -p "fuzz/found/$target"
        stage "fuzz $target" cargo +nightly fuzz run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
            -max_total_time="$1" -timeout=30 -print_final_stats=1
    done
}

# break_code ARGUMENT...: tries mutants, one after the other, in a copy of the sources. The copy always has
# the same path, so that little is built again. A mutant that runs into the time limit counts as noticed.
break_code() {
    local copy="$target/mutants" code=0
    rm -rf "$copy" && mkdir -p "$copy/tree"
    git ls-files -co --exclude-standard -z | while IFS= read -r -d '' file; do
        if [ -e "$file" ]; then printf '%s\0' "$file"; fi
    done | tar --null -T - -cf - | tar -xf - -C "$copy/tree"
    env CARGO_TARGET_DIR="$target" CARGO_PROFILE_DEV_DEBUG=false RELAY_FUZZ_ROUNDS=300 PROPTEST_CASES=64 \
        cargo mutants --dir "$copy/tree" --in-place --output "$copy" --timeout 60 --colors never "$@" || code=$?
    [ -e "$copy/mutants.out/outcomes.json" ] || return 1
    python3 - "$copy/mutants.out/outcomes.json" <<'EOF'
import collections, json, sys
by_file, words = collections.defaultdict(collections.Counter), ["caught", "missed", "timeout", "unviable"]
for outcome in json.load(open(sys.argv[1]))["outcomes"]:
    if outcome["scenario"] != "Baseline":
        word = outcome["summary"].removesuffix("Mutant").lower()
        by_file[outcome["scenario"]["Mutant"]["file"]][word] += 1
by_file["all"] = sum(by_file.values(), collections.Counter())
print(f"{'':50}" + "".join(f"{word:>10}" for word in words))
for file, counts in by_file.items():
    print(f"{file:50}" + "".join(f"{counts[word]:10}" for word in words))
EOF
    # 3: some mutants ran into the time limit, and none was missed.
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ]
}

has_mutants() { cargo mutants --version >/dev/null 2>&1; }

# Tries a few mutants of the core's lines that this branch changed; on the main branch, of the last commit.
# Few, and of the core alone, so that they take less than two minutes.
break_changes() {
    local base changes="$work/changes.diff" count few=6
    if ! has_mutants; then
        skip "mutants of what changed" "cargo-mutants is not installed (cargo install cargo-mutants --locked)"
        return 0
    fi
    base="$(git merge-base HEAD main 2>/dev/null)" || base="$(git merge-base HEAD origin/main 2>/dev/null)" || base=HEAD
    if [ "$base" = HEAD ] || [ "$base" = "$(git rev-parse HEAD)" ]; then base=HEAD~; fi
    if ! git diff --relative "$base" >"$changes" 2>/dev/null; then
        skip "mutants of what changed" "there is no earlier commit to compare with"
        return 0
    fi
    count="$(cargo mutants --list -p relayd-core --in-diff "$changes" 2>/dev/null | wc -l)" || count=0
    if [ "$count" -eq 0 ]; then
        skip "mutants of what changed" "no line of the core changed that has mutants"
        return 0
    fi
    stage "$((count < few ? count : few)) of $count mutants of what changed" break_code -p relayd-core --baseline skip \
        --in-diff "$changes" --shard "0/$(((count + few - 1) / few))" --sharding round-robin
}

# Checks the dependencies against deny.toml: the tree without a network, the advisories with their database.
check_dependencies() {
    if ! cargo deny --version >/dev/null 2>&1; then
        skip "dependencies" "cargo-deny is not installed (cargo install cargo-deny --locked)"
        return 0
    fi
    stage "dependencies" cargo deny --locked check --hide-inclusion-graph bans licenses sources
    if cargo deny --locked fetch db >/dev/null 2>&1; then
        stage "advisories" cargo deny --locked check --hide-inclusion-graph advisories
    else
        skip "advisories" "their database can't be fetched here"
    fi
}

make_venv() {
    local wanted="tests/python/requirements.txt" venv="tests/.venv"
    if ! cmp -s "$wanted" "$venv/installed.txt"; then
        rm -rf "$venv"
        python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted" &&
            cp "$wanted" "$venv/installed.txt"
    fi
}

# Apart from the rest, because it is available for fewer machines.
install_conformance() {
    local wanted="tests/python/requirements-conformance.txt" venv="tests/.venv"
    cmp -s "$wanted" "$venv/installed-conformance.txt" ||
        { "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted" &&
            cp "$wanted" "$venv/installed-conformance.txt"; }
}

# run_conformance PART: the Autobahn test suite's cases, `short` or `whole`.
run_conformance() {
    if install_conformance; then
        tests "conformance" env RELAY_TEST_BINARIES="$target/debug" tests/.venv/bin/python tests/python/conformance.py "$1"
    else
        skip "conformance" "tests/python/requirements-conformance.txt cannot be installed here"
    fi
}

# Chromium, and the packages of tests/browser, which go into a folder of the user's and not into this one.
prepare_browsers() {
    local package wanted=tests/browser/package.json
    is_there chromium || is_there chromium-browser || {
        command -v apt-get >/dev/null && as_root apt-get update -q &&
            as_root apt-get install -qy --no-install-recommends chromium fonts-dejavu fonts-noto-color-emoji
    } || return 1
    for package in htop vim; do
        is_there "$package" || as_root apt-get install -qy --no-install-recommends "$package" || return 1
    done
    browser_modules="${XDG_CACHE_HOME:-$HOME/.cache}/relay-browser-tests"
    mkdir -p "$browser_modules"
    cmp -s "$wanted" "$browser_modules/package.json" && [ -d "$browser_modules/node_modules" ] && return 0
    cp "$wanted" "$browser_modules/package.json"
    (cd "$browser_modules" && npm install --no-audit --no-fund --silent)
}

run_browsers() {
    if ! has_node || ! prepare_browsers; then
        skip "browsers" "node 20, npm, chromium, htop or vim is not there and can't be installed here"
        return 0
    fi
    tests "the page in Chromium" env RELAY_TEST_BINARIES="$target/debug" RELAY_BROWSER_MODULES="$browser_modules" \
        RELAY_CHROMIUM="$(command -v chromium || command -v chromium-browser)" node tests/browser/run.mjs "$1"
    [ -z "$1" ] || return 0
    stage "the README's picture" env RELAY_TEST_BINARIES="$target/debug" RELAY_BROWSER_MODULES="$browser_modules" \
        RELAY_CHROMIUM="$(command -v chromium || command -v chromium-browser)" \
        node tests/browser/picture.mjs "$work/pairing.svg"
    if is_there firefox-esr || as_root apt-get install -qy --no-install-recommends firefox-esr; then
        tests "the page in Firefox" env RELAY_TEST_BINARIES="$target/debug" RELAY_BROWSER_MODULES="$browser_modules" \
            RELAY_FIREFOX="$(command -v firefox-esr)" node tests/browser/firefox.mjs
    else
        skip "the page in Firefox" "firefox-esr is not there and can't be installed here"
    fi
    if { is_there WebKitWebDriver && is_there xvfb-run; } ||
        as_root apt-get install -qy --no-install-recommends webkit2gtk-driver xvfb xauth; then
        tests "the page in WebKitGTK" env RELAY_TEST_BINARIES="$target/debug" RELAY_BROWSER_MODULES="$browser_modules" \
            xvfb-run -a node tests/browser/webkit.mjs
    else
        skip "the page in WebKitGTK" "webkit2gtk-driver or xvfb is not there and can't be installed here"
    fi
}

# The one test process holds crowds of some thousand connections, in several set-ups at once.
ulimit -n 32768 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

if [ -n "$soak" ]; then
    stage "tools" prepare
    stage "build" cargo build --locked -p relayd -p relay-tests --bins
    stage "soak" env RELAYD_BIN="$target/debug/relayd" "$target/debug/soak" "$soak" ${RELAY_SOAK_SEED:+"$RELAY_SOAK_SEED"}
    finish
fi
if [ -n "$tunnel" ]; then
    stage "tools" prepare
    stage "build" cargo build --locked -p relayd -p relay-tests --bins
    stage "tunnels under faults" env RELAYD_BIN="$target/debug/relayd" "$target/debug/tunnel_run" "$tunnel" \
        ${RELAY_TUNNEL_RUN_SEED:+"$RELAY_TUNNEL_RUN_SEED"}
    finish
fi
if $conformance; then
    stage "tools" prepare
    stage "build" cargo build --locked -p relayd --bins
    stage "python environment" make_venv
    stage "Autobahn cases" install_conformance
    run_conformance whole
    finish
fi
if [ -n "$noise" ]; then
    stage "build" cargo build --locked -p relayd -p relay-tests --bins
    stage "noise" env RELAYD_BIN="$target/debug/relayd" "$target/debug/noise" "$noise" ${RELAY_NOISE_SEED:+"$RELAY_NOISE_SEED"}
    finish
fi
if [ -n "$fuzz" ]; then
    fuzz_each "$fuzz"
    finish
fi
if $miri; then
    under_miri
    finish
fi
if $acme; then
    stage "build" cargo build --locked -p relayd --bins
    stage "python environment" make_venv
    run_acme
    finish
fi
if [ -n "$proxies_idle" ]; then
    stage "tools" prepare
    stage "redis" start_redis
    stage "build" cargo build --locked -p relayd --bins
    stage "python environment" make_venv
    prepare_programs "${PROGRAMS[@]}" || echo "the proxies can't be installed here" >&2
    run_proxies "nodes and time" tests/python/proxies_long.py --idle "$proxies_idle"
    finish
fi
if $deploy; then
    stage "build" cargo build --locked -p relayd -p workstation -p relay-mobile --bins --examples
    stage "service in a booted systemd" tests/deploy/run.sh "$target/debug"
    stage "packages in a booted systemd" tests/deploy/package.sh "$target/debug"
    judge_deployment
    run_image
    finish
fi
if [ -n "$mutants" ]; then
    if has_mutants; then
        stage "mutants $mutants" break_code --workspace --shard "$mutants" --sharding round-robin
    else
        skip "mutants" "cargo-mutants is not installed (cargo install cargo-mutants --locked)"
    fi
    finish
fi
if $browsers; then
    stage "build" cargo build --locked -p relayd -p workstation --bins
    stage "python environment" make_venv
    run_browsers "$browser_part"
    finish
fi
stage "format" cargo fmt --all --check
stage "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
if $quick; then
    tests "unit tests and simulation" cargo test --locked --no-fail-fast --workspace --exclude relay-tests --lib --bins
    finish
fi
check_dependencies
stage "tools" prepare
stage "redis" start_redis
stage "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
stage "build" cargo build --locked --workspace --bins --examples
# One selection of packages for all, so that nothing is built twice. Most cases wait more than they work, so
# more of them run at once than there are cores.
left_out=()
has_node || left_out=(--skip tunnel_node::)
if ! is_linux; then
    left_out+=(--skip wall_clock:: --skip redis_clock::)
    skip "dates that are set (wall_clock, redis_clock)" "they need Linux"
fi
if ! has_own_network; then
    left_out+=(--skip lossy_line:: --skip direct_peers::)
    skip "networks of a case's own (lossy_line, direct_peers)" "nft or ip is missing, or the kernel gives no namespace with nftables"
fi
tests "unit tests, simulation and integration" \
    cargo test --locked --no-fail-fast --workspace -- --test-threads 8 "${left_out[@]+"${left_out[@]}"}"
try_alone "unit tests, simulation and integration"
break_changes
stage "python environment" make_venv
tests "independent clients" env RELAY_TEST_BINARIES="$target/debug" tests/.venv/bin/python tests/python/run.py
prepare_programs "${PROGRAMS[@]}" || echo "the proxies, and programs for the desk, can't be installed here" >&2
play_lanes
run_proxies "the configurations" tests/python/proxies.py
run_doctor
run_way_out
run_conformance short
if has_node; then
    tests "independent tunnel" node tests/node/tunnel_vectors.mjs
    tests "independent ends of the tunnel" env RELAY_TEST_BINARIES="$target/debug" node tests/node/pair.mjs
    tests "the page's modules" node page/tests/run.mjs
    if is_there script && is_linux; then
        tests "the page's link and the desk" env RELAY_TEST_BINARIES="$target/debug" node tests/node/page.mjs
    else
        skip "the page's link and the desk" "it needs Linux and the program script"
    fi
    check_types
else
    skip "engines against independent ends of the tunnel (tunnel_node)" "they need node, version 20 or newer"
    skip "independent tunnel" "it needs node, version 20 or newer"
    skip "independent ends of the tunnel" "they need node, version 20 or newer"
    skip "the page's modules, its link and its types" "they need node, version 20 or newer"
fi
finish
