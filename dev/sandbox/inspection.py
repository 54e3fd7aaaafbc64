"""The interface for tests: GET and DELETE /state, and faults switched on and off at /faults."""

from aiohttp import web

from dev.sandbox.faults import TARGETS, FaultRequestError
from dev.sandbox.pagerduty import WINDOW
from dev.sandbox.slack import POSTING, UPDATING
from dev.sandbox.state import STATE
from dev.sandbox.wire import answer, parse


def add_inspection(app: web.Application) -> None:
    app.router.add_get("/state", show_state)
    app.router.add_delete("/state", reset_state)
    app.router.add_get("/faults", list_faults)
    app.router.add_post("/faults", add_fault)
    app.router.add_delete("/faults", clear_faults)


async def show_state(request: web.Request) -> web.Response:
    state = request.app[STATE]
    return answer(state.summary() if "summary" in request.query else state.snapshot())


async def reset_state(request: web.Request) -> web.Response:
    request.app[STATE].reset()
    for window in (WINDOW, POSTING, UPDATING):
        request.app[window].reset()
    return answer({"reset": True})


async def list_faults(request: web.Request) -> web.Response:
    return answer(request.app[STATE].faults.snapshot())


async def add_fault(request: web.Request) -> web.Response:
    """JSON only: a page of another origin cannot send that without asking first."""
    if request.content_type != "application/json":
        return answer({"error": "send the fault as application/json"}, 415)
    state = request.app[STATE]
    try:
        state.faults.add(parse(await request.read()))
    except FaultRequestError as error:
        return answer({"error": str(error)}, 400)
    except ValueError as error:
        return answer({"error": f"the body is not JSON: {error}"}, 400)
    state.feed.touch("faults")
    return answer(state.faults.snapshot()[-1], 201)


async def clear_faults(request: web.Request) -> web.Response:
    """All of them, or those of ?target=slack, or ?number=3 alone."""
    state, target, number = (request.app[STATE], request.query.get("target"), request.query.get("number"))
    if target not in (None, *TARGETS):
        return answer({"error": f"target is {target!r}; it must be one of {', '.join(TARGETS)}"}, 400)
    if number is not None and not number.isdigit():
        return answer({"error": f"number is {number!r}; it must be a number from GET /faults"}, 400)
    state.faults.clear(target, int(number) if number else None)
    state.feed.touch("faults")
    return answer(state.faults.snapshot())
