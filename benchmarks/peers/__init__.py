"""What others do: the applications and workers that our rows run beside, as their own documentation starts them."""

#: The variable in which a peer's processes find the URL of their server.
REDIS_URL = "BENCHMARK_REDIS_URL"
