"""SPARK: turn what agents learn by doing into skills, and prove that they help."""

__version__ = "0.1.0"
