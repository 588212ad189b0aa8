"""The simulated table: one wire-level instrument per driver over one shared plant.

`truth` draws what is true; `table` moves the plant on: `source_plant`, `crystal`, `sensor_plant`, `sensor_cavity`,
`oven_plant`, with `analog_servo` and `loop_shape`, `piezo`, `acoustics`, `slow_noise`, and `room`, which
`disturbances` disturb.
From its slow state follow spectra (`detectors`, `detector_state`, `detector_spectra`, `analyzer_noise`,
`analyzer_lines`) and samples (`records`, `baseband`, `squeezed_noise`, `membranes`, `envelopes`). `instruments` speak
their wire protocols through `ports`; `wiring` connects them as a station file says; `visa_library` serves them in
this process, `server` to others; `faults` and `device_faults` break them. `reveal` and `portrait` tell the truth to
people afterwards.
"""
