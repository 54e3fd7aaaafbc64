"""What the shape alone cannot show: names that must exist, unreachable routes, settings that do not fit.

Invariant: every check accepts data of any shape (the schema reports a wrong one), so one run finds all faults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bridge.config.access import check_access
from bridge.config.channel import ChannelTypes
from bridge.config.document import Document
from bridge.config.exposure import check_limits, exposed
from bridge.config.faults import Fault, Path, did_you_mean, format_path
from bridge.config.routes import RouteNode
from bridge.core.model import SOURCE
from bridge.core.routing.matchers import Matcher, MatcherError, format_matchers, parse_matchers
from bridge.core.routing.reachability import unreachable_routes
from bridge.core.routing.tree import Route

_ROUTE_KEYS = {field.alias or name for name, field in RouteNode.model_fields.items()}
_CHANNEL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def check_document(document: Document, types: ChannelTypes) -> None:
    """Add every fault of meaning to the document."""
    data = mapping(document.data)
    _check_channels(document, mapping(data.get("channels")))
    for kind in types:
        kind.checks.faults(document)
    _check_names_once(document, ("sources",), sequence(data.get("sources")))
    _check_own_name(document, sequence(data.get("sources")))
    _check_reconciling(document, sequence(data.get("sources")))
    _check_signatures(document, sequence(data.get("sources")))
    _check_names_once(document, ("time_intervals",), sequence(data.get("time_intervals")))
    _check_names_once(document, ("heartbeats",), sequence(data.get("heartbeats")))
    _check_names_once(document, ("people",), sequence(data.get("people")))
    tokens = sequence(mapping(data.get("web")).get("tokens"))
    _check_names_once(document, ("web", "tokens"), tokens)
    check_access(document, sequence(data.get("people")), tokens)
    check_limits(document, mapping(data.get("limits")))
    context = mapping(data.get("context"))
    _check_names_once(document, ("context", "questions"), sequence(context.get("questions")))
    server = mapping(context.get("prometheus"))
    if "token_file" in server and "token" in server:
        document.fault(("context", "prometheus", "token_file"), "there is a token too", "keep one of the two")
    if isinstance(data.get("route"), dict):
        _check_root(document, data["route"])
        _check_references(document, data)
        _check_reachable(document, data["route"])


def find_warnings(document: Document, types: ChannelTypes) -> Iterator[Fault]:
    """What is no fault, but would surprise."""
    data = mapping(document.data)
    yield from _unused_channels(document, data)
    yield from _sources_that_cannot_send(document, data)
    for kind in types:
        yield from kind.checks.warnings(document)
    yield from exposed(document, data)


def routes(route: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every route in the data, parents first."""
    if isinstance(route, dict):
        yield path, route
        for index, child in enumerate(sequence(route.get("routes"))):
            yield from routes(child, (*path, "routes", index))


