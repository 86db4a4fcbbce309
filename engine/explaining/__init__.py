"""What a model looks at: permutation importance, contributions, partial dependence.

>>> from engine.explaining import Wanted, explain  # doctest: +SKIP
>>> explain(client, work, partitions, threads=4, progress=print).told()  # doctest: +SKIP
{'importance': {'permutation': ...}, 'shap': ..., 'dependence': ...}
"""

from engine.explaining.asked import ExplainWork, Wanted
from engine.explaining.explanation import Explanation
from engine.explaining.passes import explain

__all__ = ["ExplainWork", "Explanation", "Wanted", "explain"]
