"""What schemathesis cannot know of the API: which ids there are, and what only a sentence of the document can say.

Requests that are meant to be refused are left as they are. Those that are meant to be accepted get the ids of what was
made beforehand (API_TEST_IDS, JSON), an Idempotency-Key of their own, and neither a cursor nor an If-Match of nowhere.
"""

import json
import os
import uuid

import schemathesis
from schemathesis.generation import GenerationMode

IDS = json.loads(os.environ["API_TEST_IDS"])
# Where an id stands in a body or a query, and whose it is.
REFERENCES = {
    "customer_id": "customers",
    "seller_id": "sellers",
    "product_id": "products",
    "flow_id": "flows",
    "bot_id": "bots",
}


# What only some texts of their kind are good for.
FIXED = {"time_zone": "America/Bogota", "expires_at": "2099-01-01T00:00:00Z"}
PASSWORDS = ("password", "new_password")
MEDIA = ("image", "audio", "video", "document", "sticker")
# What cannot be changed, and what would take the ground from under the other requests.
LEFT_OUT = {"PUT /api/bots/{id}": ["provider"], "PUT /api/sellers/{id}": ["active"], "PUT /api/products/{id}": ["active"], "PUT /api/users/{id}": ["role", "seller_id"]}


@schemathesis.hook
def before_call(context, case, kwargs):
    resource = (case.path.split("/") + [""])[2] if case.path.startswith("/api/") else ""
    ids = case.path_parameters or {}
    if case.method == "DELETE" and ids.get("id") in IDS.values():
        ids["id"] = str(uuid.uuid4())
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if case.headers:
        case.headers.pop("If-Match", None)
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if case.query:
        case.query.pop("cursor", None)
    if "id" in ids and case.method != "DELETE" and resource in IDS:
        ids["id"] = IDS[resource]
    case.query = fitting(case.query)
    case.body = fitting(case.body)
    if resource == "users":
        without_seller(case.body)
    for name in LEFT_OUT.get(f"{case.method} {case.path}", []):
        if isinstance(case.body, dict):
            case.body.pop(name, None)


def fitting(value):
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
        made = {key: fit_field(key, item, in_content or key == "content") for key, item in part.items()}
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
        if key in REFERENCES and isinstance(item, str):
            return IDS[REFERENCES[key]]
        if key in FIXED and isinstance(item, str):
            return FIXED[key]
        if key in PASSWORDS and isinstance(item, str):
            return f"correct horse {uuid.uuid4()}"
        return fit(item, in_content)

    return fit(value)


def without_seller(body):
    """Only agents have a seller."""
    if isinstance(body, dict) and body.get("role") != "agent":
        body.pop("seller_id", None)
