"""The figures of the report, drawn by Bokeh so that the page needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from jobs.report.canvas import Drawn, library
from jobs.report.confusion import confusion_figure
from jobs.report.contributions import contribution_figures, dependence_figures
from jobs.report.curves import calibrated, curves, thresholds
from jobs.report.learning_curves import learning_curves
from jobs.report.outcome import Report
from jobs.report.quality import Quality
from jobs.report.residuals import residual_figures
from jobs.report.trials import trial_figures

CELLS = 6
"""Classes up to which a confusion matrix is a table, which everybody can read."""


NOTHING = Markup()


@dataclass(frozen=True)
class Charts:
    """What the template places.

    Args:
        script: ``<script>`` elements with the library; empty when there is no figure.
        groups: Figures by the section that they are in.
    """

    script: Markup = NOTHING
    groups: Mapping[str, Sequence[Drawn]] = field(default_factory=dict)

    def of(self, section: str) -> Sequence[Drawn]:
        """Return the figures of a section."""
        return self.groups.get(section, ())


def draw(report: Report) -> Charts:
    """Draw the figures that the report has data for.

    Bokeh escapes the data that it embeds; ``label`` keeps names from being read as mathematics.
    """
    quality, model = report.quality, report.model
    groups: dict[str, Sequence[Drawn]] = {
        "curves": curves(quality),
        "calibration": calibrated(quality),
        "decision": _decision(quality),
        "residuals": _residuals(quality),
        "learning": learning_curves(model.history, model.best_round),
        "contributions": contribution_figures(model.contributions),
        "dependence": dependence_figures(model.dependence, model.classes),
        "tuning": trial_figures(model.tuning) if model.tuning else [],
    }
    drawn = {section: figures for section, figures in groups.items() if figures}
    return Charts(library(), drawn) if drawn else Charts()


def _decision(quality: Quality) -> list[Drawn]:
    """Draw what becomes of scores that are cut into decisions."""
    drawn = []
    part = next((name for name in ("valid", "test") if name in quality.thresholds), None)
    if part:
        drawn.append(thresholds(part, quality.thresholds[part], quality.threshold))
    if len(quality.confusion) > CELLS:
        drawn.append(confusion_figure(quality.labels, quality.confusion, quality.judged or ""))
    return drawn


def _residuals(quality: Quality) -> list[Drawn]:
    part = next((name for name in ("test", "valid", "train") if name in quality.residuals), None)
    return residual_figures(part, quality.residuals[part]) if part else []
