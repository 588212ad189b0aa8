"""Closed-form model of the experiment: pure functions, array in, array out, no input or output.

Source, light to force: `double_resonance`, `opa`, `squeezing`; `network`, `shared_state`; `membrane`, `cavity`,
`membrane_cavity`, `alignment`; `homodyne`, `line_shape`; `force_noise`, `back_action`, `noise_budget`; `sensing`.

Arguments broadcast as in numpy. SI units; frequencies and linewidths (FWHM) in Hz, PSDs one-sided, quadrature variances
relative to vacuum (1 = shot noise) unless the name says otherwise. Fields go as e^{i(kz - omega t)}. Equations and
section names without an author are those of the publication on four membrane sensors that share one squeezed beam.
"""
