"""The code that runs in workers and in beat. Nothing in app/ imports this package."""
