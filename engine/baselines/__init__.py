"""What any model has to beat: a constant, the best single feature, a linear model.

>>> from engine.baselines import Known, contestants  # doctest: +SKIP
>>> contestants(Known("binary"), x, y, draws, categorical=())  # doctest: +SKIP
{'constant': Additive(...), 'one_feature': Additive(...), 'linear': Additive(...)}
"""

from engine.baselines.fitted import ABOUT, CONSTANT, constant, contestants
from engine.baselines.known import Known

__all__ = ["ABOUT", "CONSTANT", "Known", "constant", "contestants"]
