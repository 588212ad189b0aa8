"""Measurements and calibrations, one pymeasure Procedure each, and the overnight run that strings them."""
