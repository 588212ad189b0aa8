"""The simulated table: one wire-level instrument per driver over one shared plant."""
