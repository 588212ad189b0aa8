"""Figures and the HTML report of a run. Importing this room loads no plotting library."""
