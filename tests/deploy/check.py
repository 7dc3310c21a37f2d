"""Renders the Helm chart with Helm's own engine and reads the Compose file; fails with a sentence if either is not as it should be.

    check.py PACKAGING     prints, as JSON, the flags and variables that the files give to `vouchlog serve`

Needs the packages helm-python-sdk (Helm's Go library) and PyYAML.
"""

import json
import pathlib
import sys

import helm_python as helm
import yaml

CHART = pathlib.Path(sys.argv[1]) / "helm" / "vouchlog"
COMPOSE = pathlib.Path(sys.argv[1]) / "compose"
LEAST = {"origin": "log.example.com/ai", "database": {"existingSecret": "db"}, "keys": {"existingSecret": "keys"}}
ALL = {
    "origin": "log.example.com/ai",
    "nodes": [{"name": "a"}, {"name": "b", "tag": "next"}, {"name": "c", "advertise": "https://c.example.com"}],
    "database": {"existingSecret": "db", "caConfigMap": "ca", "create": True},
    "keys": {"existingSecret": "keys", "operatorVkey": "operator.example.com+1"},
    "objects": {"url": "s3://bucket/log", "existingSecret": "s3"},
    "policy": {"configMap": "policy"},
    "access": {"existingSecret": "access"},
    "tls": {"existingSecret": "tls", "caKey": "ca.crt"},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboard": {"enabled": True},
}


def check(holds, sentence):
    if not holds:
        sys.exit(f"check.py: {sentence}")


def rendered(chart, values):
    """The manifests of a release, by kind and name."""
    texts = chart.render(values, name="demo", namespace="prod")
    documents = [doc for name, text in texts.items() if name.endswith(".yaml") for doc in yaml.safe_load_all(text) if doc]
    found = {(doc["kind"], doc["metadata"]["name"]): doc for doc in documents}
    check(len(found) == len(documents), "two manifests of a kind have one name")
    return found


def check_hardened(name, pod):
    container = pod["containers"][0]
    mine, shared = container["securityContext"], pod["securityContext"]
    check(mine["readOnlyRootFilesystem"] and not mine["allowPrivilegeEscalation"], f"{name}: the container may change itself")
    check(mine["capabilities"] == {"drop": ["ALL"]}, f"{name}: it has capabilities")
    check(shared["runAsNonRoot"] and shared["runAsUser"] == 65532, f"{name}: it runs as root")
    check(shared["seccompProfile"] == {"type": "RuntimeDefault"}, f"{name}: it has no seccomp profile")
    check(not pod["automountServiceAccountToken"], f"{name}: it gets a token of the cluster")
    for entry in container["env"]:
        secret = entry["name"] in ("VOUCHLOG_STORE", "PGPASSWORD")
        check(secret == ("valueFrom" in entry), f"{name}: {entry['name']} is not where it belongs")
    probes = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    check(all(get["port"] == "admin" for get in probes.values()), f"{name}: a probe is not at the port for operators")
    paths = [get["path"] for get in probes.values()]
    check(paths == ["/healthz", "/healthz", "/readyz"], f"{name}: its probes are {paths}")


def check_reachable(name, manifests, labels, container):
    """Whether the other nodes reach this one where it tells them to."""
    entries = {entry["name"]: entry.get("value") for entry in container["env"]}
    url = entries["VOUCHLOG_ADVERTISE"]
    scheme = "https" if "VOUCHLOG_TLS_CERT" in entries else "http"
    check(url in (f"{scheme}://{name}.prod:6962", "https://c.example.com"), f"{name}: it is advertised at {url}")
    service = manifests["Service", name]["spec"]
    check(service["selector"].items() <= labels.items() and "vouchlog-node" in service["selector"], f"{name}: its service finds other pods")
    check(service["publishNotReadyAddresses"], f"{name}: a leader that is not ready cannot be reached")


