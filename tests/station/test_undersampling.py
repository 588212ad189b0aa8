"""Records slower than their signal: where the alias lies, and what the boards are told."""

from __future__ import annotations

from typing import Any

import pytest
from ideal_table import open_table, station_at
from many_sensors import content_for
from station_bench import open_bench

from labctl.configuration.station_file import StationFile
from labctl.errors import LimitError
from labctl.station.bindings.undersampling import undersampling


@pytest.mark.parametrize("frequency_hz", [4.276e6, 4.301e6, 4.338e6, 4.365e6, 12.3456e6])
@pytest.mark.parametrize("seconds", [3e-3, 0.06, 0.4])
def test_the_alias_is_near_a_quarter_of_the_rate_and_the_record_hardly_longer(
    frequency_hz: float, seconds: float
) -> None:
    decimation = undersampling(frequency_hz, seconds, 125e6, 16384)
    assert seconds <= 16384 * decimation / 125e6 <= 1.16 * seconds + 16384 / 125e6
    assert frequency_hz * decimation / 125e6 % 0.5 == pytest.approx(0.25, abs=0.1 if seconds < 0.01 else 0.02)


def test_a_record_that_no_board_takes_is_refused() -> None:
    with pytest.raises(LimitError, match=r"longer than the 8\.59 s"):
        undersampling(4.3e6, 9.0, 125e6, 16384)


def test_a_board_drops_samples_for_one_record_and_averages_them_again() -> None:
    opened = open_table(station_at(5), warmed=False)
    board: Any = opened.station.driver("digitizer")
    seen: list[tuple[bool, int]] = []
    digitizer = opened.station.digitizer
    slow = digitizer.undersample(4.3e6, 0.01, lambda: seen.append((board.averaging, board.decimation)))
    assert seen == [(False, round(125e6 / slow.sample_rate_hz))]
    assert slow.volts.shape == (4, 16384)
    assert 16384 / slow.sample_rate_hz >= 0.01
    assert board.averaging
    assert digitizer.record().shape == (4, 16384) and board.decimation == 8

    def fail() -> None:
        raise RuntimeError("nobody there")

    with pytest.raises(RuntimeError, match="nobody there"):
        digitizer.undersample(4.3e6, 0.01, fail)
    assert board.averaging
    opened.station.close()


def test_boards_in_a_chain_drop_samples_together() -> None:
    bench = open_bench(StationFile.model_validate(content_for(9)))
    seen: list[list[bool]] = []
    boards: list[Any] = [bench.station.driver(name) for name in ("digitizer_a", "digitizer_b", "digitizer_c")]
    slow = bench.station.digitizer.undersample(4.3e6, 0.01, lambda: seen.append([b.averaging for b in boards]))
    assert seen == [[False] * 3] and all(board.averaging for board in boards)
    assert slow.volts.shape == (9, 16384)
