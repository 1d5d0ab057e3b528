"""`celeriac export`, `import` and `apply`: scheduled tasks as files, over the HTTP API (docs/schedules-as-files.md)."""
