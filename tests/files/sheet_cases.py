"""Spreadsheets: what Excel, LibreOffice and the libraries of other programs write, and what they do to numbers."""

import datetime as dt
import io
from collections.abc import Callable
from xml.sax.saxutils import escape

import openpyxl
import xlsxwriter

from reachbook.files.opening import Reading
from reachbook.files.rows import Mark
from tests.files.case import HEADER, OF_PEOPLE, PEOPLE, PLAIN, SHORT, Case, buckets, people
from tests.files.packed_cases import MEGABYTE, packed, repacked

TWO = buckets(created=2)
TOO_LARGE = "too large or too damaged"


def workbook(fill: Callable[[xlsxwriter.Workbook], None], **options: object) -> bytes:
    """An XLSX as Excel writes it."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, **options}) as book:
        fill(book)
    return target.getvalue()


def sheet(rows: list[list[object]], row: int = 0, column: int = 0, name: str = "Sheet1") -> bytes:
    """An XLSX of one sheet whose cells begin somewhere."""

    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet(name)
        for below, cells in enumerate(rows):
            page.write_row(row + below, column, cells)

    return workbook(fill)


def _by_hand(rows: str, dimension: str = "A1:Z9") -> bytes:
    """An XLSX whose sheet has these rows of XML."""
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f'<dimension ref="{dimension}"/><sheetData>{rows}</sheetData></worksheet>'
    )
    return repacked(sheet([["x"]]), lambda name, content: xml.encode() if name == "xl/worksheets/sheet1.xml" else content)


def _inline(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def _row(number: int, *texts: str) -> str:
    return f'<row r="{number}">{"".join(_inline(f"{letter}{number}", text) for letter, text in zip("ABCDE", texts, strict=False))}</row>'


def _unplaced(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{escape(text)}</t></is></c>'


def _several_sheets(book: xlsxwriter.Workbook) -> None:
    """Hidden, visible, a chart, very hidden."""
    pages = {name: book.add_worksheet(name) for name in ("Geheim", "Übersicht", "Leden")}
    chart = book.add_chart({"type": "line"})
    chart.add_series({"values": "=Leden!$A$1:$A$2"})
    book.add_chartsheet("Grafiek").set_chart(chart)
    pages["Übersicht"].activate()
    pages["Geheim"].hide()
    pages["Leden"].very_hidden()
    for name, page in pages.items():
        page.write_row(0, 0, SHORT)
        page.write_row(1, 0, [name, "0612345671"])


NUMBERS: list[list[object]] = [
    SHORT,  # type: ignore[list-item]
    ["plus lost", 31612345671],
    ["zero lost", 612345672],
    ["15 digits", 123456789012345],
    ["19 digits", 1234567890123456789],
    ["as text", "3.16E+10"],
    ["as number", 3.16e10],
    ["zero kept", "0612345673"],
    ["of sums", 0.1 + 0.2],
]
NUMBERS_READ = [
    ["plus lost", "31612345671"],
    ["zero lost", "612345672"],
    ["15 digits", "123456789012345"],
    ["19 digits", "1.23456789012346E+18"],
    ["as text", "3.16E+10"],
    ["as number", "31600000000"],
    ["zero kept", "0612345673"],
    ["of sums", "0.3"],
]


def _kinds(book: xlsxwriter.Workbook) -> None:
    """Dates, times, booleans and formulas in the column Company."""
    page = book.add_worksheet()
    page.write_row(0, 0, ["Phone", "Company"])
    for row in range(1, 11):
        page.write(row, 0, f"061234567{row - 1}")
    page.write_datetime(1, 1, dt.datetime(2024, 2, 29), book.add_format({"num_format": "dd-mm-yyyy"}))  # noqa: DTZ001
    page.write_datetime(2, 1, dt.datetime(2024, 2, 29, 13, 5, 7), book.add_format({"num_format": "d mmm yyyy hh:mm"}))  # noqa: DTZ001
    page.write_datetime(3, 1, dt.time(13, 5), book.add_format({"num_format": "hh:mm"}))
    page.write_boolean(4, 1, True)
    page.write_boolean(5, 1, False)
    page.write_formula(6, 1, '="AC"&"ME"', None, "ACME")
    page.write_formula(7, 1, "=1+1", None, 2)
    page.write_formula(8, 1, "=A1=A1", None, True)
    page.write_formula(9, 1, "=NA()", None, "#N/A")
    page.write_formula(10, 1, "=1/0", None, "#DIV/0!")


KINDS = ["2024-02-29", "2024-02-29 13:05:07", "13:05:00", "true", "false", "ACME", "2", "true", "#N/A", "#DIV/0!"]


def _stray(row: int, column: int) -> Callable[[], bytes]:
    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet()
        for number, cells in enumerate([SHORT, *PLAIN]):
            page.write_row(number, 0, cells)
        page.write(row, column, "x")

    return lambda: workbook(fill)


def _openpyxl() -> bytes:
    """Written by another library, which keeps its texts elsewhere and calculates no formula."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in [SHORT, *PLAIN]:
        book.active.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _bomb() -> bytes:
    return repacked(sheet([["x"]]), lambda name, content: content + b" " * (8 * MEGABYTE) if name.endswith("sheet1.xml") else content)


