"""When a channel storms, and the digest that stands for what it suppresses. Pure."""
