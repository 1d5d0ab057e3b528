"""HTTP: one blueprint per noun. A view parses, calls a service, shapes the answer. No service knows Flask."""
