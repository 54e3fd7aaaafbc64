"""What the receiver of webhooks remembers: one record an Idempotency-Key, with how often it came."""

from collections import OrderedDict, deque
from dataclasses import asdict, dataclass

from dev.sandbox.wire import Json, now_text


@dataclass
class Delivery:
    """One revision of one incident, as it came first; copies are what was dropped, and it itself."""

    key: str
    path: str
    signed: bool
    body: Json
    received_at: str
    copies: int = 1


class Receiver:
    def __init__(self, history: int) -> None:
        self._history = history
        self.deliveries: OrderedDict[str, Delivery] = OrderedDict()
        self.refused: deque[Json] = deque(maxlen=100)

    def reset(self) -> None:
        self.deliveries.clear()
        self.refused.clear()

    def receive(self, key: str, path: str, body: Json, *, signed: bool) -> bool:
        """False for a duplicate."""
        if key in self.deliveries:
            self.deliveries[key].copies += 1
            return False
        self.deliveries[key] = Delivery(key, path, signed, body, now_text())
        while len(self.deliveries) > self._history:
            self.deliveries.popitem(last=False)
        return True

    def snapshot(self) -> Json:
        return {"deliveries": [asdict(each) for each in self.deliveries.values()], "refused": list(self.refused)}

    def counts(self) -> Json:
        every = self.deliveries.values()
        return {"deliveries": len(every), "copies": sum(each.copies for each in every), "refused": len(self.refused)}
