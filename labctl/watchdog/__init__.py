"""A process beside the core that outlives it and knows only the safe writes.

The core starts it detached and tells it over a pipe which table it has and that it lives. A pipe that ends without a
farewell is a core that died, however it died. The watchdog then gives a successor some time, parks the table where none
comes (`labctl.station.parking`), and watches its interlocks for as long as nobody moves it. What it does is in
`watchdog.log` beside the runs. While its core lives it heeds no signal; a core whose watchdog is gone starts another.

What is left on every way out, in the order in which it is done:

| device | STOP; INT or TERM in a run; interlock `safe` | INT or TERM without a run | core killed, nobody comes |
|---|---|---|---|
| shutters | 1. closed | as they are | as they are |
| tunable laser | 1. off | as it is | off |
| tones | 1. off | as they are | off |
| length scan | ended by its own step | off | off |
| analyzer | 1. sweep aborted | as it is | sweep aborted |
| picomotors | 1. stopped | at rest | stopped |
| hardware servos | 2. opened once it is dark, ramped to 0 V | closed, holding | closed, holding |
| servos of this program | 2. opened, ramped to 0 V | opened where they are | DACs ramped to 0 V, piezos as they are |
| high voltage | 3. ramped to 0 V as its servo lets go | as it is | as it is |
| oven | 4. as `at_shutdown` says | regulates | regulates |
| wave plates | as they are | as they are | at the end of their move |

- Light goes first, because it is what destroys. Servos are let go of before the voltage behind them moves, or they
  would follow it to their rails. Heat is last: the crystal is the slowest to come back.
- A dead program is no danger to what holds by itself. A parked table is taken over in seconds, one that is safe in
  hours. So nothing is let go of until an interlock trips; then light, servos, high voltage and heat go as in STOP.
- `lock` that is asked to end opens the loops that are on their way, and leaves the locked ones.
- An instrument that is lost keeps nobody waiting: the step waits and the night climbs its ladder of ways out, with all
  else as it was. What is silent while the table is made safe or parked is named, and the others are done in time.
- A full disk: nothing is measured until there is room, with the locks holding; the night that gives up is made safe.
- A second INT or TERM aborts, and so does a defect that nothing catches: no farewell is said, and the table is parked.

A service manager that ends whole groups of processes ends the watchdog too: have it end the core alone (systemd:
`KillMode=process`). A machine without power parks nothing; its hardware servos hold, or lose their own power as well.
"""
