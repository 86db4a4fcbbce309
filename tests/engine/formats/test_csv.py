"""CSV: what a file's options, line ends, headers and broken lines come to."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from text_files import listed, load, slices

from engine.data.dataset import Dataset
from engine.errors import InputError, SpecError
from engine.formats import make
from engine.formats.text.csv import Csv
from engine.plan import Slice


def _file(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_a_missing_last_one_and_a_byte_order_mark(
    tmp_path: Path, end: str, last: bool, mark: str
) -> None:
    text = mark + end.join(["a;b", "1;x", '2;"y;y"', "3;z"]) + (end if last else "")
    found = load(Csv(), _file(tmp_path, text))
    assert found.info.schema == {"a": pl.Int64, "b": pl.String}
    assert found.good == [("1", "x"), ("2", "y;y"), ("3", "z")]


@pytest.mark.parametrize(
    "lines", [["a,b", "1,2", "", "3,4", "", ""], ["", "", "a,b", "", "", "1,2", "3,4"]]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_without_a_character_is_no_row(tmp_path: Path, lines: list[str], end: str) -> None:
    found = load(Csv(), _file(tmp_path, end.join(lines)))
    assert found.good == [("1", "2"), ("3", "4")]
    assert not found.malformed


def test_a_line_of_delimiters_is_a_row_and_so_is_one_of_blanks(tmp_path: Path) -> None:
    assert load(Csv(), _file(tmp_path, "a,b\n,\n")).good == [(None, None)]
    assert load(Csv(delimiter=","), _file(tmp_path, "a,b\n  \n1,2\n", "u.csv")).malformed == {
        0: "has 1 field, the header has 2:   "
    }


BROKEN = [
    ("3", "has 1 field, the header has 2: 3"),
    ("3,4,5", "has 3 fields, the header has 2: 3,4,5"),
    ('"x"y,1', 'has text after a closing quote: "x"y,1'),
    ('"x,1', 'has a quote that is not closed within 1 MiB and 1,000 lines: "x,1'),
]


@pytest.mark.parametrize(("line", "reason"), BROKEN)
def test_a_broken_line_is_a_row_with_its_reason_and_no_other_line_suffers(
    tmp_path: Path, line: str, reason: str
) -> None:
    found = load(Csv(), _file(tmp_path, f"a,b\n1,2\n{line}\n5,6\n"))
    assert found.good == [("1", "2"), ("5", "6")]
    assert found.malformed == {1: reason}


def test_the_raw_text_of_a_broken_line_is_cut(tmp_path: Path) -> None:
    found = load(Csv(), _file(tmp_path, "a,b\n1,2\n" + "é" * 5000 + "\n"))
    assert found.malformed[1].endswith(": " + "é" * 1000)


def test_a_stray_quote_does_not_swallow_the_file(tmp_path: Path) -> None:
    lines = [f"{i},x" for i in range(5000)]
    lines[7] = '7,"open'
    lines[4000] = '4000,"shut"'
    found = load(Csv(), _file(tmp_path, "\n".join(["a,b", *lines])))
    assert found.frame.height == 5000
    assert list(found.malformed) == [7]
    assert found.good[3999] == ("4000", "shut")


def test_a_quote_inside_a_plain_field_is_a_character(tmp_path: Path) -> None:
    found = load(Csv(), _file(tmp_path, 'a,b\n5" pipe,1\n"6"" pipe",2\n"x",3\n'))
    assert found.good == [('5" pipe', "1"), ('6" pipe', "2"), ("x", "3")]


@pytest.mark.parametrize("quote", ["", None])
def test_without_quoting_quotes_are_characters(tmp_path: Path, quote: str | None) -> None:
    found = load(Csv(quote=quote), _file(tmp_path, 'a\tb\n"x\t"y"\n'))
    assert found.good == [('"x', '"y"')]


def test_header_given_missing_or_numbered(tmp_path: Path) -> None:
    path = _file(tmp_path, "1,2\n3,4\n")
    assert list(load(Csv(header=False), path).info.schema) == ["column_1", "column_2"]
    named = load(Csv(header=("x", "y")), path)
    assert list(named.info.schema) == ["x", "y"]
    assert named.good == [("1", "2"), ("3", "4")]
    unnamed = load(Csv(), _file(tmp_path, ",b\n1,2\n", "u.csv"))
    assert list(unnamed.info.schema) == ["column_1", "b"]


def test_a_header_may_hold_quotes_blanks_and_line_ends(tmp_path: Path) -> None:
    found = load(Csv(), _file(tmp_path, '"a, b", c ,"d\ne"\n1,2,3\n'))
    assert list(found.info.schema) == ["a, b", "c", "d\ne"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a,a\n1,2\n", "repeated column names: a"),
        ("\n\n", "no header"),
        (",,\n1,2,3\n", "no column"),
        ('"a"b,c\n1,2\n', "quotes"),
    ],
)
def test_a_bad_header_is_told(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        load(Csv(), _file(tmp_path, text))
    assert "t.csv" in str(caught.value.where)


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    for text in ("a,b", "a,b\n", "a,b\r\n\r\n"):
        found = load(Csv(), _file(tmp_path, text))
        assert list(found.info.schema) == ["a", "b"]
        assert found.info.chunks == ()


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n1,5;3,5\n", ";"),
        ("a b\tc\n1,2\t3\n4,5,6\t7\n", "\t"),
        ("a|b|c\n1|2,3|4\n", "|"),
        ('a,b\n"x;y;z",2\n"x;y",2\n', ","),
        ("only\n1\n2\n", ","),
    ],
)
def test_the_delimiter_is_found_by_all_first_lines(
    tmp_path: Path, text: str, delimiter: str
) -> None:
    path = _file(tmp_path, text)
    assert load(Csv(), path).good == load(Csv(delimiter=delimiter), path).good
    assert not load(Csv(), path).malformed


def test_tsv_is_cut_at_tabs(tmp_path: Path) -> None:
    assert load(Csv(), _file(tmp_path, "a,b\n1,2\n", "t.tsv")).good == [("1,2",)]


def test_comments_and_skipped_lines(tmp_path: Path) -> None:
    text = 'made by "x\n# a, "b\na,b\n# don\'t, "x\n1,2\n"# no\ncomment",3\n'
    found = load(Csv(skip_rows=1, comment="#"), _file(tmp_path, text))
    assert found.good == [("1", "2"), ("# no\ncomment", "3")]
    with pytest.raises(InputError, match="skip_rows"):
        load(Csv(skip_rows=9), _file(tmp_path, text))


def test_blanks_around_fields(tmp_path: Path) -> None:
    text = 'a , b\n 1 , "x, y" \n2,  ? \n'
    assert load(Csv(strip=True), _file(tmp_path, text)).good == [("1", "x, y"), ("2", None)]
    kept = load(Csv(), _file(tmp_path, "a,b\n 1 , ?\n"))
    assert kept.good == [(" 1 ", " ?")]


def test_marks_of_missing_values(tmp_path: Path) -> None:
    path = _file(tmp_path, 'a,b,c\nNA,"NA",\n-,5" NA,""\n')
    assert load(Csv(), path).good == [(None, None, None), ("-", '5" NA', None)]
    assert load(Csv(nulls=("-",)), path).good == [("NA", "NA", ""), (None, '5" NA', "")]
    assert load(Csv(nulls=()), path).good[0] == ("NA", "NA", "")


def test_decimal_commas(tmp_path: Path) -> None:
    found = load(Csv(decimal=","), _file(tmp_path, "a;b\n1,5;x,y\n-2,25e3;1,2,3\n3;\n"))
    assert found.info.schema == {"a": pl.Float64, "b": pl.String}
    assert found.good == [("1.5", "x,y"), ("-2.25e3", "1,2,3"), ("3", None)]


def test_types_are_inferred(tmp_path: Path) -> None:
    rows = {
        "whole": ("1", "-5"),
        "real": ("1", "2.5e3"),
        "zip": ("007", "12"),
        "big": ("99999999999999999999", "1"),
        "flag": ("true", "False"),
        "day": ("2024-01-31", "2024-02-29"),
        "when": ("2024-01-31 10:00:00", "2024-02-29 23:59:59.5"),
        "us_day": ("1/22/2020", "2/3/2020"),
        "no_day": ("2024-01-31", "2024-02-30"),
        "empty": ("", "NA"),
    }
    lines = [",".join(column) for column in zip(*rows.values(), strict=True)]
    found = load(Csv(), _file(tmp_path, "\n".join([",".join(rows), *lines])))
    assert found.info.schema == {
        **dict.fromkeys(rows, pl.String),
        "whole": pl.Int64,
        "real": pl.Float64,
        "flag": pl.Boolean,
        "day": pl.Date,
        "when": pl.Datetime("us"),
    }


def test_a_broken_line_does_not_decide_a_type(tmp_path: Path) -> None:
    found = load(Csv(), _file(tmp_path, "a,b\nx\n1,2\n"))
    assert found.info.schema == {"a": pl.Int64, "b": pl.Int64}


def test_columns_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    path = _file(tmp_path, 'a,b,c\n1,2,3\n4" x,5,6\n7\n')
    found = load(Csv(), path, ["c", "a"])
    assert found.parts[0].columns == ["c", "a", "__malformed"]
    assert found.good == [("3", "1"), ("6", '4" x')]


def test_rows_are_placed_by_physical_lines(tmp_path: Path) -> None:
    text = 'a,b\n\n1,"x\ny\nz"\n\n3\n4,5\n'
    file = listed(_file(tmp_path, text))
    (part,) = slices(Csv().inspect(file))
    assert Csv().place(file, part, [2, 0, 1]) == ["line 8", "line 3", "line 7"]


def test_a_file_that_grew_shorter_is_told(tmp_path: Path) -> None:
    file = listed(_file(tmp_path, "a,b\n1,2\n3,4\n"))
    (part,) = slices(Csv().inspect(file))
    with pytest.raises(InputError, match="3 rows were counted here, 2 were read"):
        Csv().read(file, Slice(0, 0, 3, 0, part.span), ["a"])


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": "||"},
        {"delimiter": "é"},
        {"delimiter": '"'},
        {"quote": "\n"},
        {"header": ["a", "a"]},
        {"header": "a"},
        {"nulls": "NA"},
        {"skip_rows": -1},
        {"decimal": ";"},
        {"strip": "yes"},
        {"comment": 1},
        {"encoding": "no-such"},
        {"encoding": "rot13"},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        make("csv", options)


def test_lists_of_the_job_file_are_taken() -> None:
    assert make("csv", {"header": ["a"], "nulls": ["-"]}) == Csv(header=("a",), nulls=("-",))


def test_a_job_sets_aside_what_cannot_be_parsed_and_what_breaks_the_contract(
    tmp_path: Path,
) -> None:
    lines = [f"{i},v{i}" for i in range(10_000)]
    path = _file(tmp_path, "n,s\n" + "\n".join([*lines, "oops,z", "1,2,3", "7,y"]) + "\n")
    dataset = Dataset.open(str(path))
    part = dataset.partitions(list(dataset.schema))[0]
    batch = dataset.source.read(part, list(dataset.schema))
    assert batch.good.height == 10_001
    reasons = batch.rejected["__reason"].to_list()
    assert reasons[0] == "n = oops is not int64"
    assert reasons[1].startswith("has 3 fields, the header has 2")
