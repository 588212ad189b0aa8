"""labctl runs an optical table."""

import os

# The matrices of a table are small: several threads on one of them cost five times what they save, and numpy reads this
# once, when it is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
