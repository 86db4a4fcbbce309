"""What a cluster consists of, for those who apply it themselves."""

from __future__ import annotations

from pathlib import Path

import click

from jobs.commands.options import debug_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", default="millrace", show_default=True, help="Name of the cluster.")
@click.option(
    "--store/--no-store",
    default=True,
    show_default=True,
    help="Whether jobs read from an object store or write to one: workers then have a thread more "
    "for each that waits.",
)
@debug_option
def manifest(file: Path, name: str, store: bool) -> None:
    """Print the Kubernetes objects of [cluster] in FILE as YAML, for kubectl apply.

    FILE is a job file, or holds that section alone; its kind is "kubernetes". Jobs use the cluster
    with kind = "address". No secret is printed: `tls_secret` names the one of the certificates.
    """
    from jobs.spec.jobfile import load_cluster

    spec = load_cluster(file)
    from cluster.errors import ClusterError
    from cluster.spec import KubernetesCluster

    if not isinstance(spec, KubernetesCluster):
        raise ClusterError(
            f"a cluster of kind {spec.kind} has no manifests",
            'kind = "kubernetes" has',
        )
    from cluster.kubernetes.manifests import applicable
    from cluster.kubernetes.text import yaml_text

    click.echo(yaml_text(applicable(spec, name, spec.resources(remote=store))), nl=False)
