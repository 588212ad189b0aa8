"""Exit statuses of the commands."""

EXIT_FAILED = 1
EXIT_CONFIGURATION = 2
EXIT_STOPPED = 130  # as a shell reports an interrupt
