"""The contract, as both the client and the user rely on it. Every server that claims to speak it passes all of this."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from kling_utils.errors import InputRefused, KeyRefused, TaskFailed, TaskNotFound
from kling_utils.media.fetch import Guard
from kling_utils.providers.download import download
from kling_utils.providers.failures import task_failed
from kling_utils.providers.http import Transport
from kling_utils.providers.novita import BALANCE, POLL, SUBMIT, NovitaAPI, payload
from kling_utils.values import MotionRequest

CALLS = [("POST", SUBMIT), ("GET", f"{POLL}?task_id=t"), ("GET", BALANCE)]


def ask(side: Any, method: str, path: str, **given: Any) -> requests.Response:
    headers = given.pop("headers", {"Authorization": f"Bearer {side.key}"})
    return requests.request(method, side.base_url + path, headers=headers, timeout=20, **given)


def assert_refusal(response: requests.Response, status: int, reason: str) -> str:
    """The documented form of an error; returns the message."""
    body = response.json()
    assert response.status_code == status
    assert (body["code"], body["reason"]) == (status, reason)
    assert isinstance(body["message"], str)
    assert body["message"]
    assert isinstance(body.get("metadata", {}), dict)
    return str(body["message"])


# -- keys


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Bearer "}])
def test_without_a_key(side: Any, method: str, path: str, headers: dict[str, str]) -> None:
    assert_refusal(
        ask(side, method, path, headers=headers, json=side.body if method == "POST" else None),
        400,
        "MISSING_API_KEY",
    )


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_with_a_wrong_key(side: Any, method: str, path: str) -> None:
    response = ask(
        side,
        method,
        path,
        headers={"Authorization": "Bearer sk-wrong"},
        json=side.body if method == "POST" else None,
    )
    assert_refusal(response, 403, "INVALID_API_KEY")


def test_a_wrong_key_as_the_client_tells_it(side: Any, transport: Transport) -> None:
    with pytest.raises(KeyRefused) as caught:
        NovitaAPI(side.base_url, SecretStr("sk-wrong-key"), transport=transport).submit(side.body)
    assert caught.value.money == "no"


# -- submit


def test_a_submit_answers_with_the_task_id_and_nothing_else(side: Any) -> None:
    response = ask(side, "POST", SUBMIT, json=side.body)
    assert response.status_code == 200
    assert set(response.json()) == {"task_id"}
    assert isinstance(response.json()["task_id"], str)
    assert response.json()["task_id"]


def test_two_submits_are_two_tasks(side: Any) -> None:
    assert side.client.submit(side.body) != side.client.submit(side.body)


@pytest.mark.parametrize(
    "left_out",
    [
        {"prompt"},
        {"negative_prompt"},
        {"keep_original_sound"},
        {"prompt", "negative_prompt", "keep_original_sound"},
    ],
)
def test_what_may_be_left_out(side: Any, left_out: set[str]) -> None:
    assert side.client.submit({k: v for k, v in side.body.items() if k not in left_out})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", "x" * 2500),
        ("negative_prompt", ""),
        ("negative_prompt", "й" * 2500),
        ("model_name", "kling-v3-0-pro"),
        ("character_orientation", "image"),
        ("keep_original_sound", False),
    ],
)
def test_what_is_legal(side: Any, field: str, value: Any) -> None:
    assert side.client.submit({**side.body, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, None) for name in ("image", "video", "model_name", "character_orientation")),
        *((name, "") for name in ("image", "video", "model_name", "character_orientation")),
        ("image", 7),
        ("video", ["https://files.example/a.mp4"]),
        ("video", "dance.mp4"),
        ("video", "data:video/mp4;base64,AAAA"),
        ("model_name", "kling-v3-0"),
        ("character_orientation", "sideways"),
        ("keep_original_sound", "yes"),
        ("keep_original_sound", 1),
        ("prompt", "x" * 2501),
        ("prompt", 5),
        ("negative_prompt", "x" * 2501),
    ],
)
def test_a_wrong_field_is_refused_and_named(side: Any, field: str, value: Any) -> None:
    body = {**side.body, field: value}
    if value is None:
        del body[field]
    assert field in assert_refusal(
        ask(side, "POST", SUBMIT, json=body), 400, "INVALID_REQUEST_BODY"
    )
    with pytest.raises(InputRefused) as caught:
        side.client.submit(body)
    assert (caught.value.field, caught.value.money) == (field, "no")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"text"', b"null"])
def test_a_body_that_is_no_object(side: Any, data: bytes) -> None:
    assert_refusal(ask(side, "POST", SUBMIT, data=data), 400, "INVALID_REQUEST_BODY")


def test_what_the_client_builds_is_what_the_server_takes(side: Any) -> None:
    for orientation in ("image", "video"):
        request = MotionRequest(image="a.png", video="b.mp4", character_orientation=orientation)  # type: ignore[arg-type]
        assert side.client.submit(
            payload(request, image=side.body["image"], video=side.body["video"])
        )


# -- poll


def test_every_poll_has_the_documented_form(side: Any) -> None:
    task_id = side.client.submit(side.body)
    side.end_of(task_id)
    body = ask(side, "GET", POLL, params={"task_id": task_id}).json()
    task = body["task"]
    assert "code" not in body
    assert task["task_id"] == task_id
    assert task["status"] == "TASK_STATUS_SUCCEED"
    assert isinstance(task["reason"], str)
    assert isinstance(task["task_type"], str)
    assert isinstance(task["eta"], int)
    assert 0 <= task["progress_percent"] <= 100
    assert body["images"] == body["audios"] == []
    assert isinstance(body["extra"], dict)
    (video,) = body["videos"]
    assert video["video_type"] == "mp4"
    assert video["video_url"].startswith("http")
    assert str(video["video_url_ttl"]).isdigit()


def test_a_task_goes_forward_and_has_no_video_before_its_end(side: Any) -> None:
    task_id = side.client.submit(side.body)
    order, seen = ["queued", "processing", "succeeded"], []
    while not seen or seen[-1].status != "succeeded":
        seen.append(side.client.poll(task_id))
        assert len(seen) < 100_000
    ranks = [order.index(status.status) for status in seen]
    assert ranks == sorted(ranks)
    assert all(status.video_url is None for status in seen[:-1])


@pytest.mark.parametrize(
    "task_id", ["00000000-0000-0000-0000-000000000000", "x", "../../etc/passwd"]
)
def test_an_unknown_task(side: Any, task_id: str) -> None:
    assert_refusal(ask(side, "GET", POLL, params={"task_id": task_id}), 404, "TASK_NOT_FOUND")
    with pytest.raises(TaskNotFound):
        side.client.poll(task_id)


def test_a_poll_without_an_id(side: Any) -> None:
    assert_refusal(ask(side, "GET", POLL), 400, "INVALID_REQUEST_BODY")


def test_a_failed_task_is_http_200_with_the_reason_in_the_task(side: Any) -> None:
    side.fail()
    task_id = side.client.submit(side.body)
    status = side.end_of(task_id)
    assert status.status == "failed"
    response = ask(side, "GET", POLL, params={"task_id": task_id})
    assert response.status_code == 200
    assert response.json()["task"]["status"] == "TASK_STATUS_FAILED"
    assert response.json()["videos"] == []
    error = task_failed(status.reason)
    assert isinstance(error, TaskFailed)
    assert error.field == "video"


# -- results


def test_a_result_is_fetched_without_a_key_and_in_parts(
    side: Any, clip: Path, tmp_path: Path
) -> None:
    link = side.end_of(side.client.submit(side.body)).video_url
    assert link is not None
    whole = requests.get(link, timeout=20)
    assert whole.status_code == 200
    assert whole.headers["Content-Type"] == "video/mp4"
    assert int(whole.headers["Content-Length"]) == len(whole.content)
    part = requests.get(link, headers={"Range": "bytes=100-"}, timeout=20)
    assert part.status_code == 206
    assert (
        part.headers["Content-Range"] == f"bytes 100-{len(whole.content) - 1}/{len(whole.content)}"
    )
    assert part.content == whole.content[100:]
    both = requests.get(
        link, headers={"Range": "bytes=100-", "If-Range": whole.headers["ETag"]}, timeout=20
    )
    assert both.status_code == 206
    other = requests.get(link, headers={"Range": "bytes=100-", "If-Range": '"another"'}, timeout=20)
    assert other.status_code == 200
    beyond = requests.get(link, headers={"Range": f"bytes={len(whole.content)}-"}, timeout=20)
    assert beyond.status_code == 416
    saved = download(
        Guard(allow=frozenset({"127.0.0.1"})),
        link,
        tmp_path / "r.mp4",
        fresh_link=lambda: None,
        max_bytes=10**8,
    )
    assert saved.read_bytes() == whole.content == clip.read_bytes()


def test_a_result_that_never_was(side: Any) -> None:
    link = side.end_of(side.client.submit(side.body)).video_url
    assert link is not None
    base, _, _ = link.partition("?")
    assert requests.get(base.replace(".mp4", "x.mp4"), timeout=20).status_code == 404


# -- the rest


def test_the_bill_by_hours(side: Any) -> None:
    now = time.time()
    assert side.client.bills(now - 40 * 86400, now) == []


def test_the_balance(side: Any) -> None:
    body = ask(side, "GET", BALANCE).json()
    assert set(body) == {"availableBalance", "cashBalance", "creditLimit", "outstandingInvoices"}
    assert all(isinstance(amount, str) for amount in body.values())
    assert side.client.balance().available.currency == "USD"


@pytest.mark.parametrize("path", ["/v3/async/kling-v9", "/v3", "/"])
def test_an_unknown_route(side: Any, path: str) -> None:
    assert_refusal(ask(side, "POST", path, json={}), 404, "API_NOT_FOUND")
