"""The evaluation forms of NICE CXone's sandbox, and what people write into them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

Answers = tuple[int | None, ...]

_YES_NO = (("Yes", 10.0), ("No", 0.0))
_GRADES = (("Excellent", 15.0), ("Good, with reserve", 10.5), ("Poor", 2.5))
_TEXT: tuple[tuple[str, float], ...] = ()

DISPUTES = (
    'I did offer a refund, see 03:12.\nThe customer said "no, thanks".',
    "お客様は「大丈夫です」と言いました。\n再確認をお願いします。",
    "Клиент сам положил трубку, я ничего не мог сделать.",
    "العميل أنهى المكالمة قبل أن أتمكن من الرد",
    "Das stimmt nicht:\r\n- Punkt 2, „Begrüßung“\r\n- Punkt 5",
    '"Verified" is what I said, twice 🙃',
)
RESOLUTIONS = (
    'Agreed, "greeting" is corrected.\n\nScore raised.',
    "Después de escuchar la llamada, se acepta la reclamación.",
    "复核后维持部分扣分，其余更正。",
    "Upheld in part; see the calibration of May, item 4.",
)
REMARKS = (
    "Calm, friendly,\nto the point.",
    "La cliente répète « ça ne marche pas », sans réponse",
    'Said "hold on" four times',
    "좋은 마무리였습니다",
    "",
)


@dataclass(frozen=True)
class Question:
    """A question of a form; each option is worth points, and one without options is answered in words."""

    id: str
    number: str
    title: str
    section_id: str
    section: str
    options: tuple[tuple[str, float], ...]
    critical: bool
    mandatory: bool
    bank_id: str

    @property
    def most(self) -> float:
        return max((points for _, points in self.options), default=0.0)

    @property
    def kind(self) -> str:
        return "Free text" if not self.options else "Yes/No" if self.options == _YES_NO else "Multiple choice"


@dataclass(frozen=True)
class Form:
    """An evaluation form in one version."""

    id: str
    name: str
    version: str
    questions: tuple[Question, ...]

    @property
    def most(self) -> float:
        return sum(question.most for question in self.questions)

    def points(self, answers: Answers) -> list[float | None]:
        """The points of each answer; None where there is none, or the question has no options."""
        return [
            question.options[answer][1] if question.options and answer is not None else None
            for question, answer in zip(self.questions, answers, strict=True)
        ]

    def failed(self, answers: Answers) -> list[bool]:
        """Which answers are worth nothing at a critical question."""
        points = self.points(answers)
        return [question.critical and got == 0 for question, got in zip(self.questions, points, strict=True)]

    def score(self, answers: Answers) -> float:
        """The sum of the points, or zero where a critical question was failed."""
        return 0.0 if any(self.failed(answers)) else sum(points or 0.0 for points in self.points(answers))

    def section_percentage(self, answers: Answers, section_id: str) -> float | None:
        """The share of a section's points in percent; None where there are none to have."""
        pairs = list(zip(self.questions, self.points(answers), strict=True))
        most = sum(question.most for question, _ in pairs if question.section_id == section_id)
        got = sum(points or 0.0 for question, points in pairs if question.section_id == section_id)
        return round(100 * got / most, 2) if most else None


def _id(*about: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(("nice-cxone", *about))))


Line = tuple[str, str, tuple[tuple[str, float], ...], bool]


def _form(name: str, version: str, lines: Sequence[Line]) -> Form:
    """A form from its lines: section, title, options, whether it is critical."""
    sections = list(dict.fromkeys(line[0] for line in lines))
    questions = (
        Question(
            id=_id(name, title),
            number=f"{sections.index(section) + 1}.{place + 1}",
            title=title,
            section_id=_id(name, section),
            section=section,
            options=options,
            critical=critical,
            mandatory=bool(options),
            bank_id=_id("bank", title) if place % 2 else "",
        )
        for place, (section, title, options, critical) in enumerate(lines)
    )
    return Form(_id(name), name, version, tuple(questions))


FORMS = (
    _form(
        "Inbound service, voice",
        "4",
        (
            ("Opening", "Greets, and gives a name", _YES_NO, False),
            ("Opening", "Verifies the customer", _YES_NO, True),
            ("Solution", "Understands the problem", _GRADES, False),
            ("Solution", 'Says what happens next ("next steps")', _GRADES, False),
            ("Closing", "Offers more help", _YES_NO, False),
            ("Closing", "Remarks", _TEXT, False),
        ),
    ),
    _form(
        "Chat & email – qualité",
        "1.2",
        (
            ("Langue", "Orthographe, ton", _GRADES, False),
            ("Langue", "Réponse claire", _YES_NO, False),
            ("Process", "Privacy rules kept", _YES_NO, True),
            ("Process", "Remarks", _TEXT, False),
        ),
    ),
    _form(
        "コンプライアンス",
        "007",
        (
            ("確認", "本人確認を行った", _YES_NO, True),
            ("確認", "録音の告知", _YES_NO, False),
        ),
    ),
)
