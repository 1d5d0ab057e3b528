"""All data of one Redis as commands that write it, and a copy of a Redis at one moment."""
