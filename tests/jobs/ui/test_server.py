"""The server, asked over real HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from click.testing import CliRunner

from jobs.cli import main
from jobs.runs.folder import Run
from jobs.runs.store import Store
from tests.jobs.ui.made_runs import FAILED, RUNNING, SUCCEEDED, dead, made, progress, started
from tests.jobs.ui.serving import ask, serving

SCRIPT = "<script>alert(1)</script>"
REPORT = b"<!doctype html><title>report</title><script>1</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ui") / "runs"


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Make a run at work with names that look like HTML, a report, and a file beside it."""
    warning = (1.0, "warning", "train", {"text": SCRIPT})
    # Told by this process, which is its driver.
    found = made(
        Store.at(folder), SCRIPT, RUNNING, started("train"), progress("train", 9, 250), warning
    )
    (Path(str(found)) / "report.html").write_bytes(REPORT)
    (folder.parent / "secret.txt").write_text("SECRET")
    (Path(str(found)) / "secret.txt").write_text("SECRET")
    return found


@pytest.fixture(scope="module")
def address(folder: Path, run: Run) -> Iterator[str]:
    with serving(folder) as found:
        yield found


def test_the_list_and_the_run_are_pages_that_escape_what_is_not_theirs(
    address: str, run: Run
) -> None:
    for path in ("/", f"/runs/{run.id}", f"/?q={SCRIPT}", "/?q=%22%3E%3Cscript%3E"):
        status, headers, text = ask(address, path)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "<script>" not in text and '"><script' not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in ask(address, f"/runs/{run.id}")[2]


def test_no_answer_may_be_read_by_another_site_or_load_from_one(address: str, run: Run) -> None:
    for path in ("/", f"/runs/{run.id}", "/api/runs", "/metrics", "/static/live.js", "/nothing"):
        _, headers, text = ask(address, path, Origin="http://evil.example")
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy and "http" not in policy
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Server"] is None
        assert " style=" not in text and " onclick=" not in text and "http://" not in text


def test_a_name_that_was_made_to_point_here_is_refused(address: str) -> None:
    port = urlsplit(address).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "0.0.0.0", ""):
        for path in ("/", "/metrics", "/api/runs", "/static/live.js", "/nothing"):
            assert ask(address, path, Host=host)[0] in (400, 403), (host, path)
    for host in ("localhost", f"localhost:{port}", "127.0.0.1:9999", "LOCALHOST"):
        assert ask(address, "/", Host=host)[0] == 200, host  # the end of an ssh tunnel


def test_it_listens_on_loopback_alone(address: str) -> None:
    port = urlsplit(address).port
    found = [
        c for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port
    ]
    assert [c.laddr.ip for c in found] == ["127.0.0.1"]


def test_nothing_but_get_is_answered(address: str, run: Run) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        for path in ("/", f"/runs/{run.id}", "/api/runs", "/metrics"):
            status, headers, _ = ask(address, path, method)
            assert (status, headers["Allow"]) == (405, "GET"), (method, path)


def test_what_is_not_there_is_said_without_a_traceback(address: str, run: Run) -> None:
    for path in (
        "/nothing",
        "/runs/20261121-101502-000000",
        f"/runs/{run.id}/profile",
        f"/runs/{run.id}/secret.txt",
        f"/runs/{run.id}/job.json",
        "/runs/../secret.txt",
        "/runs/..%2fsecret.txt",
        "/runs/%2e%2e/report",
        f"/runs/{run.id}/..%2f..%2fsecret.txt",
        f"/runs/{run.id}/report/../secret.txt",
        "/static/../../secret.txt",
        "/static/..%2fui.css",
        "/static/ui.css%00",
        "//etc/passwd",
    ):
        status, _, text = ask(address, path)
        assert status == 404, path
        assert "SECRET" not in text and "Traceback" not in text and "root:" not in text


def test_a_report_is_served_as_it_is_in_a_sandbox(address: str, run: Run) -> None:
    status, headers, text = ask(address, f"/runs/{run.id}/report")
    assert (status, text.encode()) == (200, REPORT)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    # Without `allow-same-origin` it can read no other page of this server.
    assert policy.endswith("sandbox allow-scripts")


def test_json_says_what_the_pages_say(address: str, run: Run) -> None:
    (listed,) = json.loads(ask(address, "/api/runs")[2])
    assert (listed["run"], listed["state"], listed["step"]["share"]) == (run.id, "RUNNING", 0.25)
    status, headers, text = ask(address, f"/api/runs/{run.id}")
    found = json.loads(text)
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert [step["stage"] for step in found["steps"]] == ["waiting", "running", "waiting"]
    assert (found["limit"], found["reports"], found["job_file"]["name"]) == (
        1 << 30,
        ["report"],
        SCRIPT,
    )
    assert [event["text"] for event in found["warnings"]] == [SCRIPT]


def test_prometheus_is_answered(address: str, run: Run) -> None:
    status, headers, text = ask(address, "/metrics")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert f'millrace_rows_done_total{{job="{SCRIPT}",run="{run.id}",step="train"}} 250.0' in text


def test_runs_are_found_by_words_and_state_and_shown_in_pages(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    for number in range(60):
        name = ("Oddly named", "another")[number % 2]
        made(store, name, SUCCEEDED if number else FAILED, steps=(), driver=dead())
    with serving(tmp_path) as address:
        _, _, first = ask(address, "/")
        assert first.count('scope="row"') == 50 and "1 of 2" in first
        _, _, second = ask(address, "/?page=2")
        assert second.count('scope="row"') == 10
        _, _, odd = ask(address, "/?q=NAMED%20odd")
        assert odd.count('scope="row"') == 30
        _, _, failed = ask(address, "/?q=odd&state=FAILED")
        assert failed.count('scope="row"') == 1
        assert "No run is like that" in ask(address, "/?q=nowhere")[2]
        for strange in ("/?page=0", "/?page=-3", "/?page=x", "/?page=99999", "/?page=%C2%B2"):
            assert ask(address, strange)[0] == 200, strange


def test_a_run_that_is_removed_or_damaged_is_said_to_be(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    bad = made(store, "bad", FAILED)
    with serving(tmp_path) as address:
        assert ask(address, "/")[0] == 200
        (Path(str(bad)) / "plan.json").write_text("{")
        status, _, text = ask(address, f"/runs/{bad.id}")
        assert status == 503 and "damaged" in text and "Traceback" not in text


def test_it_never_changes_a_run(address: str, run: Run) -> None:
    def content() -> dict[str, bytes]:
        files = [path for path in Path(str(run)).rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in files}

    before = content()
    for path in ("/", f"/runs/{run.id}", f"/runs/{run.id}/report", "/api/runs", "/metrics"):
        ask(address, path)
    assert content() == before


def test_a_port_that_is_taken_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["ui", "--store", str(tmp_path), "--port", str(port)])
    assert result.exit_code == 2
    assert f"port {port}" in result.output and "--port" in result.output
    assert "Traceback" not in result.output


def test_the_script_is_one_that_a_browser_can_read() -> None:
    """Also where there is no Chromium, if there is node."""
    script = Path(__file__).resolve().parents[3] / "jobs/ui/static/live.js"
    try:
        subprocess.run(["node", "--check", str(script)], check=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("node is not installed")
