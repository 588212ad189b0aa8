"""Open instruments by role: clock, leases, limits, health and safe shutdown."""
