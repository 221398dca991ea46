"""A shared machine makes wall-clock deadlines of single examples meaningless; pytest's time-out remains."""

from hypothesis import settings

settings.register_profile("spark-eval", deadline=None)
settings.load_profile("spark-eval")
