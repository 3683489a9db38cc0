"""An account by our own API."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx

from tests.support import Client

AT_WORK = ("previewing", "running", "undoing")

Row = dict[str, Any]


class Own(httpx.AsyncClient):
    """Paths are relative to the account; `cm` is the same account on CM's wire."""

    cm: Client

    async def upload(self, file: bytes | str, filename: str = "contacts.csv") -> str:
        """The id of a new import."""
        answer = await self.post("imports", content=file, params={"filename": filename})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def look(self, id: str, **options: Any) -> Row:
        """The preview."""
        answer = await self.post(f"imports/{id}/preview", json=options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def begin(self, id: str, verb: str = "start", **options: Any) -> Row:
        """The import when it has been started (or undone, cancelled) and is over."""
        answer = await self.post(f"imports/{id}/{verb}", json=options or None)
        assert answer.status_code == 202, answer.text
        return await self.over(id)

    async def over(self, id: str) -> Row:
        """The import when nothing more happens to it."""
        while (now := (await self.get(f"imports/{id}")).json())["state"] in AT_WORK:
            await asyncio.sleep(0.03)
        return now

    async def bring(self, file: bytes | str, **options: Any) -> Row:
        """A whole import; into the group Customers unless one is given."""
        group = {} if "groupId" in options else {"groupName": "Customers"}
        return await self.begin(await self.upload(file), **group | options)

    async def rows(self, id: str, kind: str = "refused") -> str:
        """Rows of a report as CSV."""
        answer = await self.get(f"imports/{id}/report", params={"format": "csv", "rows": kind})
        assert answer.status_code == 200, answer.text
        return answer.text

    async def export(self, form: str = "jsonl", **query: str) -> bytes:
        """A file of contacts."""
        answer = await self.get("exports", params={"format": form} | query)
        assert answer.status_code == 200, answer.text
        return answer.content

    async def contacts(self, **query: str) -> list[Row]:
        """What the account has, without ids, by phone, e-mail and name."""
        lines = (await self.export(**query)).removesuffix(b"\n").split(b"\n")
        found = [{name: value for name, value in json.loads(line).items() if name != "id"} for line in lines if line]
        return sorted(found, key=lambda row: [row.get(name, "") for name in ("phoneNumber", "email", "lastName", "firstName")])


def own_client(client: Client) -> Own:
    """The same account by our own API."""
    url = client.base_url.copy_with(path=f"/v1/accounts/{client.account}/")
    own = Own(base_url=url, headers={"Authorization": f"Bearer {client.token}"}, timeout=60, verify=False)
    own.cm = client
    return own


def buckets(row: Row) -> dict[str, int]:
    """The buckets of an import, a preview or a report that are not zero."""
    return {name: row[name] for name in ("created", "updated", "unchanged", "duplicate", "refused") if row[name]}


def fields_of(answer: httpx.Response) -> list[str]:
    """The fields that an error names."""
    return [fault["field"] for fault in answer.json().get("errors", ())]


def table(*rows: Sequence[str]) -> str:
    """CSV without any quoting."""
    return "".join(",".join(row) + "\n" for row in rows)
