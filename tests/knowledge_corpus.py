"""A corpus with known facts: documents of every format made in code, the project's own pages, and questions on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.document_files import docx_of, html_of, pdf_of, pptx_of, sections_of, xlsx_of
from tests.knowledge_corpus_texts import (
    ASTRONOMY,
    EXPEDITION,
    HANDBOOK,
    HEAT_PUMP,
    INCIDENT,
    INVENTORY,
    LIGHTHOUSE,
    MINUTES,
    ONBOARDING,
    PRICES,
    RECIPES_DE,
    TEA_ZH,
    TRAIN_JA,
    TRAVEL_AR,
    WATER_HE,
)

DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class CorpusDocument:
    """A document as someone would upload it."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class CorpusQuestion:
    """A question in natural words; the right chunk is of this document and contains this text."""

    text: str
    expected: str
    document: str

    def is_answered_by(self, name: str | None, chunk: str) -> bool:
        """Return whether a chunk is the right one; white space and letter case do not count."""
        return name == self.document and " ".join(self.expected.lower().split()) in " ".join(chunk.lower().split())


_OFFICE = "application/vnd.openxmlformats-officedocument."
_TYPES = {
    "pdf": "application/pdf",
    "html": "text/html",
    "md": "text/markdown",
    "docx": f"{_OFFICE}wordprocessingml.document",
    "xlsx": f"{_OFFICE}spreadsheetml.sheet",
    "pptx": f"{_OFFICE}presentationml.presentation",
}


@cache
def corpus_documents() -> tuple[CorpusDocument, ...]:
    """Return the documents; the project's pages are called by their path below docs."""
    made = {
        "heat-pump.pdf": pdf_of(sections_of(HEAT_PUMP)),
        "expedition.pdf": pdf_of(sections_of(EXPEDITION)),
        "protokoll.pdf": pdf_of(sections_of(MINUTES)),
        "handbook.docx": docx_of("Employee handbook", sections_of(HANDBOOK)),
        "incident.docx": docx_of("Incident report", sections_of(INCIDENT)),
        "travel-ar.docx": docx_of("سياسة السفر", sections_of(TRAVEL_AR)),
        "prices.xlsx": xlsx_of(PRICES),
        "inventory.xlsx": xlsx_of(INVENTORY),
        "onboarding.pptx": pptx_of(sections_of(ONBOARDING)),
        "astronomy.pptx": pptx_of(sections_of(ASTRONOMY)),
        "lighthouse.html": html_of("The lighthouse of Skarholm", sections_of(LIGHTHOUSE)),
        "rezepte.html": html_of("Rezepte aus dem Norden", sections_of(RECIPES_DE), language="de"),
        "water-he.html": html_of("תחנת המים", sections_of(WATER_HE), language="he"),
        "tea-zh.docx": docx_of("茶叶手册", sections_of(TEA_ZH)),
        "train-ja.html": html_of("山の鉄道", sections_of(TRAIN_JA), language="ja"),
    }
    pages = {str(path.relative_to(DOCS)): path.read_bytes() for path in sorted(DOCS.rglob("*.md"))}
    return tuple(
        CorpusDocument(name, _TYPES[name.rpartition(".")[2]], data) for name, data in {**made, **pages}.items()
    )


def _questions(document: str, *pairs: tuple[str, str]) -> list[CorpusQuestion]:
    return [CorpusQuestion(text, expected, document) for text, expected in pairs]


