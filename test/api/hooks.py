"""What schemathesis cannot know of the API: which ids there are, and what only a sentence of the document can say.

Requests that are meant to be refused are left as they are. Those that are meant to be accepted get ids of what there is:
of what an answer told of, else of what was made beforehand (API_TEST_FACTS, JSON).
"""

import itertools
import json
import os
import uuid

import requests
import schemathesis
from schemathesis.generation import GenerationMode

FACTS = json.loads(os.environ["API_TEST_FACTS"])
URL, OWNER = FACTS["url"], FACTS["owner"]
# An id a resource; `IDS` is never removed nor made unfit for the other requests, which `CHANGED` may be.
IDS, CHANGED = FACTS["ids"], FACTS["changed_ids"]
SPARED = {*IDS.values(), *CHANGED.values(), FACTS["owner_id"]}
# What an answer said is there, as (resource, id), in the order in which it was heard of.
KNOWN = {}
# Each can be closed once.
CONVERSATIONS = itertools.cycle(FACTS["conversations"])
NUMBERS = itertools.count(1)

# What needs a flow without faults, or the bot that customers have written to, or would stand in the way of others.
PINNED = {
    "/api/flows/{id}/publish": "flows",
    "/api/flows/{id}/rollback": "flows",
    "/api/flows/{id}/running": "flows",
    "/api/flows/{id}/diff": "flows",
    "/api/flows/{id}/move": "flows",
    "/api/flows/{id}/simulate": "flows",
    "/api/flows/{id}/versions/{version}": "flows",
    "/api/analytics/flows/{id}": "flows",
    "/api/bots/{id}/messages": "bots",
    # Whoever wants no messages is nobody whom the others write to.
    "/api/customers/{id}/opt-out": "customers",
    "/api/customers/{id}/opt-in": "customers",
    "/api/webhooks/{id}/deliveries/{delivery_id}": "webhooks",
    "/api/webhooks/{id}/deliveries/{delivery_id}/retry": "webhooks",
}
# Where an id stands in a body or a query, and whose it is.
REFERENCES = {
    "customer_id": "customers",
    "seller_id": "sellers",
    "product_id": "products",
    "flow_id": "flows",
    "bot_id": "bots",
    "fallback_bot_id": "fallback_bots",
}
# What no two of a kind may have: what was sent before is made another.
UNIQUE = {
    "auth": ("email",),
    "users": ("email",),
    "products": ("sku",),
    "flows": ("name",),
    "bots": ("phone_number_id",),
    "customers": ("phone", "value"),
    "secrets": ("name",),
}
SENT = set()
# What only some texts of their kind are good for.
FIXED = {"time_zone": "America/Bogota", "expires_at": "2099-01-01T00:00:00Z"}
PASSWORDS = ("password", "new_password")
CONTENTS = ("content", "inputs")
# The settings of the bots there are.
META = ("phone_number_id", "access_token", "app_secret", "verify_token")
MEDIA = ("image", "audio", "video", "document", "sticker")


@schemathesis.hook
def before_call(context, case, kwargs):
    resource, operation = resource_of(case), f"{case.method} {case.path}"
    is_valid = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    ids = case.path_parameters or {}
    if "id" in ids:
        ids["id"] = spared(case, resource, ids["id"])
    if not is_valid:
        return
    if case.headers:
        # Nothing that was read has these.
        case.headers.pop("If-Match", None)
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if case.query:
        case.query.pop("cursor", None)
    if "id" in ids:
        ids["id"] = found(case, resource, ids["id"])
    if "version" in ids:
        ids["version"] = "1"
    if "delivery_id" in ids:
        ids["delivery_id"] = IDS["deliveries"]
    if case.query:
        case.query = fitting(case.query, ())
        if case.path == "/api/flows/{id}/diff":
            case.query = {key: "1" for key in case.query}
    # One that is left out stays so: assigned, it would count as wrong.
    if isinstance(case.body, dict):
        case.body = fitting(case.body, UNIQUE.get(resource, ()))
        fit_body(operation, case.body)


@schemathesis.hook
def after_call(context, case, response):
    resource, status = resource_of(case), response.status_code
    shown = (f"/api/{resource}", f"/api/{resource}/{{id}}")
    if status == 404:
        KNOWN.pop((resource, (case.path_parameters or {}).get("id")), None)
    elif status < 300 and case.path in shown and response.content:
        body = read_json(response)
        listed = body.get("data", [])
        items = [body, *(listed if isinstance(listed, list) else [])]
        KNOWN.update({(resource, one["id"]): True for one in items if "id" in one})


def read_json(response):
    """What is answered as something else is asked for as that."""
    return response.json() if "json" in response.headers.get("content-type", [""])[0] else {}


def resource_of(case):
    return (case.path.split("/") + [""])[2] if case.path.startswith("/api/") else ""


def spared(case, resource, given):
    """The id, unless the request could take away what the others need."""
    if given not in SPARED:
        return given
    if case.method == "DELETE" or case.path.endswith("/erase"):
        return str(uuid.uuid4())
    if case.method == "PUT":
        return CHANGED.get(resource, IDS.get(resource, given))
    return next(CONVERSATIONS) if case.path.endswith("/close") else given


