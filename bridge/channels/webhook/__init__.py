"""A webhook of anybody: Alertmanager's JSON, what the bridge knows besides, and a signature."""
