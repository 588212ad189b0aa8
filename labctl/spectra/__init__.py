"""Traces and what they mean: axes, bandwidths, averaging, and the ratio of two of them."""
