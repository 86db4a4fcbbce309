"""Real records as they came: 83 daily files, four headers, three ways to write a time."""

import json
from pathlib import Path

import polars as pl

from engine.contract import VALUE, Contract, Rule
from engine.data.dataset import Dataset
from engine.ledger import Ledger

FORMATS = ("%m/%d/%Y %H:%M", "%m/%d/%y %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")
CONTRACT = Contract(
    {
        "state": Rule("string", aliases=("Province/State", "Province_State")),
        "updated": Rule(
            "datetime",
            aliases=("Last Update", "Last_Update"),
            format=FORMATS,
            nulls=0,
            min="2020-01-01",
            max="2020-12-31",
        ),
        "Lat": Rule("float64", aliases=("Latitude",), required=False, min=-90, max=90),
        "Confirmed": Rule("int64"),
        "Deaths": Rule("int64"),
    },
    checks=("Deaths <= Confirmed",),
)


def test_every_row_is_good_or_quarantined_with_its_reason(data_dir: Path) -> None:
    folder = data_dir / "dirty_covid_daily"
    data = Dataset.open(str(folder / "*.csv"), contract=CONTRACT)
    paths = [file.path for file in data.source.files]
    total, confirmed, bad = Ledger(), 0, []
    for part in data.partitions(CONTRACT.columns):
        batch = data.source.read(part, CONTRACT.columns)
        total = total.merge(Ledger.of(paths, part, batch))
        confirmed += batch.good["Confirmed"].sum()
        bad.append(batch.rejected)
    expected = json.loads((folder / "expected.json").read_text())
    total.check({str(folder / name): file["rows"] for name, file in expected.items()})
    assert total.reasons == {"Deaths, Confirmed: Deaths <= Confirmed": 204, "malformed": 85}
    rejected = pl.concat(bad, how="diagonal")
    checked = rejected["Confirmed"].drop_nulls().cast(pl.Int64).sum()
    lines = rejected.filter(pl.col("__rule") == "malformed")[VALUE]  # 12 fields under 14 names
    malformed = sum(int(line.split(",")[7]) for line in lines)
    wanted = sum(file["confirmed_sum"] for file in expected.values())
    assert confirmed + checked + malformed == wanted
