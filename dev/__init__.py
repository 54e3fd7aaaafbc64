"""What only developers run: stand-ins, the local stack, benchmarks, fault injection. No part of the wheel."""
