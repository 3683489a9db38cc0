"""CSV and its relatives, as Excel, databases and people write them."""

import csv
import functools

from reachbook.files.opening import Reading
from tests.files.case import HEADER, OF_PEOPLE, PEOPLE, PLAIN, SHORT, Case, buckets, people, table

DUTCH = ["Voornaam", "Achternaam", "E-mailadres", "Mobiel", "Bedrijf"]  # codespell:ignore mobiel
FRENCH = ["Prénom", "Nom", "Adresse e-mail", "Téléphone portable", "Société"]  # codespell:ignore adresse
GERMAN = ["Vorname", "Nachname", "E-Mail-Adresse", "Handynummer", "Firma"]
SPANISH = ["Nombre", "Apellidos", "Correo electrónico", "Teléfono móvil", "Empresa"]
ITALIAN = ["Nome", "Cognome", "Indirizzo e-mail", "Cellulare", "Azienda"]  # codespell:ignore nome
BOM = "\ufeff"
TWO = buckets(created=2)


def _people(name: str, content: bytes, header: list[str] = HEADER, **more: object) -> Case:
    return Case(name, "contacts.csv", content, header, PEOPLE, OF_PEOPLE, **more)  # type: ignore[arg-type]


def _two(name: str, text: str, **more: object) -> Case:
    return Case(name, "contacts.csv", text.encode(), **({"columns": SHORT, "rows": PLAIN, "buckets": TWO} | more))  # type: ignore[arg-type]


def _refused(name: str, content: bytes, error: str, filename: str = "contacts.csv", **more: object) -> Case:
    return Case(name, filename, content, error=error, **more)  # type: ignore[arg-type]


