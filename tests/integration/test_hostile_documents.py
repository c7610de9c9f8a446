"""Documents that are broken or made to do harm: each is read within its limits or refused, and the server lives on."""

from __future__ import annotations

import asyncio
import gc
import io
import struct
import time
import zipfile
from collections.abc import Awaitable
from typing import TypeVar

import psutil
import pytest

from serai.knowledge.chunking import cut
from serai.knowledge.reading import Passage, ReadDocument, ReadLimits, UnreadableError, read_document
from tests.document_files import docx_of, make_encrypted_pdf, make_pdf, pptx_of, repacked, sections_of, xlsx_of

pytestmark = pytest.mark.one_postgres

TEXT = sections_of("# One\nA paragraph.\n\n# Two\nAnother one.")
OFFICE = {
    "a.docx": (docx_of("Title", TEXT), "word/document.xml"),
    "a.xlsx": (xlsx_of({"Sheet": [["Name", "Age"], ["Ada", 36]]}), "xl/worksheets/sheet1.xml"),
    "a.pptx": (pptx_of(TEXT), "ppt/slides/slide1.xml"),
}
ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + "]><lolz>&m;</lolz>"
).encode()

Answer = TypeVar("Answer")


async def longest_wait(work: Awaitable[Answer]) -> tuple[Answer, float]:
    """Return what work answers, and the longest time in which the event loop did nothing else.

    It is the process's own time: what other processes take of the machine is not counted.
    """
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        last = time.process_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.process_time()
            longest = max(longest, now - last)
            last = now

    gc.collect()
    gc.freeze()  # as a server does at its start
    ticking = asyncio.create_task(tick())
    try:
        return await work, longest
    finally:
        ticking.cancel()
        gc.unfreeze()


async def refusal(data: bytes, name: str, **limits: float) -> str:
    with pytest.raises(UnreadableError) as caught:
        await read_document(data, name=name, limits=ReadLimits(**limits))  # type: ignore[arg-type]
    return caught.value.message


async def test_an_encrypted_pdf_asks_for_one_without_a_password():
    assert await refusal(make_encrypted_pdf(), "a.pdf") == "The PDF is encrypted; upload one without a password."


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
async def test_a_truncated_pdf_is_refused_or_read_as_far_as_it_goes(share: float):
    whole = make_pdf([[f"Line {line} of page {page}" for line in range(40)] for page in range(10)])
    reading = read_document(whole[: int(len(whole) * share)], name="a.pdf")
    (answer,) = await asyncio.gather(reading, return_exceptions=True)
    if isinstance(answer, ReadDocument):
        assert answer.passages[0].text.startswith("Line 0 of page 0")
    else:
        assert "damaged or cut off" in str(answer)


@pytest.mark.parametrize("name", OFFICE)
@pytest.mark.parametrize("share", [0.1, 0.9])
async def test_a_truncated_office_document_is_refused(name: str, share: float):
    data, _ = OFFICE[name]
    assert "damaged or cut off" in await refusal(data[: int(len(data) * share)], name)


@pytest.mark.parametrize("name", OFFICE)
async def test_a_zip_bomb_is_refused_before_it_is_unpacked(name: str):
    data, part = OFFICE[name]
    bomb = repacked(data, {part: b"<a>" + b" " * (9 << 20)})
    assert len(bomb) < 1 << 18
    assert "unpacks to 9 MiB" in await refusal(bomb, name, expanded_mib=8)


@pytest.mark.parametrize("name", OFFICE)
async def test_a_zip_bomb_that_lies_about_its_size_is_refused(name: str):
    data, part = OFFICE[name]
    bomb = bytearray(repacked(data, {part: b"<a>" + b" " * (10 << 20)}))
    real, claimed = struct.pack("<I", (10 << 20) + 3), struct.pack("<I", 1000)
    assert bomb.count(real) == 2
    assert "damaged" in await refusal(bytes(bomb.replace(real, claimed)), name)


@pytest.mark.parametrize("name", OFFICE)
async def test_xml_that_declares_entities_is_refused(name: str):
    data, part = OFFICE[name]
    assert "declares entities" in await refusal(repacked(data, {part: ENTITIES}), name)
    assert "declares entities" in await refusal(repacked(data, {part: ENTITIES.decode().encode("utf-16")}), name)
    late = ENTITIES.replace(b"<!DOCTYPE", b"<!--" + b" " * 5000 + b"--><!DOCTYPE")
    assert "damaged" in await refusal(repacked(data, {part: late}), name)


async def test_an_xml_file_with_entities_is_text():
    document = await read_document(ENTITIES, name="a.xml", media_type="application/xml")
    assert document.passages[0].text.startswith('<?xml version="1.0"?><!DOCTYPE lolz')


async def test_an_archive_with_a_great_many_parts_is_refused():
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(20_001):
            archive.writestr(f"word/{number}", b"")
    assert "20,001 parts" in await refusal(many.getvalue(), "a.docx")


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a.pdf", "is a PNG image"),
        (OFFICE["a.docx"][0], "a.pdf", "called .pdf and is a Word document"),
        (OFFICE["a.xlsx"][0], "a.docx", "called .docx and is an Excel workbook"),
        (b"Just words.", "a.xlsx", "called .xlsx and is text"),
        (make_pdf([["Words"]]), "a.csv", "called .csv and is a PDF"),
        (bytes(range(256)) * 10, "a.txt", "is binary data"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "a.docx", "encrypted"),
        (b"{" * 100_000, "a.json", "not valid JSON"),
        (b"", "a.txt", "holds no text"),
    ],
)
async def test_a_document_that_is_not_what_it_is_called_is_refused(data: bytes, name: str, said: str):
    assert said in await refusal(data, name)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\a.md", "a\0.md", "\0", "/", "a" * 100_000 + ".md", "\ud800.md"]
)
async def test_a_name_is_never_a_path(name: str):
    document = await read_document(b"# Heading\n\nWords", name=name)
    assert document.passages == [Passage("# Heading\n\nWords")]
    assert (await read_document(make_pdf([["Words"]]), name=name[:-3] + ".pdf")).passages[0].text == "Words"


