"""Experiments: one module a study, the only place where data, a method and a configuration meet."""
