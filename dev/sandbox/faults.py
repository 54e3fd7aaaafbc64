"""Faults that can be switched on for a vendor: kinds, requests, and the choice of the next one."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from dev.sandbox.wire import Json

TARGETS = ("slack", "pagerduty", "webhook", "smtp")
HTTP_KINDS = (
    "status", "latency", "reset", "hang", "drip", "continue", "endless", "ok_false", "accept_then_reset", "malformed",
    "outage",
)  # fmt: skip
SMTP_KINDS = ("smtp_reply", "latency", "reset", "hang", "endless", "accept_then_reset", "malformed", "outage")
STAGES = ("connect", "ehlo", "mail", "rcpt", "data")
DEFAULT_SECONDS = {"latency": 1.0, "hang": 3600.0, "drip": 5.0, "continue": 3600.0, "endless": 3600.0}


class FaultRequestError(ValueError):
    """The request for a fault makes no sense; the text says what to write instead."""


@dataclass
class Fault:
    number: int
    target: str
    kind: str
    count: int | None = None  # None: until cleared
    status: int = 503
    error: str = "internal_error"
    retry_after: float | None = None
    seconds: float = 0.0
    code: int = 451
    text: str = "4.3.0 Try again later"
    at: str = "data"
    recipient: str | None = None
    path: str | None = None  # only requests whose path contains this
    about: str | None = None  # only requests and mails whose content contains this
    processed: bool = False  # the vendor does the work before it answers wrongly
    hits: int = 0
    cleared: bool = False

    def concerns(self, path: str, content: bytes) -> bool:
        return (self.path is None or self.path in path) and self._is_about(content)

    def _is_about(self, content: bytes) -> bool:
        return self.about is None or self.about.encode() in content

    def concerns_stage(self, at: str, recipient: str | None, content: bytes) -> bool:
        if self.about is not None and not (at == "data" and self._is_about(content)):
            return False
        if self.kind == "outage":
            return True
        return self.at == at and (self.recipient is None or self.recipient.lower() == (recipient or "").lower())


@dataclass
class FaultBoard:
    faults: list[Fault] = field(default_factory=list)
    _numbered: int = 0

    def add(self, body: Any) -> Fault:
        self._numbered += 1
        fault = read_fault(self._numbered, body)
        self.faults.append(fault)
        return fault

    def clear(self, target: str | None = None, number: int | None = None) -> None:
        going = [f for f in self.faults if target in (None, f.target) and number in (None, f.number)]
        for fault in going:
            fault.cleared = True
        self.faults = [fault for fault in self.faults if not fault.cleared]

    def due_for_request(self, target: str, path: str, content: bytes = b"") -> Fault | None:
        return self._take(target, lambda fault: fault.concerns(path, content))

    def due_for_mail(self, at: str, recipient: str | None = None, content: bytes = b"") -> Fault | None:
        """content: of the mail, which is known at the stage `data` alone."""
        return self._take("smtp", lambda fault: fault.concerns_stage(at, recipient, content))

    def _take(self, target: str, concerned: Callable[[Fault], bool]) -> Fault | None:
        """The oldest fault that fits; a counted one is used up by this, and may still hang then."""
        for fault in self.faults:
            if fault.target == target and concerned(fault):
                fault.hits += 1
                if fault.count is not None and fault.hits >= fault.count:
                    self.faults.remove(fault)
                return fault
        return None

    @property
    def want_content(self) -> bool:
        """Some fault is about certain requests only."""
        return any(fault.about for fault in self.faults)

    def snapshot(self) -> list[Json]:
        return [asdict(fault) for fault in self.faults]


def read_fault(number: int, body: Any) -> Fault:
    if not isinstance(body, dict):
        raise FaultRequestError('a fault is a JSON object such as {"target": "slack", "kind": "status", "status": 503}')
    unknown = sorted(set(body) - _FIELDS.keys())
    if unknown:
        raise FaultRequestError(f"unknown field {', '.join(unknown)}; known are {', '.join(sorted(_FIELDS))}")
    target = _one_of(body, "target", TARGETS)
    kind = _one_of(body, "kind", SMTP_KINDS if target == "smtp" else HTTP_KINDS, f" for {target}")
    if kind == "ok_false" and target != "slack":
        raise FaultRequestError("kind ok_false exists for slack only: others answer errors with a status")
    given = {name: _FIELDS[name](name, value) for name, value in body.items() if name not in ("target", "kind")}
    return _with_defaults(Fault(number, target, kind, **{k: v for k, v in given.items() if v is not None}), given)


def _with_defaults(fault: Fault, given: Json) -> Fault:
    if given.get("seconds") is None:
        fault.seconds = DEFAULT_SECONDS.get(fault.kind, 0.0)
    if given.get("recipient") and not given.get("at"):
        fault.at = "rcpt"
    if fault.recipient and fault.at != "rcpt":
        raise FaultRequestError("recipient only makes sense at rcpt")
    if fault.about and fault.target == "smtp" and fault.at != "data":
        raise FaultRequestError("about only makes sense at data: before it a mail's content is unknown")
    if not given.get("text") and fault.code >= 500:
        fault.text = "5.7.1 Refused by policy"
    return fault


def _one_of(body: Json, name: str, allowed: tuple[str, ...], where: str = "") -> str:
    value = body.get(name)
    if value not in allowed:
        raise FaultRequestError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}{where}")
    return str(value)


def _number(low: float, high: float, kind: type) -> Callable[[str, Any], Any]:
    def read(name: str, value: Any) -> Any:
        if value is None:
            return None
        right_kind = isinstance(value, int) if kind is int else isinstance(value, int | float)
        if isinstance(value, bool) or not right_kind or not low <= value <= high:
            called = "a whole number" if kind is int else "a number"
            raise FaultRequestError(f"{name} is {value!r}; it must be {called} from {low:g} to {high:g}")
        return kind(value)

    return read


def _text(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value and value.isprintable() and len(value) <= 200):
        return value
    raise FaultRequestError(f"{name} is {value!r}; it must be one line of at most 200 characters")


def _stage(name: str, value: Any) -> str | None:
    return value if value is None else _one_of({name: value}, name, STAGES)


def _truth(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise FaultRequestError(f"{name} is {value!r}; it must be true or false")


_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "target": _text, "kind": _text, "count": _number(1, 1_000_000, int), "status": _number(300, 599, int),
    "error": _text, "retry_after": _number(0, 86_400, float), "seconds": _number(0, 86_400, float),
    "code": _number(400, 599, int), "text": _text, "at": _stage, "recipient": _text, "path": _text, "about": _text,
    "processed": _truth,
}  # fmt: skip
