"""Storm detection, and the digest that represents what a storm suppresses. Pure."""
