"""What training leaves behind: numbers and text that predict a matrix, kept without pickle.

>>> from engine.models import Trees  # doctest: +SKIP
>>> Trees(model_text).predict(x)  # doctest: +SKIP
array([0.93, 0.08])
"""

from engine.models.learned import Learned, Scores, X
from engine.models.stored import kept, restored
from engine.models.trees import Trees

__all__ = ["Learned", "Scores", "Trees", "X", "kept", "restored"]
