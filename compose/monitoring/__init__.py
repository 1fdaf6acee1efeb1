"""Prometheus and Grafana for driftdesk: what is scraped, what is told of, and what is shown."""