def found(case, resource, given):
    """The id, or one of something that is there."""
    if case.path in PINNED:
        return IDS[PINNED[case.path]]
    if case.path.endswith("/erase"):
        # Each customer can be erased once.
        return post("/api/customers", {"name": "Erased"})["id"]
    if case.path.endswith("/close"):
        return next(CONVERSATIONS)
    if (resource, given) in KNOWN:
        return given
    if case.method == "DELETE":
        return next((id for of, id in KNOWN if of == resource and id not in SPARED), given)
    return (CHANGED if case.method == "PUT" else {}).get(resource) or IDS.get(resource, given)


def fitting(value, unique):
    """The same, as the sentences of the document ask for it: ids of what there is, strong passwords, and messages in
    which no two things have the same id or title, each section has a title, each file one source, a list ten rows."""
    taken = iter(range(1_000_000))

    def fit(part, in_content=False):
        if isinstance(part, list):
            return [fit(item, in_content) for item in part]
        if isinstance(part, str):
            # Their length is counted in UTF-16 units, which is the most that any provider counts.
            return "".join("x" if ord(sign) > 0xFFFF else sign for sign in part) if in_content else part
        if not isinstance(part, dict):
            return part
        made = {key: fit_field(key, item, in_content or key in CONTENTS) for key, item in part.items()}
        if isinstance(made.get("id"), str):
            made["id"] = str(next(taken))
            if "title" in made:
                made["title"] = made["id"]
        if made.get("type") in MEDIA:
            made.pop("media_id", None)
            made.setdefault("url", "https://example.com/file")
        if made.get("type") in ("audio", "sticker"):
            made.pop("caption", None)
        if "rows" in made:
            made.setdefault("title", "Section")
        if isinstance(made.get("sections"), list):
            made["sections"] = made["sections"][:1]
        return made

    def fit_field(key, item, in_content):
        if isinstance(item, str):
            if key in REFERENCES:
                return IDS[REFERENCES[key]]
            if key in FIXED:
                return FIXED[key]
            if key in PASSWORDS:
                return f"correct horse {uuid.uuid4()}"
            if key in unique:
                return unsent(key, item)
        return fit(item, in_content)

    return fit(value)


def unsent(key, value):
    """The value, or another of its kind where it was sent before."""
    if (key, value.lower()) in SENT:
        kind = "phone" if value.startswith("+") else key
        made = {"phone": f"+57{next(NUMBERS):010}", "email": f"{uuid.uuid4()}@example.com"}
        value = made.get(kind, f"U{uuid.uuid4().hex}")
    SENT.add((key, value.lower()))
    return value


def fit_body(operation, body):
    """What an operation needs of its body besides."""
    if operation.endswith("/api/users") or operation.endswith("/api/users/{id}"):
        # Only agents have a seller.
        if body.get("role") != "agent":
            body.pop("seller_id", None)
    elif operation == "POST /api/bots":
        # No flow is named twice.
        body["flow_ids"] = [] if body.get("flow_id") else [IDS["flows"]]
    elif operation == "PUT /api/bots/{id}":
        body.pop("flow_ids", None)
        if body.get("flow_id"):
            body["flow_ids"] = []
        # A bot stays at its provider, and has that one's settings.
        body.pop("provider", None)
        if isinstance(body.get("config"), dict):
            body["config"] = {key: value for key, value in body["config"].items() if key in META}
    elif operation == "PUT /api/tenant/settings":
        # Spans of time follow one another, dates are there once, and words are words.
        if isinstance(body.get("hours"), dict):
            body["hours"] = {day: [["09:00", "14:00"], ["17:00", "24:00"]] for day in body["hours"]}
        if isinstance(body.get("holidays"), list):
            body["holidays"] = [{**one, "date": "2026-12-25", "hours": []} for one in body["holidays"][:1]]
        if isinstance(body.get("words"), dict):
            body["words"] = {kind: [f"the word of {kind}"] for kind in body["words"]}
    elif operation == "POST /api/flows/{id}/rollback":
        # What is published now is none to go back to.
        body["version"] = 1
    elif operation == "POST /api/flows/{id}/move":
        body.pop("cursor", None)
        body.update({key: 1 for key in ("from", "to") if key in body})
    elif operation == "POST /api/conversations/{id}/resume":
        # The conversations there are were in no flow.
        body.pop("step", None)
    elif operation == "POST /api/bots/{id}/connect":
        # Only bots that a phone pairs have one.
        body.pop("phone", None)
    elif operation == "POST /api/bots/{id}/messages":
        # Whoever has not written can be sent templates only.
        if not isinstance(body.get("content"), dict) or body["content"].get("type") != "template":
            body["to"] = FACTS["writer"]
    elif operation in ("POST /api/webhooks", "PUT /api/webhooks/{id}"):
        # What is delivered goes nowhere.
        if "url" in body:
            body["url"] = "http://127.0.0.1:9/hook"
    elif operation == "POST /api/auth/login":
        body.update(OWNER)
    elif operation in ("POST /api/auth/refresh", "POST /api/auth/logout"):
        body["refresh_token"] = post("/api/auth/login", OWNER)["refresh_token"]
    elif operation == "POST /api/auth/accept":
        body["token"] = post(f"/api/users/{IDS['users']}/invite")["invite_token"]


def post(path, body=None):
    answer = requests.post(f"{URL}{path}", json=body, headers={"Authorization": f"Bearer {FACTS['token']}"}, timeout=30)
    answer.raise_for_status()
    return answer.json()
