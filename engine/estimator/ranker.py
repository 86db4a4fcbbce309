"""Ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from engine.boosting.learning import Task
from engine.estimator.collected import Collected
from engine.estimator.columns import Categorical
from engine.estimator.given import Given, held_out
from engine.estimator.model import Model
from engine.estimator.refusal import Unfit


class LGBMRanker(Model):
    """LightGBM for rows that are ranked within queries; labels are relevance, 0 to 30.

    Arguments: see `engine.estimator.arguments.Arguments`; after the fit, the attributes of
    `engine.estimator.model.Model`.
    """

    def _task(self, files: Collected) -> tuple[Task, int]:
        return "ranking", 0

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        init_score: Any = None,
        group: Any = None,
        eval_set: Any = None,
        eval_names: Sequence[str] | None = None,
        eval_init_score: Any = None,
        eval_group: Any = None,
        eval_metric: str | None = None,
        categorical_feature: Categorical = "auto",
        early_stopping_rounds: int | None = None,
        *,
        qid: Any = None,
        eval_qid: Any = None,
    ) -> Self:
        """Train; other arguments and errors as of `LGBMRegressor.fit`.

        Args:
            X: As there; rows of a query stand together.
            y: Relevance.
            sample_weight: As there.
            init_score: As there.
            group: Rows of each query, one query after the other; those of a Dask frame as a Dask
                array or series of the same partitions, which then hold whole queries.
            eval_set: As there.
            eval_names: As there.
            eval_init_score: As there.
            eval_group: ``group`` of ``eval_set``, in a list.
            eval_metric: As there.
            categorical_feature: As there.
            early_stopping_rounds: As there.
            qid: Query of each row instead of ``group``, or the name of its column; a query may go
                on in the next partition.
            eval_qid: ``qid`` of ``eval_set``; the same column when left out.
        """
        if (group is None) == (qid is None):
            raise Unfit("Should set group for ranking task", hint="give group or qid, one of them")
        if eval_qid is None and eval_group is None and isinstance(qid, str):
            eval_qid = qid
        given = Given(X, y, sample_weight, init_score, qid, group)
        valid = held_out(
            eval_set, eval_names, init=eval_init_score, query=eval_qid, group=eval_group
        )
        return self._fit(given, valid, eval_metric, categorical_feature, early_stopping_rounds)

    def predict(self, X: Any, raw_score: bool = False) -> Any:
        """Return scores that rank the rows of a query: the higher, the better.

        Args:
            X: A table of any kind that `fit` takes; of a frame the columns are found by name.
            raw_score: Makes no difference here.

        Returns:
            float64, shape (rows,); for a Dask frame or a data set a lazy Dask series.
        """
        return self._predicted(X, "raw" if raw_score else "value")
