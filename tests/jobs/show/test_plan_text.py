"""What `millrace plan` prints of the driver."""

from typing import Any

from jobs.show.text import plan_text


def plan(*driver: dict[str, Any]) -> dict[str, Any]:
    step = {"name": "train", "partitions": 1, "rows": 5, "bytes_read": 9, "output_bytes": 0}
    step |= {"peak": 10, "passes": [], "terms": [{"name": "worker", "bytes": 10}], "notes": []}
    steps = [step | {"driver": list(driver)}, step | {"name": "evaluate", "driver": []}]
    told = {"format": "csv", "files": 1, "rows": 5, "bytes": 9, "columns": 2, "location": "x"}
    return {"data": {"t": told}, "workers": 2, "limit": 20, "peak": 10, "steps": steps}


def test_the_driver_is_told_with_what_it_holds() -> None:
    text = plan_text(
        plan({"name": "sample", "bytes": 2**20}, {"name": "driver process", "bytes": 2**21})
    )
    assert "the driver, beside them: 3.0 MiB in train" in text
    assert text.index("driver process") < text.index("sample") < text.index("2 workers of")


def test_a_plan_of_before_says_nothing_of_it() -> None:
    old = plan()
    for step in old["steps"]:
        del step["driver"]
    assert "driver" not in plan_text(old)
