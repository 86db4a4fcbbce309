"""What the kinds of clusters have in common."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field


def _is_size(value: object) -> object:
    # pydantic takes True for 1, and does not look at what follows the unit.
    text = isinstance(value, str) and re.fullmatch(r"\s*[\d.]+\s*[A-Za-z]*\s*", value)
    if isinstance(value, bool) or not (text or isinstance(value, int)):
        raise ValueError("should be a number of bytes such as 2147483648 or '2 GiB'")
    return value


Bytes = Annotated[ByteSize, BeforeValidator(_is_size), Field(gt=0)]
"""A number of bytes, greater than zero: an integer, or a string such as ``"2 GiB"``."""


LOWEST_PORT, HIGHEST_PORT = 1024, 65535


def _is_range(text: str) -> str:
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    low, high = map(int, found.groups()) if found else (0, 0)
    if not LOWEST_PORT <= low < high <= HIGHEST_PORT:
        raise ValueError(
            f"should be two ports from {LOWEST_PORT} to {HIGHEST_PORT}, the lower one first, such "
            "as '12400-12499'"
        )
    return text


def _is_network(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise ValueError(f"should be an IPv4 network such as '10.1.0.0/16': {error}") from error


class Cluster(BaseModel):
    """A cluster of workers that are all alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ports: Annotated[str, AfterValidator(_is_range)] | None = Field(
        None,
        strict=True,
        description="Ports that training may listen at, such as `12400-12499`: two for each worker "
        "of a machine, and as many again for each restart after a fault, because a port that was "
        "used rests for a minute. Left out: any free port.",
    )
    network: Annotated[str, AfterValidator(_is_network)] | None = Field(
        None,
        strict=True,
        description="Network in which the workers train together, such as `10.1.0.0/16`: each "
        "takes its own address in it, and listens there only. LightGBM's traffic is neither "
        "encrypted nor authenticated, so it should be a private one. Left out: the address that "
        "the worker is known by.",
    )

    @property
    def port_range(self) -> tuple[int, int] | None:
        """First and last port that training may listen at; None = any."""
        if self.ports is None:
            return None
        low, high = self.ports.split("-")
        return int(low), int(high)


class Own(Cluster):
    """A cluster that the session starts itself."""

    threads: int = Field(1, ge=1, strict=True, description="Threads of one worker.")
    dashboard: bool = Field(
        False,
        strict=True,
        description="Serve Dask's dashboard, on 127.0.0.1 only, while the job runs.",
    )
