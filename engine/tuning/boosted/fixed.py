"""Parameters of LightGBM that are the same for all trials of a study, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from engine.boosting.params.given import OWNED
from engine.boosting.params.names import ALIASES

_BINS: Final = "it decides the bins, which all trials share"
_MEMORY: Final = "it changes the memory of a trial and not its model"

FIXED: Final[Mapping[str, str]] = {
    # Parameters of LightGBM's datasets (basic.py, `Dataset.construct`, 4.7) that a user may give.
    **dict.fromkeys(("max_bin", "max_bin_by_feature", "min_data_in_bin"), _BINS),
    **dict.fromkeys(("data_random_seed", "use_missing", "zero_as_missing"), _BINS),
    **dict.fromkeys(("enable_bundle", "is_enable_sparse"), _BINS),
    **dict.fromkeys(("force_col_wise", "force_row_wise", "histogram_pool_size"), _MEMORY),
}
"""Parameters that can be given in ``train.params`` but not tuned, by main name."""

_MAIN: Final = {alias: main for main, aliases in ALIASES.items() for alias in (main, *aliases)}


def fixed_params(names: Iterable[str]) -> dict[str, str]:
    """Return those parameters that cannot be tuned, each with the reason.

    Args:
        names: As the user gave them; those that LightGBM does not know are left out.
    """
    found = {}
    for name in names:
        main = _MAIN.get(name, "")
        if reason := FIXED.get(main) or OWNED.get(main):
            found[name] = reason
    return found
