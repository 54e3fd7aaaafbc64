"""Which channels an alert reaches: the route tree, matchers and time intervals, as in Alertmanager. Pure."""
