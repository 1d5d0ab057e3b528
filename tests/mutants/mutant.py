"""A mutant: a source file with one small change that a good test suite notices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """Replaces `before`, the bytes start…end of the file `path`, by `after`. `first`, `last`: their lines, from 1.

    `line`: the text of the first line, by which docs/mutants.md finds the mutant again after the file has changed.
    """

    path: str
    start: int
    end: int
    before: str
    after: str
    first: int
    last: int
    line: str

    @property
    def change(self) -> str:
        """The change on one line: `<` → `<=`."""
        return f"`{_on_one_line(self.before)}` → `{_on_one_line(self.after)}`"

    @property
    def identity(self) -> tuple[str, str, str]:
        """What names it in docs/mutants.md: path, line and change."""
        return self.path, self.line, self.change

    def __str__(self) -> str:
        return f"{self.path}:{self.first}: {self.change} in: {self.line}"

    def applied_to(self, source: bytes) -> bytes:
        """The source with the change. Later lines keep their numbers."""
        lost = source[self.start : self.end].count(b"\n") - self.after.count("\n")
        return source[: self.start] + self.after.encode() + b"\n" * lost + source[self.end :]


def mutant(path: str, source: bytes, start: int, end: int, after: str) -> Mutant:
    """The mutant that replaces the bytes start…end of the source by `after`."""
    first = source.count(b"\n", 0, start) + 1
    line = source.split(b"\n")[first - 1].decode().strip()
    before = source[start:end].decode()
    return Mutant(path, start, end, before, after, first, first + before.count("\n"), line)


def _on_one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:59] + "…"
