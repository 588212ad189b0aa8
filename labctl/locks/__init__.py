"""Acquire a lock, prove it, hold it, lose it gracefully and say why.

What every loop is: `loop` (what it offers), `states` (and which may follow which), `quality` (the verdict on a
window).

Kinds of loop: `servo_loop`, on which stand `opa_length` and, by `turning_loop`, `homodyne` and `pump_phase`;
`sensor_cavity`, on `cavity_scan`, `dither` and `dithering`; `unwinding` (fringes that are as good). `loops` and
`cavity_loops` build them from a station.

Supervision: `supervisor` (all loops, ten times a second), `machine` (one of them), `ladder` (what a lost one tries,
and its budget), `drift`, `watch` (which samples may be believed), `locked_time`, `onlooker` (looks and touches
nothing).

Losses: `history` and `losses` (the seconds around one), `loss_scene`, `first_movers`, `causes` (one sentence),
`replay` (the rule of loss against recordings).

Beside the loops: `double_resonance`, `length_walk`, `fringe_looks` and `oven_approach` tune the crystal;
`diagnostics` and `error_records` measure what a loop leaves and how much gain it has.
"""
