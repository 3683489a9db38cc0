"""Any order of calls about WhatsApp, by two accounts, the operator and the provider, against a plain model: requests, profiles with their
one-time passwords, templates, the queue.
"""

from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import argon2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from reachbook.core import catalogues, channel_requests, channels, decisions, ids, one_time_codes, profiles, templates
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError, ReachbookError, TooOftenError
from reachbook.core.ids import AccountId
from reachbook.core.machines import LANGUAGE, PROFILE, REQUEST, Machine
from reachbook.core.one_time_codes import Senders
from reachbook.core.work_queue import Kind
from tests.core.book import new_account
from tests.core.channels import IMAGE, NOW, activate, fresh_number, items, standing
from tests.support_sync import Runner

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
OPERATOR_ONLY = Senders()
CONTENTS = {"": None, "Hello there.": 0, "Hi {{1}}!": 1, "Hi {{1}} or {{2}}!": 2, "Hi {{1}}": None}
"""Content → the number of fields for which it is complete."""
CODES = ("en", "nl")
MOST = 3  # profiles and templates of each account
accounts = st.sampled_from([0, 0, 0, 1])
is_approved = st.booleans()


@dataclass
class Request:
    """A request for WhatsApp."""

    account: int
    state: str = "pending"


@dataclass
class Profile:
    """A profile; `starts` are the instants at which a code was sent, the last one counts until `expires`."""

    request: UUID
    phone: str
    state: str = "pending"
    expires: datetime | None = None
    tries: int = 0
    starts: list[datetime] = field(default_factory=list[datetime])


@dataclass
class Language:
    """A template in one language."""

    content: str
    state: str = "draft"


@dataclass
class Template:
    """A template; `fields` is how many it has."""

    request: UUID
    fields: int = 0
    is_cancelled: bool = False
    languages: dict[str, Language] = field(default_factory=dict[str, Language])

    def has(self, *states: str) -> bool:
        """Whether a language is in one of these."""
        return any(one.state in states for one in self.languages.values())


