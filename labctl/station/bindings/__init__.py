"""Roles bound to drivers: each class here gives one role, in physical units, within the limits of the station file."""
