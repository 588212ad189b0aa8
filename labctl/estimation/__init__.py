"""Calibrated estimators with uncertainties: pure functions that return a value, its covariance and how well it fits, or
refuse in words.

Common ground: `estimate`, `likelihood`.

Mechanics: `mechanical_mode` (one, from a trace of ours), `mechanical_modes` (several, doublets),
`cross_spectral_modes` (from a matrix), `mode_of_arrays` (from anybody's file), on `lines`, `power_scale`,
`line_shape` and `line_slopes`; `ringdown` and `ringdown_power`, on `decay_interval`, `decay_shape` and
`coloured_noise`; `optomechanical_coupling`.

Light: `fringe` (with `fringe_levels` and `fringe_phase`), `cavity_scan` (with `airy_model`, `airy_fit` and
`scan_axis`), `free_spectral_range`, `pdh_slope`, `parametric_gain`, `pump_threshold`, `half_wave_plate`,
`squeezing_model`, `source_light`, `squeezing_file`, `shot_noise_linearity`.

Loops: `loop_noise` and `loop_gain` (from noise), `swept_sine`; `tone_phasors` and `sign_audit`; `double_resonance`
with `fringe_crests`.

Network: `cross_spectrum`, then from one matrix `network` (a band), `reductions` (spectra) and `phase_slope` (delays);
`phase_jitter`, `summing_errors`, `network_advantage`, `network_weights`, `large_network`, `sensor_consistency`,
`force_resolution`, `force_attribution`, `fitted_budget`.
"""
