"""Every page is a chapter of the book, every link and picture of the pages is there, and so is every heading that a
link names. Blocks of code begin and end on lines of their own, which whoever wraps lines anew may destroy. Every
acronym and every `ERC-n` or `EIP-n` in the text of a page, README.md or ARCHITECTURE.md has a row in the glossary,
whose rows are in alphabetical order."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"[\s>]*```[\w ,-]*")
OUTSIDE = re.compile(r"^(https?:|mailto:)")
ROW = re.compile(r"^\| \*\*(.+?)\*\* \|", flags=re.M)
# two capitals or more, with or without digits, and no name of a page of the repository
ACRONYM = re.compile(r"(?<![\w.])((?:ERC|EIP)-\d+|[A-Z][A-Z0-9]*[A-Z][A-Z0-9]*)s?(?!\w|\.md)")
# Acronyms that take no row, without digits at their end.
KNOWN = set(
    # what everybody knows who uses a computer, and units
    "CPU HTTP HTML JSON JPEG PNG QR SVG URI URL UTC UTF GB KB MB "
    # makers, the licences "MIT OR Apache-2.0", a citation
    "AMD EPYC NVIDIA MIT OR BGM "
    # families of attacks, which docs/security.md lists and docs/testing.md numbers
    "CE EQ FS LU PC RQ ZK".split()
)


def anchors(text):
    """The names of headings, as mdBook and GitHub make them."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    for heading in re.findall(r"^#{1,6}\s+(.*)$", without_code, flags=re.M):
        words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        yield words.strip().replace(" ", "-")


def prose(text):
    """The text without blocks and spans of code."""
    text = re.sub(r"^[\s>]*```.*?^[\s>]*```[^\n`]*$", "", text, flags=re.S | re.M)
    text = re.sub(r"(?:^|(?<=\n\n))(?: {4}.*\n?)+", "", text)
    return re.sub(r"`(?:[^`\n]|\n(?!\n))*`", "", text)


def family(acronym):
    """What has a row: AVX of AVX2. ERC-n and EIP-n keep their number."""
    return acronym if "-" in acronym else acronym.rstrip("0123456789")


def glossary_faults(pages):
    """Acronyms of pages, by their paths, that the glossary lacks, and rows of it that are in no order."""
    rows = ROW.findall((DOCS / "glossary.md").read_text())
    known = KNOWN.union(map(family, ACRONYM.findall("\n".join(rows))))
    for path, text in pages.items():
        if path.name == "glossary.md":
            continue
        # addresses are no text
        text = re.sub(r"\]\([^)\s]+\)|https?://\S+", "]", prose(text))
        for word in dict.fromkeys(ACRONYM.findall(text)):
            if family(word) not in known:
                known.add(family(word))
                yield f"{path.relative_to(ROOT)} says {word}, and docs/glossary.md has no row for it"
    for before, after in zip(rows, rows[1:]):
        if before.casefold() >= after.casefold():
            yield f"docs/glossary.md: the row \"{after}\" belongs before \"{before}\""


def broken_fences(text):
    """Lines with three backticks and more than a fence has, and the last fence if it closes nothing."""
    fences = [(number, line) for number, line in enumerate(text.splitlines(), 1) if "```" in line]
    yield from (number for number, line in fences if not FENCE.fullmatch(line))
    if len(fences) % 2:
        yield fences[-1][0]


def faults():
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        for line in broken_fences(path.read_text()):
            yield f"{path.relative_to(ROOT)}:{line}: three backticks belong on a line of their own, once before a block of code and once after it"
    pages = {path: path.read_text() for path in DOCS.rglob("*.md")}
    summary = pages[DOCS / "SUMMARY.md"]
    chapters = {(DOCS / name).resolve() for name in LINK.findall(summary)}
    for path, text in pages.items():
        where = path.relative_to(DOCS)
        if path.name != "SUMMARY.md" and path.resolve() not in chapters:
            yield f"{where} is in no chapter: name it in docs/SUMMARY.md"
        # code is no link
        for link in LINK.findall(prose(text)):
            if OUTSIDE.match(link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path.resolve()
            if not target.exists():
                yield f"{where} links to {link}, which is not there"
            elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text()):
                yield f"{where} links to {link}, and that page has no such heading"
    roots = {path: path.read_text() for path in (ROOT / "README.md", ROOT / "ARCHITECTURE.md")}
    yield from glossary_faults(pages | roots)


found = list(faults())
print("\n".join(found), file=sys.stderr, end="\n" if found else "")
sys.exit(1 if found else 0)
