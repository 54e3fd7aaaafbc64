"""How each version answers its golden texts when it begins to serve: what a probe in an incident is compared with.

The first answer of a version while no incident about the model's answers is open. Whether there is a new version is
looked at every minute for ten minutes after a change event of the service, and while no address answers, otherwise
every ten minutes, with one text for each address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from bridge.core.context.golden_set import GoldenSet
from bridge.core.context.probe import Answered, Baseline, Target
from bridge.observability import logs
from bridge.worker.periodic import PeriodicTask
from bridge.worker.probing import MINUTE, AddressLeases, ProbeStore, golden_of
from bridge.worker.setup import CurrentSetup, ModelProbe
from bridge.worker.store_thread import StoreThread

log = logs.get("worker")
USUALLY_EVERY = timedelta(minutes=10)


class BaselineKeeper:
    """Runs until it is cancelled."""

    def __init__(
        self, thread: StoreThread, store: ProbeStore, setup: CurrentSetup, clock: Callable[[], datetime]
    ) -> None:
        self._thread, self._store, self._setup, self._clock = thread, store, setup, clock
        self._leases = AddressLeases(thread, store, clock)
        self._looked: dict[str, datetime] = {}
        self._task = PeriodicTask("probe_baselines", self.look, MINUTE.total_seconds())

    async def run(self) -> None:
        await self._task.run()

    async def look(self) -> None:
        for model in self._setup.value.probes:
            if await self._is_due(model):
                at = self._clock()
                if await self._keep_new(model):
                    self._looked[model.probe.service] = at

    async def _is_due(self, model: ModelProbe) -> bool:
        service, now = model.probe.service, self._clock()
        looked = self._looked.get(service)
        if looked is not None and looked <= now < looked + USUALLY_EVERY:
            changed = await self._thread.call(self._store.changed_at, service)
            if changed is None or not now - USUALLY_EVERY <= changed:
                return False
        labels = await self._thread.call(self._store.open_labels)
        return labels is not None and not model.probe.concerns(labels)

    async def _keep_new(self, model: ModelProbe) -> bool:
        """Whether any address said its version; if none did, the next look is in a minute."""
        golden = await golden_of(model)
        if golden is None:
            return True
        ready = await self._leases.acquired(await model.targets({}), asyncio.sleep, tries=1)
        serving = dict(zip(ready, await model.versions(ready, golden), strict=True))
        known = await self._thread.call(self._store.baselines, model.probe.service, golden.digest)
        have = {each.version for each in known}
        new = {
            answer.version: target
            for target, answer in reversed(serving.items())
            if isinstance(answer, Answered) and answer.version and answer.version not in have
        }
        for target in new.values():
            await self._keep(model, target, golden)
        return any(isinstance(answer, Answered) for answer in serving.values())

    async def _keep(self, model: ModelProbe, target: Target, golden: GoldenSet) -> None:
        """Of the version that answers by then."""
        (answer,) = await model.ask([target], golden)
        if not isinstance(answer, Answered) or not answer.version:
            return
        found = Baseline(answer.version, answer.wrong, answer.asked, self._clock(), answer.confidence)
        await self._thread.call(self._store.keep_baseline, model.probe.service, golden.digest, found)
        log.info("probe_baseline", service=model.probe.service, version=found.version, wrong=found.wrong)
