"""What the tests of the report share."""

from __future__ import annotations

import pytest

EMPTY_PICTURE = "data:image/svg+xml;base64,PHN2Zy8+"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are made but not rendered, which takes seconds: for tests of words alone."""
    monkeypatch.setattr("labctl.report.figures.as_data_uri", lambda figure: EMPTY_PICTURE)
