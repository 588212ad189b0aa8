"""For all tests: without a screen Qt draws into memory, where it would end the process otherwise; and fewer examples of
properties where the long checks are left out too; logs, crash reports and locks of tables in a folder that goes."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

COLLECT_EVERY = 25  # tests: a whole collection takes some ten milliseconds
_tests_since = 0
REDUCED_EXAMPLES = 40  # of a property that does not say how many; `make test-all` draws 100

if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

if "LABCTL_LOG_FOLDER" not in os.environ:  # processes that tests start inherit it
    folder = tempfile.mkdtemp(prefix="labctl-tests-")
    os.environ["LABCTL_LOG_FOLDER"] = os.environ["LABCTL_CRASH_FOLDER"] = folder
    os.environ["LABCTL_TABLE_HOLDS"] = f"{folder}/tables"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

settings.register_profile("reduced", max_examples=REDUCED_EXAMPLES)


def pytest_configure(config: pytest.Config) -> None:
    """Draw fewer examples where only the quick tests run, and nobody named a profile."""
    if config.getoption("markexpr") == "not slow" and not config.getoption("--hypothesis-profile"):
        settings.load_profile("reduced")


def pytest_collection_finish() -> None:
    """Leave ten thousand collected tests out of every later search for garbage: they stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Collect garbage between tests alone: widgets in a cycle that go in the middle of a painting end the process, and
    what complains while it goes is heard in the middle of whatever a test does."""
    global _tests_since  # noqa: PLW0603 - a hook keeps nothing else
    gc.disable()
    yield
    _tests_since += 1
    if _tests_since >= COLLECT_EVERY or nextitem is None or nextitem.path != item.path:
        _tests_since = 0
        qt = sys.modules.get("PyQt5.QtWidgets")
        if qt is not None and qt.QApplication.instance() is not None:
            core = sys.modules["PyQt5.QtCore"]
            core.QCoreApplication.sendPostedEvents(None, core.QEvent.DeferredDelete)
        gc.collect()
    gc.enable()
