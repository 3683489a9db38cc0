"""Make 50,000 sample people of a dozen countries, upload them 2,500 at a time, and opt 5% of them out.

    .venv/bin/python examples/upload_people.py http://127.0.0.1:8080 <account> <token> [count]

Prints what the server says of them. Only the standard library talks to the server: a client in any language does the same.
"""

import json
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

from reachbook.demo import people

BATCH = 2_500


def main(base: str, account: str, token: str, count: int = 50_000) -> None:
    """Upload and report."""

    def call(method: str, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-CM-PRODUCTTOKEN": token, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{base}/addressbook/v2/accounts/{account}/{path}", data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    file = Path("people.json")
    rows = [contact(draft) for draft in people(count)]
    file.write_text(json.dumps(rows, ensure_ascii=False, indent=1))
    rows = json.loads(file.read_text())
    group = json.loads(call("POST", "groups", {"name": "Fifty thousand"}))["id"]
    started = time.perf_counter()
    for start in range(0, count, BATCH):
        is_last = start + BATCH >= count
        call("POST", f"groups/{group}/contacts-bulk?delayIndexing={str(not is_last).lower()}", rows[start : start + BATCH])
    seconds = time.perf_counter() - started
    numbers = sorted({row["phoneNumber"] for row in rows[::20] if "phoneNumber" in row})
    changed = json.loads(call("POST", "optout/bulk?message=sample", [{"type": "sms", "value": number} for number in numbers]))
    stored = json.loads(call("GET", f"groups/{group}"))
    dump = call("GET", f"dump/sms?groupIds={group}&format=csv&reachableOnly=true").decode()
    found = json.loads(call("GET", f"groups/{group}/search?q={quote('MULLER jurgen')}&take=3"))
    print(f"{count:,} people in {seconds:.1f} s, {changed:,} numbers opted out")
    print(f"group {stored['name']!r}: contactsAmount {stored['contactsAmount']:,}, emptyEmails {stored['emptyEmails']:,}, ", end="")
    print(f"emptyNumbers {stored['emptyNumbers']:,}")
    print(f"search 'MULLER jurgen': {', '.join(one['firstname'] + ' ' + one['lastname'] + ' ' + one.get('email', '-') for one in found)}")
    print(f"dump for SMS: {len(dump.splitlines()) - 1:,} reachable; the first: {dump.splitlines()[1][:150]}")


def contact(draft: object) -> dict[str, object]:
    """A sample person as a client posts it."""
    names = {"first_name": "firstName", "insertion": "insertion", "last_name": "lastName", "email": "email", "phone": "phoneNumber"}
    row: dict[str, object] = {wire: getattr(draft, name) for name, wire in names.items() if getattr(draft, name)}
    row["customValues"] = [{"fieldId": value.field_id, "value": value.value} for value in draft.values]
    return row


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