QUESTIONS: tuple[CorpusQuestion, ...] = (
    *_questions(
        "heat-pump.pdf",
        ("Which refrigerant does the heat pump use?", "R290 propane"),
        ("What does error code E47 mean?", "E47: the flow sensor"),
        ("How often should the air filter be cleaned?", "every six weeks"),
        ("How far must the outdoor unit stand from the wall?", "45 centimetres"),
        ("How loud is the unit at night?", "31 decibels"),
        ("How long is the warranty on the compressor?", "nine years"),
    ),
    *_questions(
        "expedition.pdf",
        ("Who led the Kvitberg expedition?", "Ingrid Solheim"),
        ("How deep was the ice core that they drilled?", "412 metres"),
        ("Why did the expedition lose its second sledge?", "crevasse near Camp Three"),
        ("What did the polar bear eat at the depot?", "forty tins of sardines"),
        ("At what temperature did the generator fail?", "minus 43 degrees"),
    ),
    *_questions(
        "protokoll.pdf",
        ("Wann wurde der neue Vorstand gewählt?", "14. März"),
        ("Wie hoch ist der Mitgliedsbeitrag für Familien?", "84 Euro"),
        ("Wer kümmert sich um das Bienenhaus?", "Frau Özdemir"),
        ("Warum wird die Wasserleitung erneuert?", "Rohrbruch im Januar"),
    ),
    *_questions(
        "handbook.docx",
        ("How many days of vacation do employees get?", "28 days of paid vacation"),
        ("When must a sick note be handed in?", "from the fourth day of illness"),
        ("What is the budget for training per year?", "1,750 euros a year for training"),
        ("May I bring my dog to the office?", "dogs are welcome on Thursdays"),
        ("How long is parental leave?", "sixteen weeks of parental leave"),
        ("Who approves expenses above 500 euros?", "the finance lead, Marisol Vega"),
    ),
    *_questions(
        "incident.docx",
        ("What caused the outage of the payment service?", "an expired TLS certificate"),
        ("How many orders were lost in the incident?", "3,216 orders"),
        ("Who noticed the outage first?", "customer support in Lisbon"),
        ("What will prevent certificates from expiring again?", "renews certificates thirty days ahead"),
    ),
    *_questions(
        "travel-ar.docx",
        ("ما هو بدل السفر اليومي؟", "بدل السفر اليومي هو ٧٥ دينارا"),
        ("متى يجب تقديم الفواتير؟", "خلال أربعة عشر يوما"),
        ("من يوافق على رحلات الطيران الدولية؟", "مديرة العمليات ليلى حداد"),
    ),
    *_questions(
        "prices.xlsx",
        ("What does the cargo bicycle Ostrich cost?", "Cargo bicycle Ostrich"),
        ("Which pump fits tubeless tyres?", "tubeless tyres"),
        ("How much is a replacement bell?", "Brass bell"),
        ("What is the hourly rate for wheel truing?", "Wheel truing"),
    ),
    *_questions(
        "inventory.xlsx",
        ("Where is the centrifuge kept?", "Centrifuge Vortex 9"),
        ("When was the microscope last calibrated?", "Microscope Argus"),
        ("Which chemical is stored in cabinet K4?", "Cabinet: K4"),
    ),
    *_questions(
        "onboarding.pptx",
        ("Where do new colleagues get their badge?", "reception on level 2"),
        ("Which tool do we use for passwords?", "password manager called Acorn"),
        ("When is the weekly demo?", "every Wednesday at 15:30"),
        ("What is the code word in a fire drill?", "code word is pelican"),
    ),
    *_questions(
        "astronomy.pptx",
        ("How long does Jupiter take to turn once?", "ten hours"),
        ("Which moon has methane lakes?", "lakes of liquid methane"),
        ("What is the hottest planet?", "Venus is the hottest planet"),
    ),
    *_questions(
        "lighthouse.html",
        ("When was the lighthouse of Skarholm built?", "built in 1847"),
        ("How far can its light be seen?", "twenty-two nautical miles"),
        ("Who was the last keeper of the lighthouse?", "Astrid Lunde"),
        ("How many steps lead up to the lantern?", "196 steps"),
        ("When are visitors admitted in winter?", "first Sunday of each month"),
    ),
    *_questions(
        "rezepte.html",
        ("Wie lange muss der Roggenteig ruhen?", "achtzehn Stunden"),
        ("Welches Gewürz gehört in die Fischsuppe?", "Fenchelsamen"),
        ("Bei welcher Temperatur wird der Apfelkuchen gebacken?", "175 Grad"),
    ),
    *_questions(
        "water-he.html",
        ("כמה מים מטוהרים ביום?", "4,200 מטר מעוקב"),
        ("מי מנהלת את התחנה?", "רות אברמוביץ"),
        ("מתי הוקמה התחנה?", "בשנת 1974"),
    ),
    *_questions(
        "tea-zh.docx",
        ("绿茶应该用多少度的水冲泡？", "八十摄氏度"),
        ("普洱茶可以存放多久？", "存放三十年"),
        ("谁种植白茶？", "林秀英"),
    ),
    *_questions(
        "train-ja.html",
        ("登山鉄道の最高地点は標高何メートルですか。", "標高二千百四十メートル"),
        ("切符の値段はいくらですか。", "千八百円"),
        ("冬の運休期間はいつですか。", "十二月から三月まで"),
    ),
    *_questions(
        "how-to/run-on-a-schedule.md",
        ("Which cron expression starts a run at seven on working days?", "0 7 * * 1-5"),
        ("What becomes of scheduled times at which no node was up?", "at which no node was up"),
    ),
    *_questions(
        "how-to/give-agents-memory.md",
        ("How does an agent know its users over all sessions?", "knows its users over all sessions"),
    ),
    *_questions(
        "how-to/deploy.md",
        ("How do I build an image with docker?", "docker build -f deploy/Dockerfile"),
        ("What does SIGTERM do to a node?", "SIGTERM stops a node"),
    ),
    *_questions(
        "how-to/postgresql.md",
        ("How do I restore a backup into an empty database?", "serai db restore"),
    ),
    *_questions(
        "how-to/evaluate-agents.md",
        ("How do I measure how right the answers of an agent are?", "how right the answers are"),
    ),
    *_questions(
        "how-to/keep-data-no-longer-than-needed.md",
        ("How do I erase a user, and see before what would go?", "serai users erase ada --dry-run"),
    ),
    *_questions(
        "how-to/ask-people.md",
        ("How does a tool wait for a person's confirmation?", "requires_confirmation=True"),
    ),
    *_questions(
        "how-to/test-an-agent.md",
        ("How do I test an agent offline, without a model?", "ScriptedModel"),
    ),
    *_questions(
        "decisions/0005-slots-in-a-narrow-table.md",
        ("Why are hot fields copied into slots of a narrow table?", "narrow table"),
    ),
    *_questions(
        "decisions/0007-media-in-blobs.md",
        ("Where are the bytes of media stored?", "stored once, by their hash"),
    ),
)
