"""Python's garbage collector, set when this module is imported: by commands and their workers.

Libraries make a million objects while they are imported, and none of them is garbage. Python looks
through all of them several times meanwhile, and once more when a process ends: a third of what
``import transformers`` and ``import mlflow`` cost. Young objects are looked through as ever, so
that cycles of a training step do not wait.
"""

import atexit
import gc

YOUNG, MIDDLE, _ = gc.get_threshold()
OLD = 1000
"""Collections of the middle generation before all objects are looked through; Python has 10."""

gc.set_threshold(YOUNG, MIDDLE, OLD)
# At the end the system takes the memory back, whatever refers to it.
atexit.register(gc.freeze)