@pytest.mark.parametrize("depth", [5000, 100_000])
async def test_json_that_is_nested_deep_is_refused(depth: int):
    assert "nested too deep" in await refusal(b"[" * depth + b"]" * depth, "a.json")


async def test_html_that_is_nested_deep_is_read_as_plain_text():
    document = await read_document(b"<div>" * 5_000 + b"Deep words" + b"</div>" * 5_000, name="a.html")
    assert [passage.text for passage in document.passages] == ["Deep words"]


async def test_a_pdf_of_many_empty_pages_is_refused():
    assert "has 10,000 pages" in await refusal(make_pdf([[]] * 10_000), "a.pdf")
    assert "holds no text" in await refusal(make_pdf([[]] * 1000), "a.pdf")


async def test_a_table_with_a_huge_cell_is_read_in_pieces():
    data = b'name,text\nada,"' + b"word " * 1_600_000 + b'"\n'
    document, longest = await longest_wait(read_document(data, name="a.csv"))
    assert sum(len(passage.text) for passage in document.passages) > 7_900_000
    assert max(len(passage.text) for passage in document.passages) <= 50_000
    assert longest < 0.1


async def test_a_table_of_many_rows_is_read_and_cut_while_the_server_goes_on():
    data = b"name,age,city\n" + b"Ada Lovelace,36,London\n" * 50_000
    document, while_reading = await longest_wait(read_document(data, name="a.csv"))
    chunks, while_cutting = await longest_wait(cut(document, chunker=None, chunk_size=1500, chunk_overlap=150))
    assert len(chunks) == 50_000
    assert while_reading < 0.1
    assert while_cutting < 0.1


async def test_a_text_of_50_mib_is_read_and_cut_while_the_server_goes_on():
    data = "Ein Satz über Äpfel und Birnen.\n".encode() * (50_000_000 // 32)
    before = psutil.Process().memory_info().rss
    document, while_reading = await longest_wait(read_document(data, name="a.txt"))
    chunks, while_cutting = await longest_wait(cut(document, chunker=None, chunk_size=1500, chunk_overlap=0))
    assert len(chunks) > 30_000
    assert while_reading < 0.1
    assert while_cutting < 0.1
    assert psutil.Process().memory_info().rss - before < 400 << 20
    assert "more than 50,000,000 characters" in await refusal(data + data[:3_000_000], "a.txt")


async def test_a_document_that_takes_too_long_is_given_up_and_the_next_one_is_read():
    workbook = OFFICE["a.xlsx"][0]
    row = b'<row r="999999999"><c r="A999999999" t="inlineStr"><is><t>far</t></is></c></row>'
    sheet = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
    far = repacked(workbook, {"xl/worksheets/sheet1.xml": sheet % row})
    assert await refusal(far, "a.xlsx", seconds=0.3) == (
        "The document takes more than 0.3 seconds to read; upload it in parts."
    )
    document = await read_document(workbook, name="a.xlsx")
    assert document.passages == [Passage("Name: Ada\nAge: 36", {"sheet": "Sheet", "row": 2})]


async def test_a_document_that_takes_too_much_memory_is_refused_and_the_next_one_is_read():
    data = b"[" + b"[]," * 4_000_000 + b"[]]"
    assert "takes more than 300 MiB of memory" in await refusal(data, "a.json", memory_mib=300)
    assert (await read_document(OFFICE["a.docx"][0], name="a.docx")).passages[0].text.startswith("# Title")


async def test_a_reading_that_is_cancelled_ends_its_process():
    for process in reading_processes():  # idle ones of other tests
        process.kill()
    reading = asyncio.create_task(read_document(b"[" + b"[1]," * 5_000_000 + b"[]]", name="a.json"))
    while not (working := reading_processes()):  # noqa: ASYNC110 - a process tells nobody that it is there
        await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    _, alive = await asyncio.to_thread(psutil.wait_procs, working, 1)
    assert not alive


async def test_a_process_that_died_meanwhile_is_replaced():
    data = OFFICE["a.docx"][0]
    first = await read_document(data, name="a.docx")
    waiting = reading_processes()
    for process in waiting:
        process.kill()
    assert waiting
    assert await read_document(data, name="a.docx") == first
    many = ReadDocument([Passage("Words. " * 1000)] * 20, "RecursiveChunker")
    chunks = await cut(many, chunker=None, chunk_size=1500, chunk_overlap=0)
    for process in reading_processes():
        process.kill()
    assert await cut(many, chunker=None, chunk_size=1500, chunk_overlap=0) == chunks


async def test_chunks_without_number_are_refused():
    document = ReadDocument([Passage("a" * 50_000)] * 5, "FixedSizeChunker")
    with pytest.raises(UnreadableError, match="choose a larger chunk_size"):
        await cut(document, chunker=None, chunk_size=10, chunk_overlap=9)


async def test_many_documents_at_once_share_few_processes():
    data = OFFICE["a.docx"][0]
    documents = await asyncio.gather(*(read_document(data, name="a.docx") for _ in range(30)))
    assert {document.chunker for document in documents} == {"MarkdownChunker"}
    assert len(reading_processes()) <= 4


def reading_processes() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children()
        if process.status() != psutil.STATUS_ZOMBIE and "serai.knowledge.reading_process" in process.cmdline()
    ]
