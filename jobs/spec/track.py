"""The section ``[track]``: where a run is recorded beside others, for comparison."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from engine.storage.secrets import is_reference, without_references
from jobs.spec.section import Flag, Section, Text

SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
"""What a tracking URI of MLflow can begin with here; its store of plain files is out of service
since MLflow 3.7."""


def _is_uri(value: str) -> str:
    scheme = value.partition("://")[0].partition("+")[0]
    if scheme not in SCHEMES or ("://" not in value and value != "databricks"):
        raise ValueError(
            "should be the URL of an MLflow server (https://...) or of a database "
            "(sqlite:///mlflow.db)"
        )
    if "://" in value and urlsplit(without_references(value)).password:
        raise ValueError("holds a password: write it as ${secret:NAME}")
    return value


def _is_secret(value: str) -> str:
    if not is_reference(value):
        raise ValueError("a secret is never written in clear: write ${secret:NAME}")
    return value


TrackingUri = Annotated[Text, AfterValidator(_is_uri)]
Secret = Annotated[Text, AfterValidator(_is_secret)]


class TrackSpec(Section):
    """Record the run with MLflow when it has succeeded: parameters, metrics, files, signature."""

    uri: TrackingUri = Field(
        description="Tracking URI of MLflow: a server (`https://mlflow.example.com`) or a database "
        "(`sqlite:///mlflow.db`, from the folder where the driver works). A password in it is "
        "written as `${secret:NAME}`."
    )
    experiment: Text | None = Field(
        None, description="Experiment of MLflow, made if it is not there. Left out: the job's name."
    )
    tags: dict[Text, str] = Field({}, description="Further tags of the run.")
    token: Secret | None = Field(None, description="Bearer token of the server: `${secret:NAME}`.")
    username: Text | None = Field(None, description="User of the server.")
    password: Secret | None = Field(None, description="Their password: `${secret:NAME}`.")
    model: Flag = Field(
        True, description="Also log the bundle of the trained model, with its signature."
    )
