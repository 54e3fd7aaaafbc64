"""Others that take Alertmanager's webhooks: `python -m dev.bench peers`."""
