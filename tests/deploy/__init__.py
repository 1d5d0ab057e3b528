"""The files that deploy the service, each tried with the real tools: the image, compose, proxies, units, the chart."""
