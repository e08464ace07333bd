"""Speeds of the book, measured side by side: each module has a function ``measure() -> DataFrame``, a row a figure."""
