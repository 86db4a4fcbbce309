"""Objects of Kubernetes as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cluster.extras import library


def yaml_text(objects: Iterable[Mapping[str, Any]]) -> str:
    """Return objects as documents of one YAML text, in the order of their keys.

    Args:
        objects: Manifests.

    Raises:
        ClusterError: PyYAML is not installed, which comes with the extra.
    """
    yaml = library("yaml", "kubernetes")

    class Plain(yaml.SafeDumper):  # type: ignore[misc, name-defined]
        """One that writes what stands twice twice: anchors are hard to read."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    text: str = yaml.dump_all(objects, Dumper=Plain, sort_keys=False, explicit_start=True)
    return text
