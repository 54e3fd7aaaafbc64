"""Addresses, host names, proxies and mail addresses as text. Pure: no name is looked up."""
