"""One module per row or group of rows of the table. Each declares MEASUREMENTS; `catalogue.py` finds them."""
