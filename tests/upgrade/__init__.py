"""Dumps of each form of the data with work under way, and what becomes of it under the present code."""
