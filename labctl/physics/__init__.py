"""Closed-form model of the experiment: pure functions, array in, array out, no input or output."""
