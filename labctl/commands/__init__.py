"""What the commands of the command line do; `labctl.cli` only reads their arguments."""
