"""Whoever answers prompts: an endpoint, a script, a recording."""
