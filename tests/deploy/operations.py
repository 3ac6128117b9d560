"""What operators take from deploy/ beside the packages, judged by the tools of those who read it: promtool for alerts
and for every expression of the dashboard, Helm and the schemas of Kubernetes for the chart, Compose for its file. The
names of all metrics must be on a page of a running relayd. Ends with `N passed, N failed`.

    operations.py PROGRAMS       with helm-python-sdk, kubernetes-validate, and promtool; docker-compose, if it is there
"""

import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import helm_python
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))
from played import cases_of, play_all  # noqa: E402

DEPLOY = ROOT / "deploy"
RUNBOOK = ROOT / "docs/runbook.md"
KUBERNETES = "1.31"
# Given by Prometheus itself.
OTHERS = {"up"}
# Has none before its first certificate.
WITHOUT_VALUE = {"relay_tls_certificate_not_after_seconds"}
VALUES = {"publicWsUrl": "wss://relay.example.org/ws", "redis": {"url": "redis://redis:6379"}}


def run(*command, **rest):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **rest)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def metrics_page():
    """What a running relayd shows to Prometheus."""
    port, admin = free_port(), free_port()
    arguments = ["--listen", "127.0.0.1", "--port", port, "--store", "memory", "--admin-listen", f"127.0.0.1:{admin}"]
    relay = subprocess.Popen([PROGRAMS / "relayd", *map(str, arguments)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=5) as answer:
                    return answer.read().decode()
            except OSError:
                assert time.monotonic() < deadline and relay.poll() is None, "relayd shows no /metrics"
    finally:
        relay.send_signal(signal.SIGKILL)
        relay.wait()


def known_names():
    """The names of all samples: a histogram has three."""
    names = set(OTHERS)
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", metrics_page(), re.M):
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


def dashboard_expressions():
    board = json.loads((DEPLOY / "grafana/relayd.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".+")


def expect_known(expression, names):
    without_labels = re.sub(r"\{[^}]*\}", "", expression)
    used = set(re.findall(r"\b(?:relay|process)_[a-z_]+|\bup\b", without_labels))
    assert used and used <= names, f"relayd shows no {used - names}: {expression}"


def case_the_page_of_metrics_is_well_made():
    run("promtool", "check", "metrics", input=metrics_page())


def case_alerts_fire_when_they_have_to():
    run("promtool", "check", "rules", DEPLOY / "prometheus/relayd.rules.yml")
    run("promtool", "test", "rules", "relayd.test.yml", cwd=DEPLOY / "prometheus")


def case_alerts_and_their_runbook_belong_together():
    names = known_names()
    headings = re.findall(r"^## (.+)$", RUNBOOK.read_text(), re.M)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    rules = yaml.safe_load((DEPLOY / "prometheus/relayd.rules.yml").read_text())["groups"][0]["rules"]
    for rule in rules:
        expect_known(rule["expr"], names)
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/runbook.md" and anchor in anchors, rule["annotations"]["runbook"]


def case_the_dashboard_asks_for_what_there_is():
    names, rules = known_names(), []
    for title, expression in dashboard_expressions():
        expect_known(expression, names)
        rules.append({"record": f"panel:number_{len(rules)}", "expr": expression, "labels": {"panel": title}})
    assert len(rules) > 20
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        run("promtool", "check", "rules", file.name)


def rendered(values):
    chart = helm_python.Chart.load(str(DEPLOY / "helm/relayd"))
    texts = chart.render(values)
    texts = texts.values() if isinstance(texts, dict) else [texts]
    return [one for text in texts if "kind:" in text for one in yaml.safe_load_all(text) if one]


def expect_valid(values, kinds):
    found = rendered(values)
    assert sorted(one["kind"] for one in found) == sorted(kinds), [one["kind"] for one in found]
    for one in found:
        # Not one of Kubernetes' own.
        if one["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(one, KUBERNETES, strict=True)
    return {one["kind"]: one for one in found}


def case_the_chart_makes_what_kubernetes_takes():
    least = expect_valid(VALUES, ["Deployment", "Service", "Service", "PodDisruptionBudget"])
    pod = least["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 35
    flags = [flag.partition("=")[0] for flag in pod["containers"][0]["args"]]
    known = run(PROGRAMS / "relayd", "--help")
    assert all(flag in known for flag in flags), flags
    everything = {
        **VALUES, "secret": {"name": "relay", "redisUrlKey": "url", "registerKey": "key"}, "trustedProxies": ["10.0.0.0/8"],
        "ingress": {"enabled": True, "host": "relay.example.org", "tlsSecret": "tls", "className": "nginx"},
        "serviceMonitor": {"enabled": True}, "extraArgs": ["--registers-per-minute=100"],
        "nodeSelector": {"kind": "relay"}, "podAnnotations": {"a": "b"},
    }
    kinds = ["Deployment", "Service", "Service", "PodDisruptionBudget", "Ingress", "ServiceMonitor"]
    made = expect_valid(everything, kinds)["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    named = {variable["name"]: variable for variable in made["env"]}
    assert "value" not in named["REDIS_URL"] and "value" not in named["REGISTER_KEY"]
    alone = expect_valid({**VALUES, "replicas": 1, "redis": {"url": ""}}, ["Deployment", "Service", "Service"])
    assert alone["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}


def case_the_chart_says_what_is_missing():
    for values, words in [
        ({"redis": VALUES["redis"]}, "publicWsUrl is the address"),
        ({"publicWsUrl": "wss://relay.example.org/ws"}, "more than one node needs Redis"),
        ({**VALUES, "ingress": {"enabled": True}}, "ingress.host is the public name"),
        ({**VALUES, "secret": {"registerKey": "key"}}, "set secret.name"),
    ]:
        try:
            rendered(values)
        except Exception as error:
            assert words in str(error), error
        else:
            raise AssertionError(f"no word of {words!r}")


def case_the_chart_has_the_version_of_the_program():
    version = run(PROGRAMS / "relayd", "--version").split()[1]
    chart = yaml.safe_load((DEPLOY / "helm/relayd/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    said = helm_python.lint(str(DEPLOY / "helm/relayd"), VALUES)
    # From 2 on they are warnings. Its only message is about an icon.
    assert not said["errors"] and all(one["severity"] < 2 for one in said["messages"]), said


def case_compose_takes_its_file():
    compose = shutil.which("docker-compose")
    assert compose, "docker-compose is not there"
    text = run(compose, "-f", DEPLOY / "compose/compose.yaml", "config", env={"PATH": "/usr/bin:/bin", "RELAY_NAME": "relay.example.net"})
    made = yaml.safe_load(text)
    assert set(made["services"]) == {"relay-1", "relay-2", "redis", "caddy"}
    known = run(PROGRAMS / "relayd", "--help")
    for node in ("relay-1", "relay-2"):
        service = made["services"][node]
        assert service["environment"]["PUBLIC_WS_URL"] == "wss://relay.example.net/ws"
        assert all(part in known for part in service["command"] if part.startswith("--"))
    proxies = (DEPLOY / "caddy/Caddyfile").read_text()
    assert "{$RELAY_NAME:" in proxies and made["services"]["caddy"]["environment"]["RELAY_NAME"] == "relay.example.net"
    for node in ("relay-1", "relay-2"):
        assert made["services"][node]["networks"]["relay"]["ipv4_address"] in proxies


if __name__ == "__main__":
    PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
    sys.exit(play_all(cases_of(globals(), "".join(sys.argv[2:3])).items()))
