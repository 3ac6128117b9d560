#!/usr/bin/env bash
# Tests the image: made twice it is the same, and a container from it runs with a read-only root, another user
# and nothing but relayd, by runc, a runtime for containers. Called by `run-test.sh --deploy` with a static
# relayd. Needs root and Debian.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
program="$(realpath "${1:?a static relayd}")"
work="$(mktemp -d "${TMPDIR:-/tmp}/relay-image-test.XXXXXX")"
name="relay-image-$$"
runtime=(runc --root "$work/state")
passed=0
failed=0

finish() {
    "${runtime[@]}" delete --force "$name" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# check WORDS COMMAND...
check() {
    local words="$1"
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $words"
    else
        failed=$((failed + 1))
        echo "FAILED: $words"
        sed 's/^/    /' "$work/said"
    fi
}

install_tools() {
    local tool missing=()
    for tool in buildah skopeo umoci runc; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    [ ${#missing[@]} -eq 0 ] && return
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

make_image() { "$here/../../deploy/image/build" "$work/$1.tar" "amd64=$program"; }

is_same() { [ "$(digest first)" = "$(digest second)" ]; }

digest() { skopeo inspect --format '{{.Digest}}' "oci-archive:$work/$1.tar"; }

unpack() {
    skopeo copy --quiet "oci-archive:$work/first.tar" "oci:$work/image:relayd" &&
        umoci unpack --image "$work/image:relayd" "$work/bundle"
}

holds_relayd_alone() { [ "$(cd "$work/bundle/rootfs" && find . -type f)" = ./relayd ]; }

# A user that is not the image's, a root that can't be written, and this machine's network.
set_up() {
    python3 - "$work/bundle/config.json" "$1" <<'PYTHON'
import json, sys
path, port = sys.argv[1:]
config = json.load(open(path))
process = config["process"]
assert process["user"]["uid"] == 65532 and process["args"] == ["/relayd"], process
process.update(user={"uid": 12345, "gid": 12345}, terminal=False, noNewPrivileges=True)
process["args"] += ["--listen", "127.0.0.1", "--port", port, "--store", "memory"]
process["env"].append(f"PORT={port}")
process["capabilities"] = {kind: [] for kind in process["capabilities"]}
config["root"]["readonly"] = True
config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] not in ("network", "user")]
for mapping in ("uidMappings", "gidMappings"):
    config["linux"].pop(mapping, None)
json.dump(config, open(path, "w"))
PYTHON
}

is_well() {
    for _ in $(seq 100); do
        "${runtime[@]}" exec "$name" /relayd healthcheck --ready && return
        kill -0 "$container" || return 1
        sleep 0.1
    done
    return 1
}

has_no_shell() { ! "${runtime[@]}" exec "$name" /bin/sh -c true; }

is_user_of_ours() { grep -q '^Uid:[[:space:]]12345' "/proc/$("${runtime[@]}" state "$name" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')/status"; }

ends_in_time() {
    local begin=$SECONDS
    "${runtime[@]}" kill "$name" TERM
    wait "$container" && [ $((SECONDS - begin)) -le 10 ]
}

install_tools
check "an image is made" make_image first
check "it is made again" make_image second
check "both are the same" is_same
check "it can be unpacked" unpack
check "it holds relayd and nothing else" holds_relayd_alone
check "its user and command are as they should be" set_up "$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
"${runtime[@]}" run --bundle "$work/bundle" "$name" </dev/null >"$work/log" 2>&1 &
container=$!
check "it says by its own healthcheck that it is ready" is_well
check "another user than the image's runs it" is_user_of_ours
check "there is no shell" has_no_shell
check "it ends within ten seconds" ends_in_time
[ "$failed" -eq 0 ] || sed 's/^/log: /' "$work/log"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
