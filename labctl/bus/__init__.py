"""The bus: EPICS PVAccess between the process that holds the table and everybody who looks at it.

`messages`, `spectra`, `curves` and `commands` say what is on it, in plain dataclasses; `names` how its channels are
called; `latest` keeps the last of each for a screen. Only `server`, `client`, `wire` and `normative_types` know p4p.
"""