EXCEL = [
    _people("excel_csv_utf8", (BOM + people()).encode()),
    _people("excel_csv_dutch", people(";", header=DUTCH).encode("cp1252"), DUTCH),
    _people("excel_csv_french_utf8", (BOM + people(";", header=FRENCH)).encode(), FRENCH),
    _people("excel_unicode_text", (BOM + people("\t", header=GERMAN)).encode("utf-16-le"), GERMAN),
    _people("excel_sep_line", ("sep=;\r\n" + people(";")).encode("cp1252"), first=3),
    _people("excel_sep_line_quoted", ('"sep=,"\r\n' + people()).encode(), first=3),
    _people("excel_sep_tab_bom", (BOM + "sep=\t\r\n" + people("\t", header=ITALIAN)).encode(), ITALIAN, first=3),
    _people("excel_sep_odd", ("SEP=^\n" + people("^")).encode(), first=3),
    _people("excel_sep_utf16", (BOM + "sep=;\r\n" + people(";")).encode("utf-16-be"), first=3),
    _people("excel_macintosh_cr", people(";", end="\r").encode("cp1252")),
]
ENCODINGS = [
    _people("utf8", people().encode()),
    _people("utf8_bom", (BOM + people()).encode()),
    _people("utf8_bom_named_utf8", (BOM + people()).encode(), reading=Reading(encoding="utf-8")),
    _people("utf16_le_bom", (BOM + people()).encode("utf-16-le")),
    _people("utf16_be_bom", (BOM + people(header=SPANISH)).encode("utf-16-be"), SPANISH),
    _people("utf16_le_without_bom", people().encode("utf-16-le")),
    _people("utf16_be_without_bom", people().encode("utf-16-be")),
    _people("utf16_bom_named_utf16_le", (BOM + people()).encode("utf-16-le"), reading=Reading(encoding="utf-16-le")),
    _people("utf16_without_bom_named_utf16", people().encode("utf-16-le"), reading=Reading(encoding="utf-16")),
    _people("latin1", people().encode("latin-1")),
    Case(
        "windows_1252",
        "contacts.csv",
        people().replace("Once more", "“Once” – €5").encode("cp1252"),
        HEADER,
        [*PEOPLE[:3], [*PEOPLE[3][:4], "“Once” – €5"], PEOPLE[4]],
        OF_PEOPLE,
    ),
    _people("named_cp850", people().encode("cp850"), reading=Reading(encoding="cp850")),
    _people("named_macintosh", people(end="\r").encode("mac-roman"), reading=Reading(encoding="macintosh")),
]
DAMAGED_TEXT = [
    Case(
        "utf8_with_a_letter_cut",
        "contacts.csv",
        people().encode() + b"J\xe9r\xf4me,Petit,j@example.com,+33612345674,Ren\xc3\xa9\r\n",
        HEADER,
        [*PEOPLE, None],
        buckets(created=3, duplicate=1, refused=2),
        faults={7: "has bytes that are no UTF-8 text"},
    ),
    _refused("utf8_with_a_bad_header", (BOM + "First name,T").encode() + b"\xe9l,Phone\nJan,1,0612345671\n", "The header has bytes"),
    Case(
        "utf16_odd_byte",
        "contacts.csv",
        (BOM + people()).encode("utf-16-le") + b"x",
        HEADER,
        [*PEOPLE, None],
        buckets(created=3, duplicate=1, refused=2),
        faults={7: "has bytes that are no UTF-16 text"},
    ),
]
DELIMITERS = [
    _people("comma", people(",", header=DUTCH).encode(), DUTCH),
    _people("semicolon", people(";", header=FRENCH).encode(), FRENCH),
    _people("tab", people("\t", header=GERMAN).encode(), GERMAN),
    _people("pipe", people("|", header=ITALIAN).encode(), ITALIAN),
    _people("everything_quoted", people(";", header=SPANISH, quoting=csv.QUOTE_ALL).encode(), SPANISH),
    _people("named_delimiter", people("^").encode(), reading=Reading(delimiter="^")),
    Case(
        "semicolon_with_commas_in_the_header",
        "contacts.csv",
        table([["Last name, first name", "E-mail", "Phone"], ["Bos, Jan", "jan@example.com", "0612345671"]], ";").encode(),
        ["Last name, first name", "E-mail", "Phone"],
        [["Bos, Jan", "jan@example.com", "0612345671"]],
        buckets(created=1),
    ),
    Case(
        "semicolon_with_more_commas_in_the_rows",
        "contacts.csv",
        b"Naam;Telefoon;Opmerking\nBos, Jan;0612345671;a, b, c, d, e\nVis, Piet;0612345672;a,b,c,d,e,f\n",
        ["Naam", "Telefoon", "Opmerking"],
        [["Bos, Jan", "0612345671", "a, b, c, d, e"], ["Vis, Piet", "0612345672", "a,b,c,d,e,f"]],
        TWO,
    ),
]
LINES = [
    _two("line_feed", table([SHORT, *PLAIN], end="\n")),
    _two("carriage_return", table([SHORT, *PLAIN], end="\r")),
    _two("both", table([SHORT, *PLAIN], end="\r\n")),
    _two("mixed_line_ends", "First name,Phone\rJan,0612345671\r\nPiet,0612345672\n"),
    _two("no_line_end_at_the_end", "First name,Phone\nJan,0612345671\nPiet,0612345672"),
    _two("blank_rows", "\n\nFirst name,Phone\n\nJan,0612345671\n,\n  ,\t\n\nPiet,0612345672\n\n\n", numbers=[5, 9]),
    _two(
        "embedded_line_ends",
        'First name,Phone\n"Jan\nWillem\r\nKarel",0612345671\n"Pi\ret",0612345672\n',
        rows=[["Jan\nWillem\r\nKarel", "0612345671"], ["Pi\ret", "0612345672"]],
    ),
    _two(
        "line_end_in_the_header",
        '"First\nname",Phone\nJan,0612345671\nPiet,0612345672\n',
    ),
    _two(
        "unicode_line_separators_are_text",
        "First name,Phone\nJan\u2028Willem,0612345671\nPi\x0b\x85et,0612345672\n",
        rows=[["Jan\u2028Willem", "0612345671"], ["Pi\x0b\x85et", "0612345672"]],
    ),
    Case(
        "text_of_the_end_marker",
        "contacts.csv",
        "First name,Phone\nJan,0612345671\n\uffff\uffff\nPiet,0612345672\n".encode(),
        SHORT,
        [PLAIN[0], ["\uffff\uffff", ""], PLAIN[1]],
        buckets(created=3),
    ),
]
QUOTES = [
    _two(
        "quotes_doubled",
        'First name,Phone\n"Jan ""de Boer"" Vis","0612345671"\n"""Piet""",0612345672\n',
        rows=[['Jan "de Boer" Vis', "0612345671"], ['"Piet"', "0612345672"]],
    ),
    _two(
        "quotes_within_a_cell",
        'First name,Phone\nJan 5" pipe,0612345671\nPi"e"t,0612345672\n',
        rows=[['Jan 5" pipe', "0612345671"], ['Pi"e"t', "0612345672"]],
    ),
    _refused("quote_unclosed", b'First name,Phone\nJan,0612345671\n"Piet,0612345672\nKees,0612345673\n', "row 3 (line 3) is not closed"),
    _refused("quote_unclosed_in_the_last_cell", b'First name,Phone\nJan,"0612345671', "row 2 (line 2) is not closed"),
    _refused("quote_unclosed_in_the_header", b'"First name,Phone\nJan,0612345671\n', "row 1 (line 1) is not closed"),
]


