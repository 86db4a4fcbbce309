"""What learns: one protocol for boosting's companions, and the list of all estimators.

>>> from engine.learners import CATALOGUE  # doctest: +SKIP
>>> CATALOGUE["sklearn.SGDClassifier"].way  # doctest: +SKIP
'streamed'
"""

from engine.learners.catalogue import CATALOGUE, LIGHTGBM, Estimator, Task
from engine.learners.lesson import Assignment, Learnt, Lesson, Progress
from engine.learners.ways import Learner, learner

__all__ = [
    "CATALOGUE",
    "LIGHTGBM",
    "Assignment",
    "Estimator",
    "Learner",
    "Learnt",
    "Lesson",
    "Progress",
    "Task",
    "learner",
]
