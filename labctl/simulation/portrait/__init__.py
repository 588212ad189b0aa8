"""A portrait of the simulated table: one page of figures for who wants to understand what it is doing.

Everything is closed form, from the truth that a seed draws, with every loop where it belongs. Only the picture leaves
this package.
"""
