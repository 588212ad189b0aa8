"""MKS Instruments."""
