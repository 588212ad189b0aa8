"""Alignment of motorized mirrors by signal: what is read from the light decides every move, and no count of steps is
trusted."""
