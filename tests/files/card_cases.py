"""vCards as phones and mail programs export them."""

import textwrap

from reachbook.files.opening import Reading
from tests.files.case import Case, buckets

BOM = "\ufeff"
PICTURE = "/9j/4AAQSkZJRgABAQAAAQABAAD" * 40
NAMED = ["Name", "Phone"]


def card(*lines: str, version: str = "3.0", end: str = "\r\n") -> str:
    """One card."""
    return end.join(("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""))


def folded(line: str, indent: str = " ") -> list[str]:
    """A long line over several, as 3.0 has it; without indent as 2.1's pictures are."""
    first, *rest = textwrap.wrap(line, 70, break_on_hyphens=False)
    return [first, *(indent + part for part in rest)]


def _cards(name: str, content: str | bytes, columns: list[str], rows: list[list[str] | None], made: dict[str, int], **more: object) -> Case:
    octets = content if isinstance(content, bytes) else content.encode()
    return Case(name, "contacts.vcf", octets, columns, rows, made, kind="vcard", first=1, **more)  # type: ignore[arg-type]


def _jan(name: str, content: str | bytes, **more: object) -> Case:
    return _cards(name, content, NAMED, [["Jan Vis", "0612345671"]], buckets(created=1), **more)


JAN = card("FN:Jan Vis", "TEL:0612345671")
QUOTED = [
    "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=4D=C3=BC=6C=6C=65=72;=4A=C3=B6=",
    "=72=67;;;",
    "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=4A=C3=B6=72=67=20=4D=C3=",
    "=BC=6C=6C=65=72",
    "TEL;CELL;PREF:+49 151 23456789",
    "NOTE;QUOTED-PRINTABLE;CHARSET=ISO-8859-1:=E9=E9n keer=",
    " at 10:30=0D=0A=",
    "END: of the week",
]
ANDROID = [
    _cards(
        "vcard_21_quoted_printable",
        card(*QUOTED, version="2.1"),
        ["Last name", "First name", "Name", "Mobile", "Note"],
        [["Müller", "Jörg", "Jörg Müller", "+49 151 23456789", "één keer at 10:30\r\nEND: of the week"]],
        buckets(created=1),
    ),
    _cards(
        "vcard_21_quoted_semicolon",
        card("N;ENCODING=QUOTED-PRINTABLE:Vis =3B Zn;Jan;;;", "TEL;CELL:0612345671", version="2.1"),
        ["Last name", "First name", "Mobile"],
        [["Vis ; Zn", "Jan", "0612345671"]],
        buckets(created=1),
    ),
    _cards(
        "vcard_21_latin1",
        card("N;CHARSET=ISO-8859-1:Müller;Jörg", "TEL;HOME;VOICE:0612345671", version="2.1").encode("latin-1"),
        ["Last name", "First name", "Phone"],
        [["Müller", "Jörg", "0612345671"]],
        buckets(created=1),
    ),
    _jan("vcard_21_picture", card("FN:Jan Vis", *folded("PHOTO;ENCODING=BASE64;JPEG:" + PICTURE), "", "TEL:0612345671", version="2.1")),
    _jan("vcard_21_picture_without_indent", card("FN:Jan Vis", *folded("PHOTO;ENCODING=BASE64;JPEG:" + PICTURE, ""), "", "TEL:0612345671")),
]
APPLE = [
    _cards(
        "vcard_apple_groups",
        card(
            "PRODID:-//Apple Inc.//iPhone OS 17.1//EN",
            "N:de Vries;Anna;;;",
            "FN:Anna de Vries",
            "ORG:ACME\\, Inc.;Sales",
            "item1.TEL;type=pref:+31612345671",
            "item1.X-ABLabel:_$!<Home>!$_",
            "item2.EMAIL;type=INTERNET;type=pref:anna@example.com",
            "item2.X-ABLabel:news",
            "item3.ADR;type=HOME:;;Dorpsstraat 1\\nhoog;Breda;;4811 AA;Netherlands",
            "item3.X-ABADR:nl",
        ),
        ["Last name", "First name", "Name", "Company", "Phone", "Email", "Address 1", "City", "Postal code", "Country"],
        [
            [
                "de Vries",
                "Anna",
                "Anna de Vries",
                "ACME, Inc.",
                "+31612345671",
                "anna@example.com",
                "Dorpsstraat 1\nhoog",
                "Breda",
                "4811 AA",
                "Netherlands",
            ]
        ],
        buckets(created=1),
    ),
    _jan("vcard_picture", card("FN:Jan Vis", *folded("PHOTO;ENCODING=b;TYPE=JPEG:" + PICTURE), "TEL:0612345671")),
    _jan("vcard_picture_in_one_line", card("FN:Jan Vis", "item1.PHOTO;ENCODING=b;TYPE=JPEG:" + PICTURE, "TEL:0612345671")),
    _jan(
        "vcard_property_folded_before_its_colon",
        card("FN:Jan Vis", "PHOTO:" + PICTURE, "TEL;type=HOME;type=VOICE", " ;type=pref:0612345671"),
    ),
    _cards(
        "vcard_of_nobody",
        card(version="3.0") + JAN,
        NAMED,
        [None, ["Jan Vis", "0612345671"]],
        buckets(created=1, refused=1),
        faults={1: "has nothing in it"},
    ),
]
FOLDS = [
    _jan("vcard_folded", card("FN:Ja", " n", "  Vis", "TEL:06123", "\t45671")),
    _cards(
        "vcard_folded_within_a_letter",
        card("FN:Žužana Müllerová", "TEL:0612345671").encode() + b"BEGIN:VCARD\r\nFN:M\xc3\r\n \xbcller\r\nTEL:0612345672\r\nEND:VCARD\r\n",
        NAMED,
        [["Žužana Müllerová", "0612345671"], ["Müller", "0612345672"]],
        buckets(created=2),
    ),
    _jan("vcard_cr", card("FN:Jan Vis", "TEL:0612345671", end="\r")),
    _jan("vcard_lower_case", JAN.lower().replace("jan vis", "Jan Vis")),
]
ENCODINGS = [
    _jan("vcard_utf8_bom", BOM + JAN),
    _jan("vcard_utf8_bom_named_utf8", BOM + JAN, reading=Reading(encoding="utf-8")),
    _jan("vcard_utf16", JAN.encode("utf-16")),
    _jan("vcard_utf16_without_bom", JAN.encode("utf-16-be")),
    _cards(
        "vcard_with_a_letter_cut",
        card("FN:Žužana Müllerová", "TEL:0612345671").encode() + card("FN:J\xe9", "TEL:0612345672").encode("latin-1"),
        NAMED,
        [["Žužana Müllerová", "0612345671"], None],
        buckets(created=1, refused=1),
        faults={2: "has bytes that are no UTF-8 text"},
    ),
]
MODERN = [
    _cards(
        "vcard_40",
        card(
            "KIND:individual",
            "FN:Jan Vis",
            "N:Vis;Jan;;;",
            'TEL;VALUE=uri;PREF=1;TYPE="voice,cell":tel:+31-6-12345671',
            'TEL;VALUE=uri;TYPE="voice,home":tel:+31-20-1234567;ext=12',
            "EMAIL;TYPE=work:jan@example.com",
            "NOTE:a\\;b\\,c\\nd",
            version="4.0",
        ),
        ["Name", "Last name", "First name", "Mobile", "Phone", "Email", "Note"],
        [["Jan Vis", "Vis", "Jan", "+31-6-12345671", "+31-20-1234567", "jan@example.com", "a;b,c\nd"]],
        buckets(created=1),
    ),
    _cards(
        "vcard_40_uris_in_capitals",
        card("FN:Jan Vis", "TEL;VALUE=uri:TEL:+31612345671", "EMAIL:MAILTO:jan@example.com", version="4.0"),
        ["Name", "Phone", "Email"],
        [["Jan Vis", "+31612345671", "jan@example.com"]],
        buckets(created=1),
    ),
    _cards(
        "vcard_40_group",
        card("KIND:group", "FN:Friends", "MEMBER:urn:uuid:03a0e51f-d1aa-4385-8a53-e29025acd8af", version="4.0") + JAN,
        NAMED,
        [None, ["Jan Vis", "0612345671"]],
        buckets(created=1, refused=1),
        faults={1: "is the card of a group"},
    ),
    _cards(
        "vcard_apple_group",
        card("N:Friends", "FN:Friends", "X-ADDRESSBOOKSERVER-KIND:group", "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:03a0e51f") + JAN,
        ["Last name", *NAMED],
        [None, ["", "Jan Vis", "0612345671"]],
        buckets(created=1, refused=1),
        faults={1: "is the card of a group"},
    ),
    _cards(
        "vcard_several_phones",
        card(
            "FN:Jan Vis",
            "TEL;HOME:0201234567",
            "TEL;WORK;FAX:0201234568",
            "TEL;CELL:0612345671",
            "TEL;TYPE=cell,voice:0612345672",
            "TEL:0201234569",
        ),
        ["Name", "Phone", "Fax", "Mobile", "Mobile 2", "Phone 2"],
        [["Jan Vis", "0201234567", "0201234568", "0612345671", "0612345672", "0201234569"]],
        buckets(created=1),
    ),
    _cards(
        "vcard_backslashes",
        card("FN:Jan Vis", "NOTE:C:\\\\temp\\\\,more", "TITLE:ends with \\", "TEL:0612345671"),
        ["Name", "Note", "Job title", "Phone"],
        [["Jan Vis", "C:\\temp\\,more", "ends with \\", "0612345671"]],
        buckets(created=1),
    ),
    _cards(
        "vcard_own_field_called_phone",
        card("FN:Jan Vis", "TEL:0612345671", "X-REACHBOOK-FIELD;X-NAME=phone:0612345672"),
        ["Name", "Phone", "phone 2"],
        [["Jan Vis", "0612345671", "0612345672"]],
        buckets(created=1),
    ),
    _cards(
        "vcard_with_a_nul",
        card("FN:Jan\0Vis", "TEL:0612345671") + card("FN:Piet", "TEL:0612345672") + card("FN:Piet", "TEL:+31 6 12345672"),
        NAMED,
        [["Jan\0Vis", "0612345671"], ["Piet", "0612345672"], ["Piet", "+31 6 12345672"]],
        buckets(created=1, duplicate=1, refused=1),
    ),
]
CUT = [
    Case("vcard_cut_off", "contacts.vcf", (JAN + JAN[:-20]).encode(), error="begins in line 6 has no end"),
    Case(
        "vcard_without_an_end",
        "contacts.vcf",
        b"BEGIN:VCARD\r\nFN:Piet\r\nTEL:0612345672\r\n" + JAN.encode(),
        error="begins in line 1 has no end",
    ),
]
CASES = [*ANDROID, *APPLE, *FOLDS, *ENCODINGS, *MODERN, *CUT]
