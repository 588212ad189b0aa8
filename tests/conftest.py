"""For all tests: without a screen Qt draws into memory, where it would end the process otherwise; and fewer examples of
properties where the long checks are left out too; logs, crash reports and locks of tables in a folder that goes."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import sys
import tempfile

import pytest
from hypothesis import settings

SELDOM = (20_000, 20, 20)  # new objects, and collections of the younger generations, between searches for garbage
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
    gc.set_threshold(*SELDOM)
