"""The card that says how the clip gets to the provider: what is offered to whom, what is chosen, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import s3fs
from helpers import zoo
from helpers.hub import TOKEN
from helpers.scripted import ScriptedNovita
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from kling_utils.jobs import publishing
from kling_utils.jobs.client import Client
from kling_utils.jobs.publishing import Publishing
from kling_utils.settings import clean_key, load
from kling_utils.studio.keeper import Keeper
from kling_utils.studio.publishing import HEAD, PublishingPanel
from kling_utils.studio.session import Form, Session
from kling_utils.studio.visitor import Visitor

Build = Callable[[Callable[[], Any]], Any]


class Desk:
    """The card of one session, on a home of its own."""

    def __init__(self, client: Client, built: Build, tmp_path: Path, key: str) -> None:
        self.client, self.session = client, Session()
        self.panel: PublishingPanel = built(lambda: PublishingPanel(client))
        files = str(zoo.image(tmp_path)), str(zoo.clip(tmp_path))
        self.form = Form(*files, "video", "kling-v3-0-std", "", "", True)
        self.key = clean_key(key)

    def drawn(self) -> dict[str, Any]:
        """What is shown of the card after a check: its head, and which parts are visible."""
        self.session.check(self.client, self.form, self.key)
        drawn, panel = self.panel.draw(self.session), self.panel
        if not drawn[panel.panel]["visible"]:
            return {}
        names = ("change", "ways", "link_row", "store_row")
        shown = {name: drawn[getattr(panel, name)]["visible"] for name in names}
        return {"head": drawn[panel.head], **shown}


@pytest.fixture
def desk(novita: ScriptedNovita, built: Build, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Client] = []

    def one(**settings: Any) -> Desk:
        known = {"home": tmp_path / "home", "novita_base_url": novita.base_url}
        made.append(Client(load(**known, **settings)))
        return Desk(made[-1], built, tmp_path, novita.key)

    yield one
    for client in made:
        client.close()


def test_the_owner_of_the_machine_chooses_once_for_the_home(desk: Callable[..., Desk]) -> None:
    first = desk()
    shown = first.drawn()
    assert HEAD in shown["head"]
    assert (shown["ways"], shown["link_row"], shown["store_row"]) == (True, True, True)
    assert first.session.unreachable
    answer = first.panel.on_link(first.session)
    assert answer[first.panel.chosen] == 1, "the form is checked again"
    shown = first.drawn()
    assert "Your clip goes by a temporary link" in shown["head"]
    assert (shown["ways"], shown["change"]) == (False, True)
    assert not first.session.unreachable
    again = desk()
    assert "temporary link" in again.drawn()["head"], "it is kept"
    again.panel.on_change(again.session)
    assert again.drawn()["ways"]


def test_nothing_has_to_be_chosen_without_a_key_for_an_address_or_where_the_page_is_the_way(
    desk: Callable[..., Desk],
) -> None:
    made = desk()
    made.session.check(made.client, made.form, None)
    assert made.panel.draw(made.session)[made.panel.panel]["visible"] is False

    class Page:
        def publish(self, path: Path) -> Any: ...
        def withdraw(self, path: Path) -> None: ...

    made.client.page = Page()
    assert made.drawn() == {}


def test_a_visitor_of_a_hosted_page_chooses_for_the_session_and_opens_nothing_on_the_machine(
    desk: Callable[..., Desk], tmp_path: Path
) -> None:
    made = desk(server_name="0.0.0.0")  # noqa: S104 - the case that is tested
    made.session.visitor = Visitor("v2_" + "a" * 32, hosted=True)
    shown = made.drawn()
    assert (shown["ways"], shown["link_row"], shown["store_row"]) == (True, False, False)
    made.panel.on_link(made.session)
    made.panel.on_store(made.session, "s3://bucket/prefix", True)
    assert made.panel.on_test(made.session, "s3://bucket/prefix", True)[made.panel.answer] == ""
    assert made.session.unreachable
    answer = made.panel.on_hub(made.session, f" {TOKEN}\n")
    assert answer[made.panel.token] == "", "it leaves the box"
    assert "Hugging Face" in made.drawn()["head"]
    assert made.session.publishing["hf_token"].get_secret_value() == TOKEN
    assert not (tmp_path / "home" / publishing.FILE).exists()
    held = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert all(TOKEN.encode() not in each for each in held)


def test_a_sign_in_is_a_token_that_needs_no_typing_and_is_not_used_unasked(
    desk: Callable[..., Desk], tmp_path: Path
) -> None:
    made = desk(server_name="0.0.0.0")  # noqa: S104 - the case that is tested
    panel, session = made.panel, made.session
    session.visitor = Visitor("hf:anna", hosted=True, name="anna")
    made.drawn()
    assert panel.draw(session)[panel.account]["visible"] is False
    panel.on_account(session)
    assert session.publishing == {}, "a forged press without a sign-in"
    session.signed_token = SecretStr(TOKEN)
    assert panel.draw(session)[panel.account]["visible"] is True
    assert session.publishing == {}
    panel.on_account(session)
    assert session.publishing["hf_token"].get_secret_value() == TOKEN
    assert "Your clip goes by Hugging Face" in made.drawn()["head"]
    held = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert all(TOKEN.encode() not in each for each in held)


@pytest.mark.parametrize(
    ("scope", "offered"),
    [
        ("openid profile", False),
        ("openid profile read-repos write-repos", False),
        ("openid profile contribute-repos", True),
        ("openid profile manage-repos", True),
    ],
)
def test_only_a_sign_in_that_may_make_a_dataset_is_offered(
    scope: str, offered: bool, built: Build, tmp_path: Path
) -> None:
    info = {
        "access_token": TOKEN,
        "scope": scope,
        "userinfo": {"preferred_username": "anna"},
    }
    request: Any = SimpleNamespace(
        headers={}, username=None, request=SimpleNamespace(session={"oauth_info": info})
    )
    with Client(
        load(home=tmp_path / "home", system="spaces", space_id="me/s", oauth_client_id="x")
    ) as client:
        keeper, session = built(lambda: Keeper(client)), Session()
        keeper.identify(session, request)
    assert session.visitor.owner == "hf:anna"
    assert (session.signed_token is not None) is offered
    assert session.hf_token is None


def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(
    desk: Callable[..., Desk],
) -> None:
    made = desk()
    answer = made.panel.on_hub(made.session, "hf_s3cret and more")[made.panel.answer]
    assert "Hugging Face token has a blank" in answer
    assert "s3cret" not in answer


def test_hugging_face_is_remembered_and_its_token_asked_for_again(
    desk: Callable[..., Desk],
) -> None:
    made = desk()
    made.panel.on_hub(made.session, TOKEN)
    assert "Your clip goes by Hugging Face" in made.drawn()["head"]
    again = desk().drawn()
    assert again["ways"]
    assert "You chose Hugging Face before" in again["head"]


def test_a_store_is_kept_without_a_key_and_tested(desk: Callable[..., Desk]) -> None:
    made = desk()
    panel, session = made.panel, made.session
    assert "no address of a store" in panel.on_store(session, "bucket", True)[panel.answer]
    told = panel.on_store(session, "s3://key:s3cret@bucket", True)[panel.answer]
    assert ("holds a key" in told, "s3cret" in told) == (True, False)
    tried = panel.on_test(session, "memory://clips", True)[panel.answer]
    assert "The store does not work" in tried
    panel.on_store(session, "s3://bucket/prefix", True)
    assert made.client.publishing == Publishing("s3://bucket/prefix", True)
    assert [way.withdraw for way in made.client.ways()] == [True]


def test_a_setting_wins_over_what_was_chosen(desk: Callable[..., Desk]) -> None:
    made = desk()
    made.panel.on_store(made.session, "s3://bucket/prefix", True)
    other = desk(publish="tunnel")
    shown = other.drawn()
    assert "temporary link" in shown["head"]
    assert (shown["change"], shown["ways"]) == (False, False)


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
def test_a_store_that_works_is_told_with_who_can_see_the_clip(
    desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="page-clips")  # one process has one world of buckets
    made = desk(private_hosts=frozenset({"127.0.0.1"}))
    said = made.panel.on_test(made.session, "s3://page-clips/motion", True)[made.panel.answer]
    assert "The store works" in said
    assert "24 hours" in said
    assert client.list_objects_v2(Bucket="page-clips")["KeyCount"] == 0, (
        "the test file is taken back"
    )
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()
