"""The schemas by which Kubernetes would check what we send."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from kubernetes import client

CRDS = "operator/deployment/helm/dask-kubernetes-operator/crds"


@cache
def of_operator(kind: str) -> dict[str, Any]:
    """Return the schema of a kind by the operator's CRD, with all fields that it does not know
    forbidden: Kubernetes would drop them without a word."""
    import dask_kubernetes

    folder = Path(dask_kubernetes.__file__).parent / CRDS
    text = (folder / f"{kind.lower()}.yaml").read_text()
    (version,) = yaml.load(text, yaml.CSafeLoader)["spec"]["versions"]  # 7 s without C
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    schema["properties"] |= {key: {} for key in ("apiVersion", "kind", "metadata")}
    _closed(schema)
    return schema


def _closed(schema: Any) -> None:
    if isinstance(schema, list):
        for each in schema:
            _closed(each)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        if schema.pop("x-kubernetes-int-or-string", False):
            schema["type"] = ["integer", "string"]
        for each in schema.values():
            _closed(each)


def check(manifest: dict[str, Any]) -> None:
    """Raise where Kubernetes would refuse an object, or drop a part of it."""
    kind = manifest["kind"]
    if kind.startswith("Dask"):
        jsonschema.validate(manifest, of_operator(kind))
    else:
        assert same(manifest, f"V1{kind}") == manifest


def same(manifest: dict[str, Any], model: str) -> Any:
    """Return an object as Kubernetes' own Python client reads and writes it."""

    api = client.ApiClient()
    try:
        read = api.deserialize(json.dumps(manifest), model, "application/json")
        return api.sanitize_for_serialization(read)
    finally:
        api.close()
