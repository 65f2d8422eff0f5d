"""Every page is a chapter of the book, every link and picture of the pages is there, and so is every heading that a link names. Blocks of code begin and
end on lines of their own, which whoever wraps lines anew may destroy."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"[\s>]*```[\w ,-]*")
OUTSIDE = re.compile(r"^(https?:|mailto:)")


def anchors(text):
    """The names of headings, as mdBook and GitHub make them."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    for heading in re.findall(r"^#{1,6}\s+(.*)$", without_code, flags=re.M):
        words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        yield words.strip().replace(" ", "-")


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
        prose = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M))
        for link in LINK.findall(prose):
            if OUTSIDE.match(link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path.resolve()
            if not target.exists():
                yield f"{where} links to {link}, which is not there"
            elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text()):
                yield f"{where} links to {link}, and that page has no such heading"


found = list(faults())
print("\n".join(found), file=sys.stderr, end="\n" if found else "")
sys.exit(1 if found else 0)
