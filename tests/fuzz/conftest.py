"""Makes the samples of the other tests importable here."""

from __future__ import annotations

import fuzz_corpus

assert fuzz_corpus.CONFIG.is_dir()
