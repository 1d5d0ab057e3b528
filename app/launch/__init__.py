"""How the processes start and stay up: the embedded Redis, supervision, the HTTP server, the banner."""
