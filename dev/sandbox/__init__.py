"""Local stand-ins for PagerDuty, Slack and a mail server, with one page that shows what responders would see.

The service in `bridge` never imports this package, and this package never imports the service.
"""
