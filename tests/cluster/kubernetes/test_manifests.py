"""What is sent to Kubernetes, held against the schemas of the operator and of Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask
import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from pydantic import ValidationError

from cluster.errors import ClusterError
from cluster.kubernetes import manifests
from cluster.security.certificates import make
from cluster.settings import SETTINGS
from cluster.spec import KubernetesCluster
from jobs import cli
from tests.cluster.kubernetes.schemas import check, same

FIELDS: dict[str, Any] = {
    "kind": "kubernetes",
    "image": "registry.example.org/millrace:0.1",
    "workers": 3,
    "memory": "8 GiB",
}
FULL = FIELDS | {
    "most": 6,
    "insecure": True,
    "threads": 2,
    "cpu": 1.5,
    "namespace": "ml",
    "service_account": "reader",
    "labels": {"team": "risk"},
    "secrets": ["store-keys", "database"],
    "volumes": {"warehouse": "/data"},
    "tls_secret": "millrace-tls",
}


def spec(**fields: Any) -> KubernetesCluster:
    return KubernetesCluster.model_validate(FIELDS | fields)


def rendered(**fields: Any) -> dict[str, dict[str, Any]]:
    made = spec(tls_secret="millrace-tls", **fields)
    found = manifests.applicable(made, "nightly", made.resources(remote=True))
    return {each["kind"]: each for each in found}


def containers(cluster: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    scheduler, worker = (cluster["spec"][role]["spec"] for role in ("scheduler", "worker"))
    return scheduler["containers"][0], worker["containers"][0]


@pytest.mark.parametrize("fields", [FIELDS, FULL], ids=["least", "full"])
def test_kubernetes_would_take_all_of_it(fields: dict[str, Any], tmp_path: Path) -> None:
    made = spec(**fields)
    resources = made.resources(remote=True)
    make(tmp_path / "tls")
    cluster = manifests.cluster(made, "nightly", resources)
    check(cluster)
    check(manifests.policy(made, "nightly"))
    check(manifests.secret(made, "nightly", tmp_path / "tls"))
    check(manifests.autoscaler(spec(**FULL), "nightly"))
    for role in ("scheduler", "worker"):
        pod = cluster["spec"][role]["spec"]
        assert same(pod, "V1PodSpec") == pod
    assert same(cluster["spec"]["scheduler"]["service"], "V1ServiceSpec")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("spec", "worker", "spec", "containers", 0, "imagee"), "x"),
        (("spec", "worker", "replicas"), "three"),
        (("spec", "worker", "spec", "containers", 0, "livenessProbe", "periodSeconds"), "20 s"),
    ],
)
def test_the_check_can_fail(where: tuple[Any, ...], value: object) -> None:
    cluster = place = manifests.cluster(spec(), "nightly", spec().resources())
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        check(cluster)


def test_pods_have_what_the_plan_counts_on() -> None:
    cluster = rendered(threads=2, workers=3)["DaskCluster"]
    assert cluster["spec"]["worker"]["replicas"] == 3
    _, worker = containers(cluster)
    args = worker["args"]
    assert args[args.index("--nthreads") + 1] == "4"  # two compute, two wait for the store
    assert args[args.index("--memory-limit") + 1] == str(8 * 2**30)
    assert worker["resources"]["requests"] == worker["resources"]["limits"]
    assert worker["resources"]["limits"] == {"cpu": "2000m", "memory": str(8 * 2**30 + 2**28)}


def test_pods_have_few_rights() -> None:
    cluster = rendered()["DaskCluster"]
    for role in ("scheduler", "worker"):
        pod = cluster["spec"][role]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1000
    for container in containers(cluster):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


def test_dask_reads_our_settings_from_the_variables() -> None:
    for role, container in zip(
        ("scheduler", "worker"), containers(rendered()["DaskCluster"]), strict=True
    ):
        env = {each["name"]: each["value"] for each in container["env"]}
        read = dask.config.collect_env(env)
        for name in set(SETTINGS) - {"distributed.nanny.pre-spawn-environ"}:
            if "websocket" not in name:
                assert dask.config.get(name, config=read) == SETTINGS[name], name
        assert dask.config.get("distributed.comm.require-encryption", config=read) is True
        tls = dask.config.get("distributed.comm.tls", config=read)
        assert set(tls) & {"scheduler", "worker", "client"} == {role}, "no other's certificate"


@pytest.mark.parametrize("most", [None, 6])
def test_only_tls_listens_beyond_the_pod_unless_the_cluster_grows(most: int | None) -> None:
    found = rendered(most=most, insecure=most is not None)
    scheduler, worker = containers(found["DaskCluster"])
    address = scheduler["args"][scheduler["args"].index("--dashboard-address") + 1]
    assert address == ("127.0.0.1:8787" if most is None else ":8787")
    assert "--protocol tls" in " ".join(scheduler["args"])
    assert "127.0.0.1:8788" in worker["args"] and "--no-dashboard" in worker["args"]
    routes = [e["value"] for e in scheduler["env"] if e["name"].endswith("HTTP__ROUTES")]
    ports = [p["port"] for p in found["DaskCluster"]["spec"]["scheduler"]["service"]["ports"]]
    entries = found["NetworkPolicy"]["spec"]["ingress"]
    if most is None:
        assert routes == [] and ports == [8786] and len(entries) == 2
        assert "DaskAutoscaler" not in found
    else:
        assert "info" not in routes[0] and "json" not in routes[0]
        assert ports == [8786, 8787] and "dask-kubernetes-operator" in str(entries[2])
        scaler = found["DaskAutoscaler"]["spec"]
        assert scaler == {"cluster": "nightly", "minimum": 3, "maximum": 6}


def test_secrets_and_claims_are_mounted_in_workers_alone() -> None:
    cluster = rendered(secrets=["store-keys"], volumes={"warehouse": "/data"})["DaskCluster"]
    scheduler, worker = containers(cluster)
    mounts = {each["mountPath"]: each for each in worker["volumeMounts"]}
    assert mounts["/run/millrace/secrets"]["readOnly"] and "/data" in mounts
    assert {"name": "MILLRACE_SECRETS", "value": "/run/millrace/secrets"} in worker["env"]
    assert {m["mountPath"] for m in scheduler["volumeMounts"]} == {"/run/millrace/tls", "/tmp"}


def test_the_secret_holds_neither_the_authority_s_key_nor_the_client_s(tmp_path: Path) -> None:
    make(tmp_path / "tls")
    data = manifests.secret(spec(), "nightly", tmp_path / "tls")["data"]
    assert set(data) == {
        *("ca.pem", "scheduler.pem", "scheduler-key.pem", "worker.pem", "worker-key.pem")
    }


def test_the_command_prints_what_kubectl_takes(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(
        '[cluster]\nkind = "kubernetes"\nimage = "i:1"\nworkers = 2\nmemory = "1 GiB"\n'
        'tls_secret = "keys"\nnamespace = "ml"\n'
    )
    args = ["cluster", "manifest", str(tmp_path / "cluster.toml"), "--name", "nightly"]
    result = CliRunner().invoke(cli.main, args)
    assert result.exit_code == 0, result.output
    found = list(yaml.safe_load_all(result.stdout))
    assert [each["kind"] for each in found] == ["NetworkPolicy", "DaskCluster"]
    for each in found:
        check(each)
        assert each["metadata"]["namespace"] == "ml"
    assert "&id" not in result.stdout and "PRIVATE" not in result.stdout


@pytest.mark.parametrize(
    ("lines", "name", "told"),
    [
        ('kind = "kubernetes"\nimage = "i"', "n", "no keys"),
        ('kind = "kubernetes"\nimage = "i"\ntls_secret = "k"', "Nightly", "small letters"),
        ('kind = "local"', "n", "has no manifests"),
    ],
)
def test_the_command_refuses_in_words(tmp_path: Path, lines: str, name: str, told: str) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(f'[cluster]\n{lines}\nworkers = 2\nmemory = "1 GiB"\n')
    result = CliRunner().invoke(cli.main, ["cluster", "manifest", str(file), "--name", name])
    assert result.exit_code == 2 and told in result.stderr


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"most": 2, "insecure": True}, "most is less than workers"),
        ({"most": 6}, "most needs insecure"),
        ({"most": 6, "insecure": True, "dashboard": True}, "dashboard does not go with most"),
        ({"namespace": "Not_A_Name"}, "pattern"),
        ({"volumes": {"claim": "relative/path"}}, "pattern"),
        ({"image": ""}, "pattern"),
    ],
)
def test_a_spec_that_cannot_be(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        spec(**fields)


def test_a_name_that_is_too_long() -> None:
    with pytest.raises(ClusterError, match="cannot be the name"):
        manifests.cluster(spec(), "n" * 54, spec().resources())
