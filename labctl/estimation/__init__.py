"""Calibrated estimators with uncertainties: pure functions."""