def _unclosed_over_megabytes() -> bytes:
    return b'First name,Phone\nJan,"0612345671\n' + b"Piet,0612345672\n" * 300_000


def _megabyte_cell() -> bytes:
    return table([SHORT, ["J" * 2**20, "0612345671"], PLAIN[1]]).encode()


def _wide(columns: int) -> bytes:
    return table([["Phone", *(f"Field {number}" for number in range(2, columns + 1))], ["0612345671", *["x"] * (columns - 1)]]).encode()


SIZES = [
    _refused("empty", b"", "is empty", buckets=None),
    _refused("only_a_bom", BOM.encode(), "no text in it"),
    _refused("only_blank_lines", b" \r\n,,,\r\n\r\n", "no text in it"),
    Case("header_only", "contacts.csv", table([HEADER]).encode(), HEADER, [], buckets()),
    Case(
        "one_column",
        "contacts.csv",
        b"E-mail\r\njan@example.com\r\npiet@example.com\r\nJAN@example.com\r\nnot an address\r\n",
        ["E-mail"],
        [["jan@example.com"], ["piet@example.com"], ["JAN@example.com"], ["not an address"]],
        buckets(created=2, duplicate=1, refused=1),
    ),
    Case(
        "columns_300",
        "contacts.csv",
        functools.partial(_wide, 300),
        ["Phone", *(f"Field {number}" for number in range(2, 301))],
        [["0612345671", *["x"] * 299]],
        buckets(created=1),
    ),
    Case("columns_2001", "contacts.csv", functools.partial(_wide, 2_001), error="2,001 columns"),
    Case("cell_of_1_mb", "contacts.csv", _megabyte_cell, SHORT, [["J" * 2**20, "0612345671"], PLAIN[1]], buckets(created=1, refused=1)),
    Case("quote_unclosed_over_megabytes", "contacts.csv", _unclosed_over_megabytes, error="a quotation mark is opened and not closed"),
]
LONG = [
    ["J" * 255, "0612345671", "jan@example.com", "C" * 4_000],
    ["J" * 256, "0612345672", "piet@example.com", "Fits"],
    ["Kees", "0612345673", "kees@example.com", "C" * 4_001],
    ["Klaas", "0612345674", "k" * 250 + "@example.com", "Fits"],
    ["Kim", "0612345675", "kim at example.com", "Fits"],
    ["Koen", "06123456761234567", "koen@example.com", "Fits"],
]
SHAPES = [
    Case(
        "values_at_their_limits",
        "contacts.csv",
        table([["First name", "Phone", "E-mail", "Company"], *LONG]).encode(),
        ["First name", "Phone", "E-mail", "Company"],
        LONG,
        buckets(created=1, refused=5),
    ),
    Case(
        "nuls",
        "contacts.csv",
        b"First name,Phone\nJ\0an,0612345671\nPiet,0612345672\nKees,06123\00045673\n",
        SHORT,
        [["J\0an", "0612345671"], PLAIN[1], ["Kees", "06123\00045673"]],
        buckets(created=1, refused=2),
    ),
    Case(
        "duplicate_headers",
        "contacts.csv",
        b"Phone,First name,phone,Phone,,\n0201234567,Jan,0612345671,,,\n0612345672,Piet,,,,\n",
        ["Phone", "First name", "phone (2)", "Phone (3)"],
        [["0201234567", "Jan", "0612345671", ""], ["0612345672", "Piet", "", ""]],
        buckets(created=2),
    ),
    Case(
        "blank_header_in_the_middle",
        "contacts.csv",
        b"First name,, Phone \nJan,x,0612345671\n",
        ["First name", "Column 2", "Phone"],
        [["Jan", "x", "0612345671"]],
        buckets(created=1),
    ),
    Case(
        "ragged_rows",
        "contacts.csv",
        b"First name,Phone,Company\nJan,0612345671\nPiet,0612345672,ACME,\nKees,0612345673,ACME,Sales\nKlaas\n0612345674;x\n",
        ["First name", "Phone", "Company"],
        [["Jan", "0612345671", ""], ["Piet", "0612345672", "ACME"], None, ["Klaas", "", ""], ["0612345674;x", "", ""]],
        buckets(created=4, refused=1),
        faults={4: "has 4 cells where the header has 3"},
    ),
    Case(
        "title_above_the_header",
        "contacts.csv",
        b"Members of 2024\n\nFirst name,Phone\nJan,0612345671\n",
        ["Members of 2024"],
        [None, None],
        buckets(refused=2),
        numbers=[3, 4],
        faults={3: "has 2 cells where the header has 1", 4: "has 2 cells where the header has 1"},
    ),
    Case(
        "no_header",
        "contacts.csv",
        b"Jan,jan@example.com,+31 6 12345671\nPiet,piet@example.com,+31 6 12345672\n",
        ["Column 1", "Column 2", "Column 3"],
        [["Jan", "jan@example.com", "+31 6 12345671"], ["Piet", "piet@example.com", "+31 6 12345672"]],
        TWO,
        has_header=False,
        first=1,
    ),
    Case(
        "no_header_and_a_first_row_with_a_blank_end",
        "contacts.csv",
        b"Jan,0612345671,\nPiet,0612345672,ACME\n",
        ["Column 1", "Column 2", "Column 3"],
        [["Jan", "0612345671", ""], ["Piet", "0612345672", "ACME"]],
        TWO,
        has_header=False,
        first=1,
    ),
    Case(
        "said_to_have_no_header",
        "contacts.csv",
        b"Jan;0612-x\nPiet;0612345672\n",
        ["Column 1", "Column 2"],
        [["Jan", "0612-x"], ["Piet", "0612345672"]],
        None,
        reading=Reading(has_header=False),
        has_header=False,
        first=1,
    ),
    Case(
        "said_to_have_a_header",
        "contacts.csv",
        b"First name,Phone,2024-01-31\nJan,0612345671,came\n",
        ["First name", "Phone", "2024-01-31"],
        [["Jan", "0612345671", "came"]],
        buckets(created=1),
        reading=Reading(has_header=True),
    ),
    Case(
        "header_with_a_date",
        "contacts.csv",
        b"First name,Phone,2024-01-31\nJan,0612345671,came\n",
        ["First name", "Phone", "2024-01-31"],
        [["Jan", "0612345671", "came"]],
        buckets(created=1),
    ),
    Case(
        "scientific_text",
        "contacts.csv",
        b'First name,Phone\nJan,3.16E+10\nPiet,"3,16E+10"\nKees,\'0612345673\nKlaas,0612345674\n',
        SHORT,
        [["Jan", "3.16E+10"], ["Piet", "3,16E+10"], ["Kees", "'0612345673"], ["Klaas", "0612345674"]],
        buckets(created=2, refused=2),
    ),
]
NOT_TABLES = [
    _refused("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF document", "contacts.pdf"),
    _refused("png_called_csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture"),
    _refused("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a picture", "card.jpg"),
    _refused("html", b"\r\n<!DOCTYPE html>\n<html><body>Please sign in</body></html>", "a web page"),
    _refused("html_table_called_xls", b"<table><tr><td>First name</td><td>Phone</td></tr></table>", "a web page", "contacts.xls"),
    _refused(
        "xml_spreadsheet_2003",
        b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook xmlns="urn:schemas-microsoft-com:spreadsheet"/>',
        "XML",
        "contacts.xls",
    ),
]
CASES = [*EXCEL, *ENCODINGS, *DAMAGED_TEXT, *DELIMITERS, *LINES, *QUOTES, *SIZES, *SHAPES, *NOT_TABLES]
