"""`celeriac backup` and `celeriac restore`: all data of a service in one file, and back (docs/backup.md)."""