def _cut_xml() -> bytes:
    return repacked(sheet([SHORT]), lambda name, content: content[: len(content) // 2] if name.endswith("sheet1.xml") else content)


def _macros() -> bytes:
    return repacked(sheet([SHORT, *PLAIN]), lambda _, content: content, {"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0" + b"\0" * 508})


def _xlsx(name: str, content: Callable[[], bytes], columns: list[str], rows: list, made: dict[str, int] | None, **more: object) -> Case:
    return Case(name, **({"filename": "contacts.xlsx", "kind": "xlsx"} | more), content=content, columns=columns, rows=rows, buckets=made)  # type: ignore[arg-type]


def _two(name: str, content: Callable[[], bytes], **more: object) -> Case:
    return _xlsx(name, content, SHORT, PLAIN, TWO, **more)


def _of_sheet(name: str, asked: str | None, first: str) -> Case:
    return _xlsx(name, lambda: workbook(_several_sheets), SHORT, [[first, "0612345671"]], buckets(created=1), reading=Reading(sheet=asked))


XLSX = [
    _xlsx("xlsx", lambda: sheet([HEADER, *PEOPLE]), HEADER, PEOPLE, OF_PEOPLE),
    _two("xlsx_by_openpyxl", _openpyxl),
    _two("xlsx_called_csv", lambda: sheet([SHORT, *PLAIN]), filename="contacts.csv"),
    _two("xlsx_called_xls", lambda: sheet([SHORT, *PLAIN]), filename="contacts.xls"),
    _two("xlsx_in_a_zip", lambda: packed({"contacts.xlsx": sheet([SHORT, *PLAIN])})),
    _two("xlsx_with_macros", _macros, filename="contacts.xlsm"),
    Case("csv_called_xlsx", "contacts.xlsx", people().encode(), HEADER, PEOPLE, OF_PEOPLE),
    _of_sheet("xlsx_first_visible_sheet", None, "Übersicht"),
    _of_sheet("xlsx_named_sheet", "übersicht", "Übersicht"),
    _of_sheet("xlsx_hidden_sheet", "Geheim", "Geheim"),
    _of_sheet("xlsx_very_hidden_sheet", "Leden", "Leden"),
    Case(
        "xlsx_no_such_sheet",
        "contacts.xlsx",
        lambda: workbook(_several_sheets),
        reading=Reading(sheet="Ledén"),
        error="There is no sheet 'Ledén'; there are 'Geheim', 'Übersicht'",
    ),
    Case("xlsx_empty", "contacts.xlsx", lambda: sheet([]), error="no text in it"),
    _xlsx("xlsx_header_only", lambda: sheet([SHORT], row=4), SHORT, [], buckets()),
]
CELLS = [
    _xlsx(
        "xlsx_numbers",
        lambda: sheet(NUMBERS),
        SHORT,
        NUMBERS_READ,
        buckets(created=3, refused=5),
        marks={
            2: {1: Mark.NUMBER},
            3: {1: Mark.NUMBER},
            4: {1: Mark.NUMBER},
            5: {1: Mark.DAMAGED},
            7: {1: Mark.NUMBER},
            9: {1: Mark.NUMBER},
        },
    ),
    _xlsx(
        "xlsx_kinds",
        lambda: workbook(_kinds),
        ["Phone", "Company"],
        [[f"061234567{place}", text] for place, text in enumerate(KINDS)],
        buckets(created=8, refused=2),
        marks={8: {1: Mark.NUMBER}, 10: {1: Mark.DAMAGED}, 11: {1: Mark.DAMAGED}},
    ),
    _xlsx(
        "xlsx_dates_from_1904",
        lambda: workbook(_kinds, date_1904=True),
        ["Phone", "Company"],
        [["0612345670", "2024-02-29"], ["0612345671", "2024-02-29 13:05:07"], *[None] * 8],
        None,
        marks={8: {1: Mark.NUMBER}, 10: {1: Mark.DAMAGED}, 11: {1: Mark.DAMAGED}},
    ),
    _xlsx(
        "xlsx_error_as_typed",
        lambda: _by_hand(f'{_row(1, *SHORT)}<row r="2">{_inline("A2", "Jan")}<c r="B2" t="e"><v>#REF!</v></c></row>{_row(3, *PLAIN[1])}'),
        SHORT,
        [["Jan", "#REF!"], PLAIN[1]],
        buckets(created=1, refused=1),
        marks={2: {1: Mark.DAMAGED}},
    ),
    _xlsx(
        "xlsx_error_of_a_later_excel",
        lambda: _by_hand(
            f'{_row(1, *SHORT)}<row r="2">{_inline("A2", "Jan")}<c r="B2" t="e"><v>#GETTING_DATA</v></c></row>{_row(3, *PLAIN[1])}'
        ),
        SHORT,
        [["Jan", "#GETTING_DATA"], PLAIN[1]],
        buckets(created=1, refused=1),
        marks={2: {1: Mark.DAMAGED}},
    ),
    _xlsx(
        "xlsx_texts_of_several_parts",
        lambda: _by_hand(
            f'{_row(1, *SHORT)}<row r="2"><c r="A2" t="inlineStr"><is><r><t>Ja</t></r><r><t>n</t></r></is></c>'
            f"{_inline('B2', '0612345671')}</row>"
            f"{_row(3, 'Pi_x000D_&et', '0612345672')}"
        ),
        SHORT,
        [PLAIN[0], ["Pi\r&et", "0612345672"]],
        TWO,
    ),
]
PLACES = [
    _two("xlsx_header_in_row_4", lambda: sheet([SHORT, *PLAIN], row=3), first=5),
    _xlsx(
        "xlsx_header_in_column_c",
        lambda: sheet([SHORT, *PLAIN], column=2),
        ["Column 1", "Column 2", *SHORT],
        [["", "", *cells] for cells in PLAIN],
        TWO,
    ),
    _xlsx(
        "xlsx_header_in_c4",
        lambda: sheet([SHORT, [], *PLAIN], row=3, column=2),
        ["Column 1", "Column 2", *SHORT],
        [["", "", *cells] for cells in PLAIN],
        TWO,
        numbers=[6, 7],
    ),
    _two(
        "xlsx_that_claims_one_cell",
        lambda: _by_hand(_row(1, *SHORT) + _row(2, *PLAIN[0]) + _row(5, *PLAIN[1]), dimension="A1"),
        numbers=[2, 5],
    ),
    _two(
        "xlsx_without_references",
        lambda: _by_hand("".join(f"<row>{''.join(map(_unplaced, cells))}</row>" for cells in [SHORT, *PLAIN])),
    ),
    Case("xlsx_stray_cell_in_the_last_corner", "contacts.xlsx", _stray(1_048_575, 16_383), error=TOO_LARGE),
    Case("xlsx_stray_cell_right_of_the_header", "contacts.xlsx", _stray(0, 16_383), error="16,384 columns"),
    _xlsx(
        "xlsx_stray_cell_in_the_last_row",
        _stray(1_048_575, 0),
        SHORT,
        [*PLAIN, ["x", ""]],
        buckets(created=3),
        numbers=[2, 3, 1_048_576],
    ),
    _xlsx(
        "xlsx_stray_cell_right_of_a_row",
        _stray(2, 16_383),
        SHORT,
        [PLAIN[0], None],
        buckets(created=1, refused=1),
        faults={3: "has 16384 cells where the header has 2"},
    ),
]
BROKEN = [
    Case("xlsx_truncated", "contacts.xlsx", lambda: sheet([HEADER, *PEOPLE])[:-100], error="cut off or damaged"),
    Case("xlsx_with_a_sheet_cut", "contacts.xlsx", _cut_xml, error="can't be read"),
    Case("xlsx_bomb", "contacts.xlsx", _bomb, error="more than 1 MB", limit=MEGABYTE),
    Case("xls_that_is_none", "contacts.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, error="can't be read"),
]

ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
ODS_SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{place}:1.0"'
    for name, place in {"office": "office", "table": "table", "text": "text", "style": "style"}.items()
)
MANIFEST = (
    '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" '
    f'manifest:version="1.2"><manifest:file-entry manifest:full-path="/" manifest:media-type="{ODS_TYPE}"/>'
    '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
)


def ods(rows: str, styles: str = "", table: str = "") -> bytes:
    """An ODS whose only sheet has these rows of XML."""
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {ODS_SPACES} office:version="1.2">'
        f"<office:automatic-styles>{styles}</office:automatic-styles><office:body><office:spreadsheet>"
        f'<table:table table:name="Blad1"{table}>{rows}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    members = {"mimetype": ODS_TYPE.encode(), "content.xml": content.encode(), "META-INF/manifest.xml": MANIFEST.encode()}
    return packed(members, stored=frozenset({"mimetype"}))


def _line(*cells: str, repeated: int = 1) -> str:
    return f'<table:table-row table:number-rows-repeated="{repeated}">{"".join(cells)}</table:table-row>'


def _text(text: str, repeated: int = 1) -> str:
    of_text = f'office:value-type="string" table:number-columns-repeated="{repeated}"'
    return f"<table:table-cell {of_text}><text:p>{escape(text)}</text:p></table:table-cell>"


def _value(kind: str, attribute: str, value: str, shown: str) -> str:
    return f'<table:table-cell office:value-type="{kind}" office:{attribute}="{value}"><text:p>{shown}</text:p></table:table-cell>'


def _blank(repeated: int) -> str:
    return f'<table:table-cell table:number-columns-repeated="{repeated}"/>'


def _ods_repeated() -> bytes:
    """As LibreOffice writes: to the end of the sheet, blank cells and rows are counted."""
    rest = _blank(16_382)
    return ods(
        _line(_text("First name"), _text("Phone"), rest)
        + _line(_text("Jan"), _text("0612345671"), rest)
        + _line(_blank(16_384), repeated=3)
        + _line(_text("Piet"), _text("0612345672"), rest, repeated=2)
        + _line(_text("0612345673", repeated=2), rest)
        + _line(_blank(16_384), repeated=1_048_568)
    )


def _ods_kinds() -> bytes:
    note = "<office:annotation><text:p>a remark</text:p></office:annotation>"
    lines = "<text:p>Jan<text:s text:c='2'/>Ka<text:span>rel</text:span></text:p><text:p>Vis</text:p>"
    return ods(
        _line(_text("First name"), _text("Phone"), _text("Company"))
        + _line(_text("Jan"), _value("float", "value", "31612345671", "3.16E+10"), _value("boolean", "boolean-value", "true", "TRUE"))
        + _line(_text("Piet"), _value("float", "value", "612345672", "612345672"), _value("date", "date-value", "2024-02-29", "29-02-24"))
        + _line(
            _text("Kees"),
            _text("0612345673"),
            f'<table:table-cell office:value-type="string">{note}<text:p>ACME</text:p></table:table-cell>',
        )
        + _line(f'<table:table-cell office:value-type="string">{lines}</table:table-cell>', _text("0612345674"), _blank(1))
        + _line(_text("Klaas"), _value("float", "value", "1234567890123456789", "1,23E+018"), _blank(1))
    )


ODS = [
    _xlsx(
        "ods",
        lambda: ods("".join(_line(*map(_text, cells)) for cells in [HEADER, *PEOPLE])),
        HEADER,
        PEOPLE,
        OF_PEOPLE,
        kind="ods",
        filename="contacts.ods",
    ),
    _two("ods_called_xlsx", lambda: ods("".join(_line(*map(_text, cells)) for cells in [SHORT, *PLAIN])), kind="ods"),
    _xlsx(
        "ods_repeated",
        _ods_repeated,
        SHORT,
        [PLAIN[0], PLAIN[1], PLAIN[1], ["0612345673", "0612345673"]],
        buckets(created=3, duplicate=1),
        kind="ods",
        filename="contacts.ods",
        numbers=[2, 6, 7, 8],
    ),
    _xlsx(
        "ods_kinds",
        _ods_kinds,
        ["First name", "Phone", "Company"],
        [
            ["Jan", "31612345671", "true"],
            ["Piet", "612345672", "2024-02-29"],
            ["Kees", "0612345673", "ACME"],
            ["Jan  Karel\nVis", "0612345674", ""],
            ["Klaas", "1.23456789012346E+18", ""],
        ],
        buckets(created=4, refused=1),
        kind="ods",
        filename="contacts.ods",
        marks={2: {1: Mark.NUMBER}, 3: {1: Mark.NUMBER}, 6: {1: Mark.DAMAGED}},
    ),
    _xlsx(
        "ods_not_in_a1",
        lambda: ods(
            _line(_blank(16_384), repeated=3) + "".join(_line(_blank(2), *map(_text, cells), _blank(16_380)) for cells in [SHORT, *PLAIN])
        ),
        ["Column 1", "Column 2", *SHORT],
        [["", "", *cells] for cells in PLAIN],
        TWO,
        kind="ods",
        filename="contacts.ods",
        first=5,
    ),
    Case(
        "ods_of_a_billion_cells",
        "contacts.ods",
        lambda: ods(_line(*map(_text, SHORT)) + _line(_text("x", repeated=1_000), repeated=1_000_000)),
        error="can't be read",
    ),
    Case("ods_truncated", "contacts.ods", lambda: ods(_line(*map(_text, SHORT)))[:-100], error="cut off or damaged"),
    Case(
        "ods_with_an_xml_cut",
        "contacts.ods",
        lambda: repacked(ods(_line(_text("x"))), lambda _, content: content[:-60]),
        error="can't be read",
    ),
]
CASES = [*XLSX, *CELLS, *PLACES, *BROKEN, *ODS]
