"""labctl runs an optical table."""