class Desk(RuleBasedStateMachine):
    """Few phones and contents, so that two accounts meet."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.run, self.db = runner, runner.db
        self.accounts: list[AccountId] = [self.run(new_account(self.db)) for _ in range(2)]
        self.type = self.run(catalogues.channel_type_by_key(self.db, catalogues.WHATSAPP)).id
        self.category = self.run(catalogues.template_categories(self.db))[0].id
        self.phones = [fresh_number() for _ in range(2)]
        self.requests: dict[UUID, Request] = {}
        self.profiles: dict[UUID, Profile] = {}
        self.templates: dict[UUID, Template] = {}
        self.verified: dict[str, UUID] = {}
        self.now = NOW
        self.seen: dict[tuple[str, object], str] = {}

    def tick(self) -> datetime:
        """A moment later."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def expect(self, refused: type[ReachbookError] | None, call: Coroutine[Any, Any, Any]) -> Any:
        """Run a call that is answered; or refused in this way, and nothing changes."""
        if refused is None:
            return self.run(call)
        before = self.run(standing(self.db, *self.accounts))
        with pytest.raises(refused):
            self.run(call)
        assert self.run(standing(self.db, *self.accounts)) == before
        return None

    def pick(self, data: st.DataObject, good: Iterable[Any], everything: Iterable[Any]) -> Any:
        """Mostly what the call is meant for; if there is none, mostly None: nothing is called."""
        return data.draw(st.sampled_from((list(good) or [None]) * 5 + list(everything)))

    def account_of(self, request: UUID) -> int:
        """Whose it is."""
        return self.requests[request].account

    # --- channel requests

    @initialize()
    def at_first(self) -> None:
        """Alice's request is fulfilled, Bob's waits."""
        self.ask(0)
        self.ask(1)
        (first, *_) = self.requests
        item = next(one for one in self.run(items(self.db, self.accounts[0])) if one.kind == Kind.CHANNEL)
        self.run(decisions.approve(self.db, self.accounts[0], item.id, now=self.tick()))
        self.requests[first].state = "fulfilled"
        self.create_template(0, first)
        self.write_contents(0, next(iter(self.templates)), {"en": "Hello there.", "nl": "Hi {{1}}!"})
        self.create_profile(0, first, self.phones[0])

    @precondition(lambda self: len(self.requests) < MOST)
    @rule(account=accounts)
    def ask(self, account: int) -> None:
        is_open = any((one.account, one.state) == (account, "pending") for one in self.requests.values())
        id = ids.new_id()
        call = channel_requests.create(self.db, self.accounts[account], id, self.type, self.tick())
        if self.expect(ConflictError if is_open else None, call) is not None:
            self.requests[id] = Request(account)
            self.run(activate(self.db, self.accounts[account], id, *CODES))

    @rule(data=st.data(), approved=is_approved, account=accounts)
    def decide(self, data: st.DataObject, approved: bool, account: int) -> None:
        """Any item of the queue, decided or not."""
        everything = self.run(items(self.db, self.accounts[account], None))
        waiting = [one for one in everything if one.state == "pending"]
        item = self.pick(data, waiting, everything)
        if item is None:
            return
        refused = None
        if item.state != "pending" or (item.kind == Kind.PROFILE and approved and self.is_taken(item.entity_id)):
            refused = ConflictError
        now, of = self.tick(), self.accounts[account]
        call = decisions.approve(self.db, of, item.id, now=now) if approved else decisions.reject(self.db, of, item.id, "No.", now)
        done = self.expect(refused, call)
        if refused is None:
            assert (done.state, done.decided_at, done.reason) == (("approved", now, None) if approved else ("rejected", now, "No."))
            self.decided(item.kind, item.entity_id, approved)

    def decided(self, kind: Kind, entity: UUID, approved: bool) -> None:
        """What a decision does."""
        if kind == Kind.PROFILE:
            one = self.profiles[entity]
            one.state, one.expires, one.tries = "active" if approved else "rejected", None, 0
            if approved:
                self.verified[one.phone] = entity
        elif kind == Kind.TEMPLATE_LANGUAGE:
            self.language(entity).state = "active" if approved else "rejected"
        else:
            request = entity if kind == Kind.CHANNEL else self.run(self.request_of(entity))
            self.requests[request].state = "fulfilled" if approved else "cancelled"
            if not approved:
                self.cancel(request)

    def cancel(self, request: UUID) -> None:
        """All that a refused request has."""
        for id, one in self.profiles.items():
            if one.request == request:
                one.state, one.expires, one.tries = "cancelled", None, 0
                self.forget(id)
        for template in self.templates.values():
            if template.request == request:
                template.is_cancelled = True
                for language in template.languages.values():
                    language.state = "cancelled"

    async def request_of(self, business: UUID) -> UUID:
        """Whose business account it is."""
        return await self.db.fetchval("SELECT channel_request_id FROM business_account WHERE id = $1", business)

    def language(self, id: UUID) -> Language:
        """A language of the model, by its id in the database."""
        query = """SELECT l.template_id, w.code FROM template_language l JOIN whatsapp_language w ON w.id = l.language_id WHERE l.id = $1"""
        row = self.run(self.db.fetchrow(query, id))
        assert row is not None
        return self.templates[row["template_id"]].languages[row["code"]]

    # --- profiles

    def is_taken(self, profile: UUID) -> bool:
        """Whether another profile is active on its number."""
        return self.verified.get(self.profiles[profile].phone, profile) != profile

    def forget(self, profile: UUID) -> None:
        """Its number is not verified for it any more."""
        self.verified = {phone: id for phone, id in self.verified.items() if id != profile}

    def refusal(self, account: int, request: UUID) -> type[ReachbookError] | None:
        """Who makes something in a request."""
        if self.account_of(request) != account:
            return NotFoundError
        return ConflictError if self.requests[request].state == "cancelled" else None

    def my_requests(self, account: int) -> list[UUID]:
        """Those that something can be made in."""
        return [id for id in self.requests if self.refusal(account, id) is None]

    @precondition(lambda self: len(self.profiles) < MOST)
    @rule(data=st.data(), account=accounts, phone=st.integers(0, 1))
    def new_profile(self, data: st.DataObject, account: int, phone: int) -> None:
        request = self.pick(data, self.my_requests(account), self.requests)
        if request is not None:
            self.create_profile(account, request, self.phones[phone])

    def create_profile(self, account: int, request: UUID, phone: str) -> None:
        id = ids.new_id()
        draft = profiles.Draft("Webshop", IMAGE, phone)
        call = profiles.create(self.db, self.accounts[account], request, id, draft, self.tick())
        if self.expect(self.refusal(account, request), call) is not None:
            self.profiles[id] = Profile(request, phone)

    @precondition(lambda self: self.profiles)
    @rule(data=st.data(), account=accounts, phone=st.integers(0, 1))
    def renumber(self, data: st.DataObject, account: int, phone: int) -> None:
        id = self.pick_profile(data, account, "pending", "active", "rejected")
        if id is None:
            return
        one, new = self.profiles[id], self.phones[phone]
        refused = None
        if self.account_of(one.request) != account:
            refused = NotFoundError
        elif one.state == "cancelled":
            refused = ConflictError
        self.expect(refused, profiles.renumber(self.db, self.accounts[account], one.request, id, new, self.tick()))
        if refused is None and (new != one.phone or one.state == "rejected"):
            one.phone, one.state, one.expires, one.tries = new, "pending", None, 0
            self.forget(id)

    def pick_profile(self, data: st.DataObject, account: int, *states: str) -> Any:
        """Mostly one of the account's in one of these states."""
        good = [id for id, one in self.profiles.items() if self.account_of(one.request) == account and one.state in states]
        return self.pick(data, good, self.profiles)

    @precondition(lambda self: self.profiles)
    @rule(data=st.data(), account=accounts)
    def start_code(self, data: st.DataObject, account: int) -> None:
        id = self.pick_profile(data, account, "pending")
        if id is None:
            return
        one, now = self.profiles[id], self.tick()
        recent = [start for start in one.starts if now - start < timedelta(hours=1)]
        refused: type[ReachbookError] | None = None
        if self.account_of(one.request) != account:
            refused = NotFoundError
        elif one.state != "pending":
            refused = ConflictError
        elif len(recent) >= 5 or any(now - start < timedelta(minutes=1) for start in recent):
            refused = TooOftenError
        call = profiles.start_code(self.db, self.accounts[account], one.request, id, "sms", senders=OPERATOR_ONLY, now=now)
        self.expect(refused, call)
        if refused is None:
            one.starts.append(now)
            one.expires, one.tries = now + timedelta(minutes=10), 0

    @precondition(lambda self: self.profiles)
    @rule(data=st.data(), account=accounts, code_fits=st.sampled_from([True, True, False]), phone_fits=st.sampled_from([True, True, False]))
    def finish_code(self, data: st.DataObject, account: int, code_fits: bool, phone_fits: bool) -> None:
        id = self.pick_profile(data, account, "pending")
        if id is None:
            return
        one, now = self.profiles[id], self.tick()
        row = self.run(self.db.fetchrow("SELECT code FROM whatsapp_profile WHERE id = $1", id))
        code = (row or {})["code"] or "123456"
        digits = code if code_fits else f"{(int(code) + 1) % 1_000_000:06}"
        phone = one.phone if phone_fits else "+31627100000"
        is_open = one.expires is not None and now < one.expires and one.tries < 5
        refused: type[ReachbookError] | None = None
        if self.account_of(one.request) != account:
            refused = NotFoundError
        elif one.state != "pending":
            refused = ConflictError
        elif not (is_open and code_fits and phone_fits):
            refused = InvalidError
        elif self.is_taken(id):
            refused = ConflictError
        call = profiles.finish_code(self.db, self.accounts[account], one.request, id, phone, digits, senders=OPERATOR_ONLY, now=now)
        if refused is not None and is_open and self.account_of(one.request) == account and one.state == "pending":
            with pytest.raises(refused):
                self.run(call)
            one.tries += 1  # a guess is not free
            return
        self.expect(refused, call)
        if refused is None:
            one.state, one.expires, one.tries = "active", None, 0
            self.verified[one.phone] = id

    @rule(seconds=st.sampled_from([59, 60, 599, 600, 3_600]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    # --- templates

    @precondition(lambda self: len(self.templates) < MOST)
    @rule(data=st.data(), account=accounts)
    def new_template(self, data: st.DataObject, account: int) -> None:
        request = self.pick(data, self.my_requests(account), self.requests)
        if request is not None:
            self.create_template(account, request)

    def create_template(self, account: int, request: UUID) -> None:
        id = ids.new_id()
        call = templates.create(self.db, self.accounts[account], request, id, "Order", self.category, self.tick())
        if self.expect(self.refusal(account, request), call) is not None:
            self.templates[id] = Template(request)

    def pick_template(self, data: st.DataObject, account: int) -> Any:
        """Mostly one of the account's that was not cancelled."""
        good = [id for id, one in self.templates.items() if self.account_of(one.request) == account and not one.is_cancelled]
        return self.pick(data, good, self.templates)

    def template_refusal(self, account: int, template: Template) -> type[ReachbookError] | None:
        """Who changes a template."""
        if self.account_of(template.request) != account:
            return NotFoundError
        return ConflictError if template.is_cancelled else None

    @precondition(lambda self: self.templates)
    @rule(data=st.data(), account=accounts, codes=st.sets(st.sampled_from([*CODES, *CODES, "fr"]), min_size=1))
    def write(self, data: st.DataObject, account: int, codes: set[str]) -> None:
        id = self.pick_template(data, account)
        if id is None:
            return
        fitting = [text for text, fields in CONTENTS.items() if fields == self.templates[id].fields]
        self.write_contents(account, id, {code: self.pick(data, fitting, CONTENTS) for code in sorted(codes)})

    def write_contents(self, account: int, id: UUID, contents: dict[str, str]) -> None:
        one = self.templates[id]
        refused = self.template_refusal(account, one)
        changes = {code: text for code, text in contents.items() if code not in one.languages or one.languages[code].content != text}
        if refused is None and "fr" in contents:
            refused = InvalidError
        elif refused is None and any(code in one.languages and not self.is_open(one.languages[code]) for code in changes):
            refused = ConflictError
        draft = templates.Draft(languages=contents)
        self.expect(refused, templates.update(self.db, self.accounts[account], one.request, id, draft, self.tick()))
        if refused is None:
            one.languages |= {code: Language(text) for code, text in changes.items()}

    def is_open(self, language: Language) -> bool:
        """Whether its content may be changed."""
        return language.state in ("draft", "rejected")

    @precondition(lambda self: self.templates)
    @rule(data=st.data(), account=accounts, more=st.sampled_from([True, True, False]))
    def change_fields(self, data: st.DataObject, account: int, more: bool) -> None:
        id = self.pick_template(data, account)
        if id is None:
            return
        one, of = self.templates[id], self.accounts[account]
        more = more and one.fields < 2  # the longest content names two
        refused = self.template_refusal(account, one)
        if refused is None and one.has("active", "validating", "suspended"):
            refused = ConflictError
        field = self.run(self.db.fetchval("SELECT id FROM template_field WHERE template_id = $1 ORDER BY id LIMIT 1", id))
        if more:
            self.expect(refused, templates.add_field(self.db, of, one.request, id, "name", "text", self.tick()))
        else:
            refused = refused if one.fields or one.is_cancelled else NotFoundError
            self.expect(refused, templates.delete_field(self.db, of, one.request, id, field or ids.new_id(), self.tick()))
        if refused is None:
            one.fields += 1 if more else -1

    @precondition(lambda self: self.templates)
    @rule(data=st.data(), account=accounts)
    def validate(self, data: st.DataObject, account: int) -> None:
        id = self.pick_template(data, account)
        if id is None:
            return
        one = self.templates[id]
        complete = [language for language in one.languages.values() if language.state == "draft" and self.is_complete(one, language)]
        refused = self.template_refusal(account, one)
        if refused is None and not complete:
            refused = ConflictError
        self.expect(refused, templates.validate(self.db, self.accounts[account], one.request, id, self.tick()))
        if refused is None:
            for language in complete:
                language.state = "validating"

    def is_complete(self, template: Template, language: Language) -> bool:
        """By the table of contents."""
        return CONTENTS[language.content] == template.fields

    @rule(data=st.data(), event=st.sampled_from(["approve", "reject", "reinstate", "suspend"]))
    def provider_says(self, data: st.DataObject, event: str) -> None:
        """Whatever it says, about whatever language: it does what the table allows, or nothing."""
        languages = [(id, code) for id, one in self.templates.items() for code in one.languages]
        allowed = LANGUAGE.events[event]
        good = [(id, code) for id, code in languages if self.templates[id].languages[code].state in allowed.sources]
        chosen = self.pick(data, good, languages)
        if chosen is None:
            return
        id, code = chosen
        one, language = self.templates[id], self.templates[id].languages[code]
        account = self.accounts[self.account_of(one.request)]
        before = self.run(standing(self.db, account))
        moved = self.run(self.hear(account, id, code, event))
        assert moved == (language.state in allowed.sources)
        if moved:
            language.state = allowed.target
        else:
            assert self.run(standing(self.db, account)) == before

    async def hear(self, account: AccountId, template: UUID, code: str, event: str) -> bool:
        """What the provider says reaches the language."""
        query = "SELECT l.id FROM template_language l JOIN whatsapp_language w ON w.id = l.language_id WHERE template_id = $1 AND code = $2"
        language = await self.db.fetchval(query, template, code)
        reason = None if event in ("approve", "reinstate") else "It says so."
        async with self.db.transaction() as tx:
            return await templates.decide(tx, account, language, event, reason=reason, now=self.tick())

    # --- what holds after every step

    @invariant()
    def as_the_model_says(self) -> None:
        self.run(self.compare())

    async def compare(self) -> None:
        """The tables against the model."""
        requests = await self.rows("channel_request")
        assert {row["id"]: (row["account_id"], row["state"]) for row in requests} == {
            id: (self.accounts[one.account], one.state) for id, one in self.requests.items()
        }
        for row in requests:
            instants = (row["fulfilled_at"] is not None, row["cancelled_at"] is not None, row["reason"] is not None)
            is_cancelled = row["state"] == "cancelled"
            assert instants == (row["state"] == "fulfilled", is_cancelled, is_cancelled)
        await self.compare_profiles()
        await self.compare_templates()
        await self.compare_flags()
        self.moved("request", {row["id"]: row["state"] for row in requests}, REQUEST)

    async def rows(self, table: str) -> Any:
        """All of a table that are the two accounts'."""
        return await self.db.fetch(f"SELECT * FROM {table} WHERE account_id = ANY($1::uuid[])", self.accounts)

    async def compare_profiles(self) -> None:
        found = await self.rows("whatsapp_profile")
        assert {row["id"]: (row["phone"], row["state"], row["code_tries"], row["code_expires_at"]) for row in found} == {
            id: (one.phone, one.state, one.tries, one.expires) for id, one in self.profiles.items()
        }
        for row in found:
            state = row["state"]
            names = ("fulfilled_at", "rejected_at", "rejection_reason", "cancelled_at")
            is_set = tuple(row[name] is not None for name in names)
            reason = state == "rejected" or (state == "cancelled" and row["rejection_reason"] is not None)
            assert is_set == (state == "active", state == "rejected", reason, state == "cancelled")
            assert (row["code"] is not None) == (row["code_hash"] is not None) == (row["code_expires_at"] is not None)
        verified = await self.db.fetch("SELECT phone, profile_id FROM whatsapp_number WHERE owner_id = ANY($1::uuid[])", self.accounts)
        assert {row["phone"]: row["profile_id"] for row in verified} == self.verified
        assert set(self.verified.values()) == {id for id, one in self.profiles.items() if one.state == "active"}
        self.moved("profile", {row["id"]: row["state"] for row in found}, PROFILE)

    async def compare_templates(self) -> None:
        for id, one in self.templates.items():
            template = await templates.get(self.db, self.accounts[self.account_of(one.request)], one.request, id)
            assert (len(template.fields), template.cancelled_at is not None) == (one.fields, one.is_cancelled)
            assert {each.language.code: (each.content, each.state) for each in template.languages} == {
                code: (each.content, each.state) for code, each in one.languages.items()
            }
            for each in template.languages:
                assert (each.rejected_at is not None) == (each.state == "rejected")
                assert (CONTENTS[each.content] == one.fields) is not bool(each.faults)
                assert each.submitted_at is not None or each.state in ("draft", "cancelled")
                assert each.fulfilled_at is not None or each.state not in ("active", "suspended")
            assert template.is_active == one.has("active")
            assert template.is_incomplete == (one.has("draft") or not one.languages)
            is_rejected = one.has("rejected") and not one.has("active", "validating")
            assert template.is_pending == (not one.is_cancelled and not one.has("active", "suspended") and not is_rejected)
            self.moved("language", {each.id: each.state for each in template.languages}, LANGUAGE)

    def moved(self, kind: str, found: dict[Any, str], machine: Machine) -> None:
        """Between two looks, each thing stayed or took a way that the table has (edited and rejected at once are two)."""
        steps = {(source, event.target) for event in machine.events.values() for source in event.sources}
        for id, state in found.items():
            before = self.seen.get((kind, id))
            if before is None:
                assert kind == "request" or state in machine.start
            elif before != state:
                assert (before, state) in steps, f"a {kind} was {before} and is {state}"
            self.seen[kind, id] = state

    async def compare_flags(self) -> None:
        """Channels and the work queue agree with the states."""
        expected: dict[UUID, tuple[bool, bool]] = {}
        for id, one in self.profiles.items():
            expected[id] = (one.state != "active", one.state == "cancelled")
        for id, template in self.templates.items():
            expected[id] = (not template.has("active"), template.is_cancelled)
        found = {row["entity_id"]: (row["is_pending"], row["ended_at"] is not None) for row in await self.rows("channel")}
        assert found.keys() == expected.keys()
        for id, (is_pending, is_over) in expected.items():
            assert found[id][1] == is_over
            assert is_over or found[id][0] == is_pending
        pending = {id for id, one in self.profiles.items() if one.state == "pending"}
        pending |= {id for id, one in self.requests.items() if one.state == "pending"}
        rows = await self.rows("work_item")
        kinds = {Kind.PROFILE, Kind.CHANNEL}
        assert {row["entity_id"] for row in rows if row["state"] == "pending" and row["kind"] in kinds} == pending
        waiting = [language for one in self.templates.values() for language in one.languages.values() if language.state == "validating"]
        of_languages = [row for row in rows if row["state"] == "pending" and row["kind"] == Kind.TEMPLATE_LANGUAGE]
        assert len(of_languages) == len(waiting)
        businesses = [row for row in rows if row["state"] == "pending" and row["kind"] == Kind.BUSINESS_ACCOUNT]
        assert len(businesses) == sum(one.state == "pending" for one in self.requests.values())
        for row in rows:
            assert (row["reason"] is not None) == (row["state"] == "rejected")
        for account in self.accounts:
            for channel in await channels.list_channels(self.db, account):
                shown = await channels.with_progress(self.db, account, channel.group_id)
                assert channel in [one for one, _ in shown]


def test_any_order_of_calls_about_whatsapp(quiet_runner: Runner) -> None:
    with mock.patch.object(one_time_codes, "HASHER", CHEAP):  # a hash that takes its time would leave us few steps
        run_state_machine_as_test(
            lambda: Desk(quiet_runner),
            settings=settings(max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)),
        )
