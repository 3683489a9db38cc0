"""What happens behind CM Channels' wire in golden cases (`{"act": [name, …]}`), through core: the operator's stock and decisions."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from reachbook.core import catalogues, decisions, ids, numbers, profiles, templates
from reachbook.core.catalogues import NumberTypeDraft
from reachbook.core.ids import AccountId
from reachbook.core.one_time_codes import Senders
from reachbook.core.work_queue import Kind
from reachbook.database.pool import Pool
from tests.core import channels as core
from tests.dialects.golden import Beside
from tests.support import Client

PRICES: dict[str, Any] = {
    "startup_cost": Decimal(10),
    "monthly_cost": Decimal("2.5"),
    "notice_days": 30,
    "keyword_startup_cost": Decimal(5),
    "keyword_monthly_cost": Decimal("0.125"),
    "keyword_notice_days": 14,
    "processing_days": 3,
}


async def catalogue(db: Pool) -> Mapping[str, str]:
    """The ids of what an installation starts with."""
    types = {type.key.lower(): str(type.id) for type in await catalogues.channel_types(db)}
    languages = {f"language {language.code}": str(language.id) for language in await catalogues.languages(db)}
    categories = {f"category {category.name}": str(category.id) for category in await catalogues.template_categories(db)}
    named = {
        "sms": types["sms"],
        "whatsapp": types["whatsapp"],
        "rcs": types["rcs"],
        "english": languages["language en"],
        "dutch": languages["language nl"],
        "german": languages["language de"],
        "utility": categories["category UTILITY"],
        "marketing": categories["category MARKETING"],
    }
    for key in ("sms", "whatsapp"):
        type = await catalogues.channel_type(db, UUID(types[key]))
        named |= {f"{key}_{category.name}": str(category.id) for category in type.categories}
    return named


class Behind:
    """The operator, and another account that has things too. Every number and category is the test's own."""

    def __init__(self, db: Pool, account: AccountId, other: AccountId) -> None:
        self.db, self.account, self.other = db, account, other

    def acts(self) -> Mapping[str, Callable[..., Awaitable[Mapping[str, str]]]]:
        """By name."""
        return {
            "number type": self.number_type,
            "reprice": self.reprice,
            "stock": self.stock,
            "short code": self.short_code,
            "rent": self.rent,
            "withdraw": self.withdraw,
            "whatsapp": self.whatsapp,
            "approve": self.approve,
            "reject": self.reject,
            "suspend": self.suspend,
            "profile": self.profile,
            "taken elsewhere": self.taken_elsewhere,
            "code": self.code,
            "codes within the hour": self.codes,
            "code expires": self.expire,
            "endpoint": self.endpoint,
        }

    async def number_type(self, country: str = "NL", name: str = "") -> Mapping[str, str]:
        """`{type}` and its own `{category}`; with a name `{type <name>}`."""
        category = core.fresh_name().upper()
        made = await core.number_type(self.db, country=country, category=category, description="A Dutch mobile number", **PRICES)
        return {f"type{name}": str(made.id), f"category{name}": category}

    async def reprice(self, type: str) -> Mapping[str, str]:
        """Everything costs 99 from now on."""
        dear = dict.fromkeys(("startup_cost", "monthly_cost", "keyword_startup_cost", "keyword_monthly_cost"), Decimal(99))
        await catalogues.save_number_type(self.db, UUID(type), NumberTypeDraft(**dear))
        return {}

    async def stock(self, type: str, name: str, kind: str = "free") -> Mapping[str, str]:
        """A number, free or shared."""
        draft = numbers.Draft(core.fresh_number(), UUID(type), kind == "shared")
        [number] = await numbers.stock(self.db, [draft], ids.now())
        return {name: number.id}

    async def short_code(self, type: str, name: str) -> Mapping[str, str]:
        """A shared one as dialled, eight digits."""
        digits = core.fresh_number()[-8:]
        await numbers.stock(self.db, [numbers.Draft(digits, UUID(type), True, True)], ids.now())
        return {name: digits}

    async def rent(self, type: str, name: str, whose: str = "alice") -> Mapping[str, str]:
        """A number that an account owns."""
        number = await self.stock(type, name)
        account = self.account if whose == "alice" else self.other
        request = await core.ask(self.db, account, await catalogues.number_type(self.db, UUID(type)), now=ids.now())
        assert request.phone_number_id == number[name]
        return number

    async def withdraw(self, number: str) -> Mapping[str, str]:
        """Out of service."""
        await numbers.withdraw(self.db, number, ids.now())
        return {}

    async def whatsapp(self) -> Mapping[str, str]:
        """A WhatsApp `{request}` that was fulfilled."""
        return {"request": str(await core.whatsapp(self.db, self.account, ids.now()))}

    async def approve(self, kind: str, entity: str) -> Mapping[str, str]:
        """The operator approves what is in the work queue."""
        item = await core.item_of(self.db, self.account, Kind(kind), UUID(entity))
        await decisions.approve(self.db, self.account, item, now=ids.now())
        return {}

    async def reject(self, kind: str, entity: str, reason: str = "REJECTION REASON") -> Mapping[str, str]:
        """The operator rejects it."""
        item = await core.item_of(self.db, self.account, Kind(kind), UUID(entity))
        await decisions.reject(self.db, self.account, item, reason, ids.now())
        return {}

    async def suspend(self, language: str) -> Mapping[str, str]:
        """The provider does not let a template's language be used for a while."""
        async with self.db.transaction() as tx:
            assert await templates.decide(tx, self.account, UUID(language), "suspend", reason="Complaints", now=ids.now())
        return {}

    async def profile(self, request: str, name: str = "profile") -> Mapping[str, str]:
        """A profile that the operator makes, and its `phone` as digits."""
        made = await core.profile(self.db, self.account, UUID(request), now=ids.now())
        return {name: str(made.id), f"{name}_phone": made.phone.removeprefix("+"), "image": core.IMAGE}

    async def taken_elsewhere(self, phone: str) -> Mapping[str, str]:
        """Another account has an active profile on this number."""
        request = await core.whatsapp(self.db, self.other, ids.now())
        made = await core.profile(self.db, self.other, request, f"+{phone}", ids.now())
        item = await core.item_of(self.db, self.other, Kind.PROFILE, made.id)
        await decisions.approve(self.db, self.other, item, now=ids.now())
        return {}

    async def code(self, profile: str) -> Mapping[str, str]:
        """The `{otp}` that is out, and a `{wrong}` one."""
        out = await core.open_code(self.db, self.account, UUID(profile), ids.now())
        assert out is not None
        return {"otp": out.digits, "wrong": f"{(int(out.digits) + 1) % 10**6:06}"}

    async def codes(self, request: str, profile: str) -> Mapping[str, str]:
        """Five codes were sent in the last fifty minutes."""
        for minutes in (50, 40, 30, 20, 10):
            now = ids.now() - timedelta(minutes=minutes)
            await profiles.start_code(self.db, self.account, UUID(request), UUID(profile), "sms", senders=Senders(), now=now)
        return {}

    async def expire(self, profile: str) -> Mapping[str, str]:
        """Ten minutes pass."""
        statement = "UPDATE whatsapp_profile SET code_expires_at = $3 WHERE account_id = $1 AND id = $2"
        await self.db.execute(statement, self.account, UUID(profile), ids.now())
        return {}

    async def endpoint(self, id: str, what: str) -> Mapping[str, str]:
        """What sends to it notes that it is failing, or disables it."""
        column = {"fails": "failing_since", "is disabled": "disabled_at"}[what]
        await self.db.execute(
            f"UPDATE channel_endpoint SET {column} = $3 WHERE account_id = $1 AND id = $2", self.account, UUID(id), ids.now()
        )
        return {}


async def beside(db: Pool, alice: Client, bob: Client) -> Beside:
    """For `golden.play_as`; `{here}` is the server's address."""
    here = str(alice.base_url.copy_with(path="/")).rstrip("/")
    return Beside({"here": here, **await catalogue(db)}, Behind(db, alice.account, bob.account).acts())
