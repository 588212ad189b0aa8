"""Exit statuses of the commands."""

EXIT_FAILED = 1
EXIT_CONFIGURATION = 2
EXIT_DEFECT = 70  # labctl itself is at fault; a crash report was written
EXIT_STOPPED = 130  # as a shell reports an interrupt
