"""Starting the processes and keeping them up: the embedded Redis, supervision, the HTTP server, the banner."""
