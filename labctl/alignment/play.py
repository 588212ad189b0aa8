"""Ratio of the steps backward and forward, and play at a reversal, from a path there and back over the top of the
light."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from labctl.alignment.axes import StepHint
from labctl.alignment.knob import Path
from labctl.alignment.vertex import NEAR_TOP, Vertex
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.estimate import Estimate

RATIO_BOUNDS = (0.1, 5.0)
RATIOS_TRIED = np.geomspace(0.2, 3.0, 40)
UNKNOWN = 0.1  # relative sigma of a ratio that has to be looked for
LARGEST_BACKLASH = 500.0  # steps
LEAST_BACKLASH = 1e-3  # steps
STEP_SCATTER = 0.05  # of the size of one step, from step to step


def travel(moves: Sequence[int], ratio: float, backlash: float, before: int = 1) -> FloatArray:
    """Return where the mirror is before and after each move, shape (n + 1,), in steps forward.

    A step backward is `ratio` of one forward; after a reversal `backlash` steps of the motor move nothing. `before`
    is the direction of the move before the first.
    """
    position, ahead = [0.0], 0.0 if before > 0 else backlash
    for steps in moves:
        screw = ahead - steps
        ahead = min(max(screw, 0.0), backlash)
        followed = ahead - screw
        position.append(position[-1] + followed * (1.0 if followed > 0 else ratio))
    return np.array(position)


def learn_steps(path: Path, line_began: int, vertex: Vertex, hint: StepHint) -> StepHint:
    """Return what a path over the top tells of ratio and backlash, on top of what `hint` says with its uncertainties.

    The looks near the top, forwards and backwards, are fitted by the one parabola of ln P that a line showed, with its
    uncertainties; that line began after `line_began` moves.
    A path in one direction gives the hint with the new width.
    """
    near = [(at, p) for at, p in path.looks if p.value > NEAR_TOP * vertex.top.value]
    index = np.array([at for at, _ in near])
    log_power = np.log([p.value for _, p in near])
    driven = np.concatenate([[0.0], np.cumsum(np.abs(path.moves))])
    apart = STEP_SCATTER * np.sqrt(np.abs(driven[index] - driven[line_began]))
    slope = 2.0 * np.sqrt(np.maximum(math.log(vertex.top.value) - log_power, 0.0)) / vertex.width.value
    error = np.hypot([p.relative_sigma for _, p in near], slope * apart)
    expected = np.array([0.0, 0.0, 0.0, hint.ratio.value, hint.backlash.value])
    sigma = np.array(
        [
            vertex.top.relative_sigma,
            vertex.width.relative_sigma,
            vertex.position.sigma,
            hint.ratio.sigma,
            hint.backlash.sigma,
        ]
    )

    def residual(theta: FloatArray) -> FloatArray:
        log_top, log_width, shift, ratio, backlash = theta
        x = travel(path.moves, ratio, backlash, path.before)
        off = x[index] - x[line_began] - vertex.position.value - shift
        model = math.log(vertex.top.value) + log_top - (off / (vertex.width.value * math.exp(log_width))) ** 2
        return np.concatenate([(log_power - model) / error, (theta - expected) / sigma])

    def cost(ratio: float) -> float:
        return float((residual(np.array([0.0, 0.0, 0.0, ratio, hint.backlash.value])) ** 2).sum())

    start = expected.copy()
    if hint.ratio.relative_sigma > UNKNOWN:  # a path of several legs has several ratios that nearly close it
        start[3] = min(RATIOS_TRIED, key=cost)
    low = [-np.inf, -1.0, -np.inf, RATIO_BOUNDS[0], 0.0]
    high = [np.inf, 1.0, np.inf, RATIO_BOUNDS[1], LARGEST_BACKLASH]
    start[4] = max(start[4], LEAST_BACKLASH)
    fit = least_squares(residual, start, bounds=(low, high), x_scale=sigma)
    covariance = np.linalg.pinv(fit.jac.T @ fit.jac) * max(1.0, 2.0 * fit.cost / max(1, len(near)))
    ratio_sigma, backlash_sigma = np.sqrt(np.diag(covariance)[3:])
    return StepHint(
        Estimate(float(fit.x[3]), float(ratio_sigma), "", "a step backward over one forward"),
        Estimate(float(fit.x[4]), float(backlash_sigma), "steps", "of the motor that move nothing after a reversal"),
        vertex.width.value,
    )
