"""Facts about an incident: what is asked, what is measured, and what it may mean. Pure."""
