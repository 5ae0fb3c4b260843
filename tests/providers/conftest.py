from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.clocks import Clock
from helpers.scripted import ScriptedNovita
from pydantic import SecretStr

from kling_utils.providers.http import Transport
from kling_utils.providers.novita import NovitaAPI


@pytest.fixture
def server() -> Iterator[ScriptedNovita]:
    with ScriptedNovita() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transport(clock: Clock) -> Iterator[Transport]:
    made = Transport(
        wait=clock.wait,
        clock=clock,
        wall=clock.wall,
        read_timeout=0.3,
        submit_timeout=0.3,
        connect_timeout=2,
    )
    yield made
    made.close()


@pytest.fixture
def client(server: ScriptedNovita, transport: Transport) -> NovitaAPI:
    return NovitaAPI(server.base_url, SecretStr(server.key), transport=transport)
