"""The check of Python and of libraries: what must be the same everywhere, and what may differ.

Dask's own messages must be read alike, so Dask and what packs them are equal. And a feature or a
prediction must be the same bits on every worker (DESIGN, promise 4), whichever of them computes it:
another version of what computes them may sum in another order, so it is refused as well. Rounding
differences would show nowhere, so this is no place for a warning.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from cluster.preflight.asking import Asking
from cluster.preflight.verdict import Finding, Verdict

RUNTIME = (
    "annotated-types",
    "bokeh",
    "click",
    "cloudpickle",
    "cryptography",
    "dask",
    "distributed",
    "jinja2",
    "lightgbm",
    "llvmlite",
    "markupsafe",
    "numba",
    "numpy",
    "obstore",
    "polars",
    "prometheus-client",
    "psutil",
    "pyarrow",
    "pydantic",
    "pydantic-core",
    "rich",
    "scipy",
    "tornado",
)
"""What millrace depends on (`pyproject.toml`)."""

EXTRAS = {
    "dask-ml": ("dask-glm", "dask-ml", "pandas", "scikit-learn", "skops"),
    "dataframe": ("pandas",),
    "delta": ("deltalake",),
    "gateway": ("aiohttp", "dask-gateway"),
    "holidays": ("holidays",),
    "htcondor": ("dask-jobqueue",),
    "iceberg": ("pyiceberg",),
    "kubernetes": ("dask-kubernetes", "httpx", "kr8s"),
    "lsf": ("dask-jobqueue",),
    "mlflow": ("mlflow-skinny",),
    "onnx": ("onnxruntime",),
    "pbs": ("dask-jobqueue",),
    "sge": ("dask-jobqueue",),
    "sklearn": ("scikit-learn", "skops"),
    "skops": ("pandas", "scikit-learn", "skops"),
    "slurm": ("dask-jobqueue",),
    "sql": ("adbc-driver-postgresql",),
    "ssh": ("asyncssh",),
    "tune": ("optuna",),
    "xgboost": ("xgboost-cpu",),
}
"""What each extra of millrace installs (`pyproject.toml`)."""

WIRE = ("cloudpickle", "dask", "distributed", "msgpack")
"""What packs the messages."""

BITS = ("lightgbm", "llvmlite", "numba", "numpy", "polars", "pyarrow", "scipy")
"""What computes: another version may round another way."""


def facts(server: object, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what is installed in this process's environment.

    Args:
        server: The Dask worker; not used.
        names: Distributions to look for.
    """
    versions: dict[str, str | None] = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "executable": sys.executable,
        "versions": versions,
    }


async def checked(asking: Asking, extra: tuple[str, ...] = ()) -> list[Verdict]:
    """Compare all workers and the scheduler with this process.

    Args:
        asking: The workers.
        extra: Distributions that the job needs beyond millrace's own dependencies.
    """
    names = tuple(sorted({*RUNTIME, *WIRE, *extra}))
    answers = await asking.everyone(facts, names)
    here = facts(None, names)
    return [
        python_verdict(answers.found, here, answers.silent),
        library_verdict(answers.found, here),
    ]


def python_verdict(
    there: Mapping[str, dict[str, Any]], here: dict[str, Any], silent: list[Finding]
) -> Verdict:
    """Judge Python: the minor version must be equal, the rest may differ.

    Args:
        there: What `facts` said, by worker.
        here: The same of this process.
        silent: Who did not answer.
    """
    findings = list(silent)
    minor = here["python"].rpartition(".")[0]
    for worker, found in there.items():
        if found["python"].rpartition(".")[0] != minor:
            text = f"Python {found['python']} ({found['executable']}) instead of {minor}"
            findings.append(Finding(worker, text))
        elif found["machine"] != here["machine"]:
            text = f"{found['machine']} instead of {here['machine']}: last digits may differ"
            findings.append(Finding(worker, text, refused=False))
    hint = f"start scheduler and workers with Python {minor}"
    return Verdict.of("python", findings, fine=f"Python {minor} everywhere", hint=hint)


def library_verdict(there: Mapping[str, dict[str, Any]], here: dict[str, Any]) -> Verdict:
    """Judge libraries.

    Args:
        there: What `facts` said, by worker.
        here: The same of this process.
    """
    findings: list[Finding] = []
    lines: dict[str, None] = {}
    for worker, found in there.items():
        own = list(_differences(worker, found["versions"], here["versions"]))
        findings += own
        if any(finding.refused for finding in own):
            lines[pip_line(found, here)] = None
    fine = f"{len(here['versions'])} libraries, the same versions everywhere"
    hint = "run there: " + "; ".join(lines) if lines else "no result depends on these"
    return Verdict.of("libraries", findings, fine=fine, hint=hint)


def _differences(
    worker: str, there: Mapping[str, str | None], here: Mapping[str, str | None]
) -> Iterator[Finding]:
    for name, version in here.items():
        found = there.get(name)
        if found is None:
            yield Finding(worker, f"{name} is not installed")
        elif found != version:
            text = f"{name} {found} instead of {version}"
            yield Finding(worker, text, refused=name in (*WIRE, *BITS))


def pip_line(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return the command that gives a worker the versions of this process.

    Args:
        there: Facts of the worker.
        here: Facts of this process.
    """
    found = there["versions"]
    wanted = [
        f"'{name}=={version}'" if version else name
        for name, version in here["versions"].items()
        if found.get(name) is None or (found[name] != version and name in (*WIRE, *BITS))
    ]
    return f"{there['executable']} -m pip install {' '.join(wanted)}"
