"""One file of a web server: TLS, parts of it, and what makes it the file that was listed."""

from __future__ import annotations

import traceback

import pytest
from storage_servers import CANARY, Web

from engine.errors import InputChanged, InputError, InputRefused, MillraceError, Outage, SpecError
from engine.storage import Access, InputFile, list_files, stores


def _listed(web: Web, *options: tuple[str, str], suffix: str = "") -> InputFile:
    trust = (("ca_file", web.ca_file),) if web.ca_file else ()
    (file,) = list_files(web.url + suffix, (".csv",), Access((*trust, *options)))
    return file


def test_a_file_is_read_over_tls_when_its_authority_is_named(tls: Web) -> None:
    file = _listed(tls)
    assert (file.size, file.etag, file.path) == (10, '"one"', tls.url)
    assert file.read(3, 6) == b"345"
    with file.open() as stream:
        assert stream.read() == tls.data
    assert {"if-match", "range"} <= {name.lower() for name in tls.asked[-1][2]}


def test_an_unknown_certificate_is_refused(tls: Web) -> None:
    with pytest.raises(InputError, match="certificate is not trusted"):
        list_files(tls.url, (".csv",))


@pytest.mark.parametrize("conditions", [True, False])
@pytest.mark.parametrize("etag", ['"one"', 'W/"weak"'])
def test_a_change_is_told_whether_or_not_the_server_checks(
    web: Web, etag: str, conditions: bool
) -> None:
    web.etag, web.conditions = etag, conditions and not etag.startswith("W/")
    file = _listed(web)
    assert file.read(0, 4) == b"0123"
    web.etag, web.data = etag.replace("e", "E"), b"abcdefghij"
    with pytest.raises(InputChanged):
        file.read(0, 4)
    with pytest.raises(InputChanged):
        file.assert_unchanged()


def test_without_an_etag_size_and_time_decide(web: Web) -> None:
    web.etag = None
    file = _listed(web)
    assert file.read(8, 20) == b"89"
    web.data += b"x"
    with pytest.raises(InputChanged):
        file.read(0, 4)


def test_a_file_that_has_shrunk_below_the_range_is_a_changed_one(web: Web) -> None:
    file = _listed(web)
    web.status = 416
    with pytest.raises(InputChanged):
        file.read(8, 10)


def test_a_server_that_cannot_freeze_or_cut_is_refused(web: Web) -> None:
    web.etag, web.modified = None, False
    with pytest.raises(SpecError, match="neither an ETag nor"):
        _listed(web)
    web.etag, web.ranges = '"one"', False
    with pytest.raises(SpecError, match="does not give parts"):
        _listed(web)


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "does not exist"), (403, "refuses the credentials .403"), (410, "fails to answer .410")],
)
def test_refusals_are_told_by_their_status(web: Web, status: int, message: str) -> None:
    web.status = status
    with pytest.raises(MillraceError, match=message) as caught:
        _listed(web)
    assert caught.value.where == web.url


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InputRefused), (403, InputRefused), (408, Outage), (429, Outage), (500, Outage)],
)
def test_what_may_pass_is_told_from_what_stays(
    web: Web, status: int, kind: type[MillraceError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_retry", lambda: {"max_retries": 0})
    web.status = status
    with pytest.raises(kind):
        _listed(web)


def test_a_token_goes_as_a_header_and_is_never_shown(web: Web) -> None:
    _listed(web, ("token", "${secret:STORE_SECRET}"))
    assert web.asked[0][2]["authorization"] == f"Bearer {CANARY}"


def test_a_signed_url_is_a_secret(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="signature or a token in clear") as refused:
        _listed(web, suffix="?X-Amz-Signature=0123abcd")
    assert "0123abcd" not in str(refused.value)
    monkeypatch.setenv("MILLRACE_SECRET_QUERY", "sv=1&sig=0123abcd%3D")
    file = _listed(web, suffix="?${secret:QUERY}")
    assert web.asked[-1][1] == "/data/day.csv?sv=1&sig=0123abcd%3D"
    web.status = 503
    with pytest.raises(Outage) as caught:
        file.read(0, 3)
    assert "0123abcd" not in repr(file) + "".join(traceback.format_exception(caught.value))
    assert "${secret:QUERY}" in str(caught.value)
    web.status = 404
    with pytest.raises(InputChanged, match="vanished") as gone:
        file.read(0, 3)
    assert gone.value.__cause__ is gone.value.__context__ is None


def test_harmless_parameters_stay(web: Web) -> None:
    assert _listed(web, suffix="?download=1").read(0, 2) == b"01"
    assert web.asked[-1][1] == "/data/day.csv?download=1"


def test_azure_asks_with_its_signature_and_never_shows_it(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Azure server is here: only that our options reach it, and its refusal shows nothing."""
    web.status = 403
    monkeypatch.setenv("MILLRACE_SECRET_SAS", "sv=2022-11-02&sig=CanarySignature%3D&se=2030")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "b2Ygc29tZWJvZHkgZWxzZQ==")
    options = (
        ("endpoint", web.url.removesuffix("/data/day.csv")),
        ("account", "acc"),
        ("sas", "${secret:SAS}"),
    )
    with pytest.raises(InputError, match="refuses the credentials") as caught:
        list_files("az://box/day/x.csv", (".csv",), Access(options))
    _, path, headers = web.asked[0]
    assert "CanarySignature%3D" in path and path.startswith("/box/day/x.csv?")
    assert "authorization" not in {name.lower() for name in headers}
    assert "Canary" not in "".join(traceback.format_exception(caught.value))


def test_google_is_asked_with_its_token(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Google server is here: only that our options reach it."""
    web.status = 403
    endpoint = ("endpoint", web.url.removesuffix("/data/day.csv"))
    with pytest.raises(InputError, match="refuses the credentials") as caught:
        list_files(
            "gs://box/day/x.csv", (".csv",), Access((endpoint, ("token", "${secret:STORE_SECRET}")))
        )
    _, path, headers = web.asked[0]
    assert path.startswith("/box/day")
    assert headers["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in "".join(traceback.format_exception(caught.value))
