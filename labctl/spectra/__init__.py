"""Traces and what they mean: axes, bandwidths, averaging, and the ratio of two of them.

`trace` and `acquisition` hold a spectrum and its conventions, `noise_reduction` and `shot_units` relate it to shot
noise, `estimate` is a value with its uncertainty. `streaming` turns a digitizer's stream into
`cross_spectral_matrix`, through `down_conversion`, `decimator` and `anti_alias`, with `validity`. `recording` reads
files from elsewhere, on `text_table`, `column_labels`, `column_units` and `axis_order`; `text_file` is the strict
two-column form.
"""