def channels_of(document: Document, type_: str) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Path, name and keys of each channel of this type."""
    for name, channel in mapping(mapping(document.data).get("channels")).items():
        if mapping(channel).get("type") == type_:
            yield ("channels", name), name, channel


def mapping(thing: Any) -> dict[str, Any]:
    return thing if isinstance(thing, dict) else {}


def sequence(thing: Any) -> list[Any]:
    return thing if isinstance(thing, list) else []


def _check_channels(document: Document, channels: dict[str, Any]) -> None:
    if not channels and ("channels",) in document.lines:
        document.fault(("channels",), "there is no channel in it", "an alert needs somewhere to go")
    for name in channels:
        if not _CHANNEL_NAME.fullmatch(name):
            hint = "use small letters, digits, - and _, a letter or digit first"
            document.note(("channels", name), f"{name!r} is no name for a channel", hint)


def _check_own_name(document: Document, sources: list[Any]) -> None:
    for index, source in enumerate(map(mapping, sources)):
        if source.get("name") == SOURCE:
            message = f"{SOURCE!r} is what the bridge calls itself in incidents of its own"
            document.fault(("sources", index, "name"), message, "choose another name, such as prod")


def _check_signatures(document: Document, sources: list[Any]) -> None:
    for index, source in enumerate(map(mapping, sources)):
        path: Path = ("sources", index)
        given = [key for key in source if str(key).startswith("hmac_")]
        if given and source.get("type", "alertmanager") != "grafana":
            hint = "only Grafana signs what it sends: use tokens or basic_auth, or correct the type"
            document.fault((*path, given[0]), "a signature needs type: grafana", hint)
        elif given and "hmac_secret" not in source and not faulty_below(document, path, "hmac_secret"):
            hint = "write hmac_secret: ${NAME_OF_A_VARIABLE} or hmac_secret_file: a/path, as in Grafana's contact point"
            document.fault((*path, given[0]), "a signature needs hmac_secret", hint)


def faulty_below(document: Document, path: Path, key: str) -> bool:
    return bool(document.faulty & {(*path, key), (*path, f"{key}_file")})


def _check_names_once(document: Document, section: Path, entries: list[Any]) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(mapping(entry).get("name") for entry in entries):
        if isinstance(name, str) and first.setdefault(name, index) != index:
            hint = f"{format_path((*section, first[name]))} has it too; names must differ"
            document.fault((*section, index, "name"), f"the name {name!r} is taken", hint)


def _check_reconciling(document: Document, sources: list[Any]) -> None:
    for index, source in enumerate(map(mapping, sources)):
        if source.get("url") and source.get("urls"):
            hint = "keep urls, with all Alertmanagers of this source in it"
            document.fault(("sources", index, "urls"), "there is a url too", hint)
        reconcile, where = mapping(source.get("reconcile")), ("sources", index, "reconcile")
        ways = [way for way in ("token", "token_file", "basic_auth") if reconcile.get(way)]
        if len(ways) > 1:
            document.fault((*where, ways[1]), f"there is a {ways[0]} too", "keep one of the two")


def _check_root(document: Document, root: dict[str, Any]) -> None:
    for key in ("matchers", "continue", "mute_time_intervals", "active_time_intervals"):
        if root.get(key):
            hint = "the root takes every alert that no other route takes; put this on a route below it"
            document.fault(("route", key), f"the root route cannot have {key}", hint)
    if not root.get("notify"):
        hint = "write notify: [a-channel]; alerts that no other route takes go there"
        document.fault(("route", "notify"), "the root route must notify a channel", hint)


def _check_references(document: Document, data: dict[str, Any]) -> None:
    channels = set(mapping(data.get("channels")))
    intervals = {str(mapping(entry).get("name")) for entry in sequence(data.get("time_intervals"))}
    for path, route in routes(data["route"], ("route",)):
        for where, name in _named_channels(path, route):
            if channels and name not in channels:
                document.fault(where, f"no channel named {name!r}", did_you_mean(name, channels))
        for key in ("mute_time_intervals", "active_time_intervals"):
            for where, name in _texts((*path, key), route.get(key)):
                if name not in intervals:
                    document.fault(where, f"no time interval named {name!r}", did_you_mean(name, intervals))


def _named_channels(path: Path, route: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    yield from _texts((*path, "notify"), route.get("notify"))
    yield from _texts((*path, "fallback"), route.get("fallback"))
    for index, step in enumerate(sequence(route.get("escalate"))):
        yield from _texts((*path, "escalate", index, "notify"), mapping(step).get("notify"))


def _texts(path: Path, names: Any) -> Iterator[tuple[Path, str]]:
    for index, name in enumerate(sequence(names)):
        if isinstance(name, str):
            yield (*path, index), name


def _check_reachable(document: Document, root: dict[str, Any]) -> None:
    paths: dict[int, Path] = {}
    for found in unreachable_routes(_skeleton(document, root, ("route",), paths)):
        before = found.because_of
        takes = f"every alert like {format_matchers(before.matchers)}" if before.matchers else "every alert"
        hint = f"move this route before it, or give that one continue: true (line {before.line})"
        document.note(paths[id(found.route)], f"can never be reached: {before.path} takes {takes}", hint)


def _skeleton(document: Document, data: dict[str, Any], path: Path, paths: dict[int, Path]) -> Route:
    """Only what matters for reaching; one whose matchers are in doubt is seen as one that lets alerts pass on."""
    children = tuple(
        _skeleton(document, child, (*path, "routes", index), paths)
        for index, child in enumerate(sequence(data.get("routes")))
        if isinstance(child, dict)
    )
    matchers = _matchers_for_sure(document, data, path)
    passes_on = matchers is None or str(data.get("continue", False)).lower() not in ("false", "no", "off")
    place = document.place(path, "")
    route = Route(matchers=matchers or (), routes=children, continue_=passes_on, path=place.path, line=place.line)
    paths[id(route)] = path
    return route


def _matchers_for_sure(document: Document, data: dict[str, Any], path: Path) -> tuple[Matcher, ...] | None:
    """None where a fault leaves open what is meant: a key or a list that is misspelt may be about the matchers."""
    here: Path = (*path, "matchers")
    texts, doubtful = data.get("matchers", []), any(bad[: len(here)] in (path, here) for bad in document.faulty)
    unknown = set(data) - _ROUTE_KEYS
    if doubtful or unknown or not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return None
    try:
        return tuple(matcher for text in texts for matcher in parse_matchers(text))
    except MatcherError:
        return None


def _unused_channels(document: Document, data: dict[str, Any]) -> Iterator[Fault]:
    used = {name for path, route in routes(data.get("route"), ("route",)) for _, name in _named_channels(path, route)}
    for name in mapping(data.get("channels")):
        if name not in used:
            yield document.place(("channels", name), "no route sends anything to this channel")


def _sources_that_cannot_send(document: Document, data: dict[str, Any]) -> Iterator[Fault]:
    for index, source in enumerate(map(mapping, sequence(data.get("sources")))):
        if source.get("type") == "cloud_monitoring" and not source.get("tokens") and not source.get("basic_auth"):
            message = "without a credential only this machine may send, and Google sends from its own"
            hint = 'add tokens: ["${NAME}"], and ?auth_token=... to the URL in the notification channel; or basic_auth'
            yield document.place(("sources", index), message, hint)
