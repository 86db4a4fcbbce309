"""Scoring a file on a server that takes its time: what overlap of waiting and work gains.

One file on a web server on this machine that answers each request after a pause and then sends with
a bounded rate, as an object store does to each connection. Three ways, in turns: the file on this
machine's disk; the server, with as many tasks in each worker as it has cores; the server, as
millrace does it, where a task that waits lends its core to another.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import measure
import millrace_job
import polars as pl
import pyarrow.parquet as pq
import report
from goals import Goal, ratio
from score import MEMORY, WORKERS, prepare
from score_models import SIZES
from synthetic import CACHE, Shape, table

MODEL = "100x31"
PIECE = 2**20
ALONE = (
    "import sys; from jobs.spec.job import JobSpec; JobSpec.remote = property(lambda job: False); "
    "from jobs.cli import main; sys.exit(main())"
)
Line = dict[str, object]


class Server(ThreadingHTTPServer):
    """Serves one file, slowly."""

    daemon_threads = True

    def __init__(self, file: Path, pause: float, rate: float) -> None:
        """Bind any port of loopback; ``pause`` in seconds, ``rate`` in bytes a second."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.file, self.pause, self.rate = file, pause, rate


class Handler(BaseHTTPRequestHandler):
    """Answers HEAD and GET, with ranges."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Tell the size."""
        self._head(200, self.server.file.stat().st_size, {})

    def do_GET(self) -> None:
        """Send a range."""
        size = self.server.file.stat().st_size
        wanted = self.headers.get("Range", f"bytes=0-{size - 1}").removeprefix("bytes=")
        first, last = (int(place) for place in wanted.split("-"))
        time.sleep(self.server.pause)
        self._head(206, last + 1 - first, {"Content-Range": f"bytes {first}-{last}/{size}"})
        with self.server.file.open("rb") as stream:
            stream.seek(first)
            left = last + 1 - first
            while left:
                piece = stream.read(min(PIECE, left))
                self.wfile.write(piece)
                left -= len(piece)
                time.sleep(len(piece) / self.server.rate)

    def _head(self, status: int, length: int, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), "ETag": '"one"', **more}.items():
            self.send_header(name, value)
        self.end_headers()


def one_file(rows: int, cache: Path) -> Path:
    """Return the benchmark's table as one file; it is made once."""
    path = cache / f"score-store-{rows}.parquet"
    if not path.exists():
        parts = sorted(table(Shape(rows, categories=3, ids=2), cache).glob("*.parquet"))
        half = path.with_suffix(".half")
        with pq.ParquetWriter(half, pq.read_schema(parts[0])) as writer:
            for part in parts:
                file = pq.ParquetFile(part)
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
        half.rename(path)
    return path


def run(name: str, path: str, options: argparse.Namespace, models: Path) -> Line:
    """Score once; return a line of the table."""
    folder = options.cache / "work" / "score-store" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "models").symlink_to(models / "models")
    job = millrace_job.write_scoring(folder, Path("TABLE"), WORKERS, MEMORY, ["account"])
    lines = [
        f"path = '{path}'" if line.startswith("path") else line
        for line in job.read_text().splitlines()
    ]
    job.write_text("\n".join(lines) + "\n")
    command = millrace_job.command(job)
    if name == "in turn":
        command = [sys.executable, "-c", ALONE, "run", str(job)]
    cost = measure.run(
        command, folder / "log.txt", folder=folder, environ=millrace_job.environ(), timeout=3_600
    )
    output = folder / millrace_job.OUTPUT
    found = pl.read_parquet(output / "*.parquet").sort("id") if not cost.returncode else None
    line: Line = {
        "way": name,
        "scoring s": millrace_job.seconds(folder).get("score"),
        "CPU s": cost.cpu,
        "workers PSS MB": cost.workers_pss / report.MB,
        "rows": None if found is None else found.height,
        "scores": None if found is None else int(found.hash_rows().sum()),
        "ended": cost.ending,
    }
    print(report.show([line]), flush=True)
    return line


def main() -> None:
    """Run the three in turns, print medians and the gain."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--pause", type=float, default=0.04, help="seconds before an answer")
    parser.add_argument("--rate", type=float, default=80e6, help="bytes a second of a connection")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        server = Server(options.serve, options.pause, options.rate)
        print(server.server_address[1], flush=True)
        server.serve_forever()
    file = one_file(options.rows, options.cache)
    models = prepare(MODEL, SIZES[MODEL], Shape(options.rows, categories=3, ids=2), options.cache)
    given = ["--pause", str(options.pause), "--rate", str(options.rate), "--serve", str(file)]
    with subprocess.Popen(
        [sys.executable, __file__, *given], stdout=subprocess.PIPE, text=True
    ) as server_process:
        assert server_process.stdout is not None
        port = int(server_process.stdout.readline())
        url = f"http://127.0.0.1:{port}/table.parquet"
        ways = {"disk": str(file), "in turn": url, "overlapped": url}
        results = [
            run(name, path, options, models)
            for _ in range(options.rounds)
            for name, path in ways.items()
        ]
        server_process.kill()
    seconds = {
        name: statistics.median(float(str(r["scoring s"])) for r in results if r["way"] == name)
        for name in ways
    }
    assert len({(line["rows"], line["scores"]) for line in results}) == 1, "other rows"
    print(f"\nmedian seconds of scoring: {seconds}")
    gain = ratio(seconds["in turn"], seconds["overlapped"])
    print(Goal("time one after the other, of overlapped", gain, 1.2, at_most=False))
    print(Goal("overlapped, of the disk", ratio(seconds["overlapped"], seconds["disk"]), 1.2))


if __name__ == "__main__":
    main()