def check_release(manifests, nodes):
    kinds = [kind for kind, _ in manifests]
    check("StatefulSet" not in kinds and kinds.count("Deployment") == nodes, f"there are {kinds}")
    selector = manifests["Service", "demo-vouchlog"]["spec"]["selector"]
    for (kind, name), manifest in manifests.items():
        if kind != "Deployment":
            continue
        spec = manifest["spec"]
        labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
        check(spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"}, f"{name}: a node may run twice")
        check(spec["selector"]["matchLabels"].items() <= labels.items(), f"{name}: it selects other pods than its own")
        check(selector.items() <= labels.items(), f"{name}: the service does not find it")
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
        check(volumes.keys() == mounts.keys(), f"{name}: {volumes.keys() ^ mounts.keys()}")
        claim = volumes["data"]["persistentVolumeClaim"]["claimName"]
        check(claim == name and ("PersistentVolumeClaim", claim) in manifests, f"{name}: no volume {claim}")
        check_hardened(name, pod)
        check_reachable(name, manifests, {**labels, **selector}, pod["containers"][0])
    budget = manifests["PodDisruptionBudget", "demo-vouchlog"]["spec"]
    check(budget["minAvailable"] == 1 and budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow", f"the budget is {budget}")
    check(budget["selector"]["matchLabels"] == selector, "the budget is for other pods than the service")


def check_chart():
    lint = helm.lint(str(CHART), LEAST)
    check(not lint["errors"] and all(message["severity"] < 2 for message in lint["messages"]), f"lint: {lint}")
    with helm.Chart.load(str(CHART)) as chart:
        least, everything = rendered(chart, LEAST), rendered(chart, ALL)
        for wrong in ({}, {**LEAST, "origin": ""}, {**LEAST, "nodes": [{"name": "UPPER"}]}, {**LEAST, "nodes": [{"name": "admin"}]}, {**LEAST, "keys": {}}):
            try:
                chart.validate_schema(wrong)
            except helm.HelmError:
                continue
            check(False, f"the schema takes {wrong}")
    check_release(least, 2)
    check_release(everything, 3)
    rules = everything["PrometheusRule", "demo-vouchlog"]["spec"]
    check(rules == yaml.safe_load((CHART / "files/vouchlog.rules.yml").read_text()), "the rules are not those of the file")
    board = everything["ConfigMap", "demo-vouchlog-dashboard"]["data"]["vouchlog.json"]
    check(json.loads(board)["title"] == "Vouchlog", "the dashboard is not the one of the file")
    monitor = everything["ServiceMonitor", "demo-vouchlog"]["spec"]
    admin = everything["Service", "demo-vouchlog-admin"]
    check(monitor["selector"]["matchLabels"].items() <= admin["metadata"]["labels"].items(), "nothing is scraped")
    check(admin["spec"]["publishNotReadyAddresses"], "standbys are not scraped")
    images = [manifest["spec"]["template"]["spec"]["containers"][0]["image"] for (kind, _), manifest in everything.items() if kind == "Deployment"]
    check(images == ["vouchlog:0.1.0", "vouchlog:next", "vouchlog:0.1.0"], f"the images are {images}")
    return [manifest["spec"]["template"]["spec"]["containers"][0] for (kind, _), manifest in everything.items() if kind == "Deployment"]


def check_compose():
    compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    services = compose["services"]
    nodes = [service for name, service in services.items() if name.startswith("node-")]
    check(len(nodes) == 2, f"{len(nodes)} nodes")
    for name, service in services.items():
        for needed in service.get("depends_on", []):
            check(needed in services, f"{name} needs {needed}, which is not there")
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            there = (COMPOSE / source).is_file() if source.startswith("./") else source in compose["volumes"]
            check(there, f"{name}: there is no {source}")
        for port in service.get("ports", []):
            check(port.startswith("127.0.0.1:"), f"{name}: {port} is open to other machines")
    for name, service in services.items():
        if name.startswith("node-"):
            url = service["environment"]["VOUCHLOG_ADVERTISE"]
            check(url == f"http://{name}:6962", f"{name} is advertised at {url}")
    balancer = (COMPOSE / "haproxy.cfg").read_text()
    check(all(f"server {name} {name}:6962" in balancer for name in services if name.startswith("node-")), "haproxy.cfg has other nodes")
    identities = json.loads((COMPOSE / "s3.json").read_text())["identities"]
    check(identities[0]["credentials"][0]["accessKey"] == nodes[0]["environment"]["AWS_ACCESS_KEY_ID"], "s3.json has another user")
    return nodes


containers = check_chart()
nodes = check_compose()
flags = {arg.split("=")[0] for arg in containers[0]["args"] if arg.startswith("--")}
names = {entry["name"] for entry in containers[0]["env"]} | {"VOUCHLOG_INSECURE_LISTEN"}
for node in nodes:
    flags |= {arg.split("=")[0] for arg in node["command"] if arg.startswith("--")}
    names |= set(node["environment"])
print(json.dumps({"flags": sorted(flags), "names": sorted(name for name in names if name.startswith("VOUCHLOG_"))}))
