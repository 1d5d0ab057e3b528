"""Leases of running attempts: the attempts in flight, the renewal of leases, and the guard that ends late attempts."""
