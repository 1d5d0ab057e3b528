"""The documentation matches the code: settings, endpoints, statuses, errors, commands, links. Its form is even."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import itertools
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import start
from app import console
from app.api import problems
from app.api.context import Context
from app.api.responses import TaskError
from app.api.web import create_web
from app.domain.metrics import METRICS
from app.domain.spec import parse_schedule, parse_task
from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.settings import PUBLIC_QUOTAS, SANDBOX_LAYERS, Settings, read_settings
from tasks.executors.client import address_policy
from tasks.http.addresses import LOOPBACK, PRIVATE, SPECIAL_IPV4, SPECIAL_IPV6
from tasks.http.errors import CallError

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
ERRORS = (DOCS / "errors.md").read_text()
CHINESE = (ROOT / "README.zh-CN.md").read_text()
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh-CN.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
]
PAGES += [ROOT / "tasks" / "celery_seam" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

NOW_MS = 1_795_000_000_000

#: Fields with bounds that nobody reaches: docs/openapi.json alone tells them.
UNTOLD_BOUNDS = {"expected_status", "retry_on"}

#: Defaults that differ from machine to machine, in words.
DEFAULT_WORDS = {
    "code_concurrency": "two per core",
    "api_processes": "one per core",
    "var_dir": "`var` in Celeriac's folder; if it is installed, `~/.local/state/celeriac`",
    "rate_limit": "`off` on loopback, else `read:2000/10,write:1000/10`",
}
DEFAULT_WORDS["sandbox_require"] = r"`seccomp,landlock\|root`"  # a bar would end the cell


# --- settings --------------------------------------------------------------------------------------


def _default_words(field: dataclasses.Field[Any]) -> str:
    if field.name in DEFAULT_WORDS:
        return DEFAULT_WORDS[field.name]
    if field.default in ("", (), None):
        return "none"
    return f"`{field.default:g}`" if isinstance(field.default, float) else f"`{field.default}`"


def settings_table() -> list[str]:
    """The rows that docs/settings.md must have, in this order."""
    return [
        f"| `{field.name.upper()}` | {_default_words(field)} | {field.metadata['help']} |"
        for field in dataclasses.fields(Settings)
    ]


def test_the_table_of_settings_is_right() -> None:
    written = [line for line in (DOCS / "settings.md").read_text().splitlines() if line.startswith("| `")]
    expected = settings_table()
    assert written == expected, "the table in docs/settings.md should be:\n" + "\n".join(expected)


def _section(page: str, title: str) -> str:
    """The text of a page in docs/ from a heading to the next of the same level."""
    pattern = rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)"
    match = re.search(pattern, (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert match, f"docs/{page} has no section {title!r}"
    return match[1]


# --- metrics ---------------------------------------------------------------------------------------


def metrics_table() -> list[str]:
    """The rows that docs/metrics.md must have, in this order."""
    labels = [", ".join(f"`{label}`" for label in metric.labels) for metric in METRICS]
    return [
        f"| `{metric.full_name}` | {metric.type} | {of_it} | {metric.help} |"
        for metric, of_it in zip(METRICS, labels, strict=True)
    ]


def test_the_table_of_metrics_is_right() -> None:
    written = re.findall(r"^\| `celeriac_.*", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    expected = metrics_table()
    assert written == expected, "the table in docs/metrics.md should be:\n" + "\n".join(expected)


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    alerts = re.findall(r"^ +- alert: (\w+)$", rules, re.MULTILINE)
    sections = re.findall(r"^### (\w+)$", _section("operations.md", "Runbook"), re.MULTILINE)
    assert sections == alerts
    links = re.findall(r"^ +runbook: (\S+)$", rules, re.MULTILINE)
    assert links == [f"docs/operations.md#{alert.lower()}" for alert in alerts]


# --- endpoints -------------------------------------------------------------------------------------


_PARAMETER = re.compile(r"<(?:[a-z]+_)?([a-z]+)>")
_BRACED = r"{\1}"


def _endpoints() -> set[str]:
    """`METHOD /path` of every route, ids as `{id}`, keys as `{key}`; without the files that pages load."""
    nobody = cast(Any, None)
    others = [nobody] * (len(dataclasses.fields(Context)) - 1)
    web = create_web(Context(Settings(), *others), pages=(console.blueprint,))
    return {
        f"{method} {_PARAMETER.sub(_BRACED, rule.rule)}"
        for rule in web.url_map.iter_rules()
        if "static" not in rule.rule
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_the_table_of_calls_has_every_endpoint_and_no_other() -> None:
    written = set(
        re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", _section("api.md", "Calls"), re.MULTILINE)
    )
    assert written == _endpoints()


def _bounds() -> Iterator[tuple[str, str]]:
    """(field, bound) of the fields of tasks and scheduled tasks; bounds as people write them."""
    schemas = json.loads((DOCS / "openapi.json").read_text())["components"]["schemas"]
    for name in ("CodeTaskSpec", "ApiTaskSpec", "ScheduledCodeTaskSpec"):
        for field, schema in schemas[name]["properties"].items():
            for part in (schema, *schema.get("anyOf", []), schema.get("items", {})):
                found = [
                    part[key] for key in ("minimum", "maximum", "maxItems") if isinstance(part, dict) and key in part
                ]
                yield from ((field, f"{bound:,}") for bound in found if bound < 1_000_000_000)


def test_the_table_of_fields_tells_their_bounds() -> None:
    rows = re.findall(r"^\| `.*", _section("api.md", "Fields of a task"), re.MULTILINE)
    missing = {
        (field, bound)
        for field, bound in _bounds()
        if field not in UNTOLD_BOUNDS
        and not any(
            f"`{field}`" in row.split("|")[1] and re.search(rf"(?<![\d,.]){bound}(?!,?\d)", row) for row in rows
        )
    }
    assert missing == set()


# --- words and errors ------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [*Status, *ScheduleStatus, *TaskType])
def test_the_glossary_has_every_status_and_type(word: str) -> None:
    assert f"`{word}`" in _section("how-it-works.md", "Words")


def test_fields_that_a_page_names_are_in_the_answers() -> None:
    """`beat.lag_seconds` in `GET /health`: each part is a field of a response."""
    pages = [*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
    named = {name for page in pages for name in re.findall(r"`([a-z_.]+)` (?:in|of) `(?:GET|POST) /", page.read_text())}
    schemas = json.loads((DOCS / "openapi.json").read_text())["components"]["schemas"].values()
    known = {field for schema in schemas for field in schema.get("properties", {})}
    assert "beat.lag_seconds" in named  # the search finds them where they are
    assert {part for name in named for part in name.split(".")} - known == set()


@pytest.mark.parametrize("layer", SANDBOX_LAYERS)
def test_the_docs_tell_what_each_layer_of_the_sandbox_stops(layer: str) -> None:
    assert f"\n| `{layer}` |" in (DOCS / "sandbox.md").read_text()


def test_every_problem_type_is_documented() -> None:
    written = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", ERRORS, re.MULTILINE)
    types = [(status, slug) for status, (slug, _) in problems.PROBLEMS.items()]
    types += [(status, slug) for slug, (status, _) in problems.FURTHER_PROBLEMS.items()]
    assert written == [(str(status), slug) for status, slug in sorted(types, key=lambda found: found[0])]


def _failure_types() -> Iterator[str]:
    """The error types of a call, and those that the code writes out: `Failure("TimeoutError", …)`."""
    yield from (error.type for error in CallError.__subclasses__())
    for folder in ("app", "tasks", "sandbox"):
        for path in (ROOT / folder).rglob("*.py"):
            yield from _types_in(ast.parse(path.read_text()))


def _types_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Failure":
            given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "type")]
            yield from (str(value.value) for value in given if isinstance(value, ast.Constant))


def test_every_error_type_of_a_task_is_documented() -> None:
    types = set(_failure_types())
    assert {"WorkerLostError", "BlockedAddressError"} <= types  # the search finds them where they are
    assert {name for name in types if f"\n| `{name}` |" not in ERRORS} == set()
    listed = TaskError.model_fields["type"].description or ""
    assert types <= set(re.findall(r"\w+", listed)), "the field `type` in app/api/responses.py"


# --- commands --------------------------------------------------------------------------------------


def _commands(text: str) -> list[str]:
    """The commands of the bash blocks, without comments; one in quotes may go over several lines."""
    commands, pending = [], ""
    for line in "".join(re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)).splitlines():
        pending += line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quote is still open
            pending += "\n"
            continue
        commands += [pending] if words else []
        pending = ""
    assert pending == "", "a quote is never closed"
    return commands


def _words(path: Path) -> list[list[str]]:
    """The simple commands of a page, as words."""
    commands = []
    for line in _commands(path.read_text()):
        words = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        words.whitespace_split = True
        words.commenters = "#"
        commands += _split(list(words))
    return commands


def _split(words: list[str]) -> list[list[str]]:
    commands: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", "||", "|", ";", "&"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if command]


def test_behind_a_proxy_on_the_same_machine_the_commands_close_what_loopback_opens() -> None:
    words = [line.removeprefix("export ") for line in _commands((DOCS / "deploy.md").read_text())]
    settings = read_settings(dict(word.split("=", 1) for word in words if re.match("HTTP_DENIED|RATE_LIMIT", word)))
    opened = [net for net, kind in (*SPECIAL_IPV4, *SPECIAL_IPV6) if kind in (LOOPBACK, PRIVATE)]
    assert settings.loopback_only
    policy = address_policy(settings)
    ends = [str(address) for net in opened for address in (net.network_address, net.broadcast_address)]
    assert {policy.refuses(address, 80) for address in ends} == {"denied network"}
    assert settings.quotas == PUBLIC_QUOTAS


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_commands_name_exists(path: Path) -> None:
    missing = []
    for words in _words(path):
        missing += [word for word in words[1:] if _is_file_name(word) and not (ROOT / word).exists()]
        if "-m" in words:
            module = words[words.index("-m") + 1]
            missing += [module] if importlib.util.find_spec(module) is None else []
        for program in {"start.py", "celeriac"} & set(words):
            missing += [word for word in words[words.index(program) + 1 :][:1] if not _is_role(word)]
    assert missing == []


def _is_file_name(word: str) -> bool:
    return re.fullmatch(r"[\w./-]+\.(py|txt|in|yml|md)", word) is not None


def _is_role(word: str) -> bool:
    return word in (*start.ROLES, *start.COMMANDS) or word.startswith("--")


def test_the_first_two_commands_of_the_readme_set_up_and_run_the_service_and_the_tests() -> None:
    run, test = _commands(README)[:2]
    assert run.startswith("python3 -m venv ")
    assert run.endswith("python start.py")
    assert test.startswith("python3 -m venv ")
    assert test.endswith("python -m pytest")


def test_the_readme_tells_where_python_and_celery_come_from_before_it_names_them() -> None:
    used = [
        README.index(command)
        for command in ("`python test_task_types.py`", "\ncelery -A celery_app", "\npython start.py")
    ]
    assert README.index("`. .venv/bin/activate`") < min(used)


def test_ci_runs_the_readmes_test_command_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands == ['cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1', _commands(README)[1]]


def _bodies() -> list[tuple[str, dict[str, Any]]]:
    """(path, body) of every curl example of the README."""
    found = []
    for words in _words(ROOT / "README.md"):
        if words[0] == "curl" and "-d" in words:
            url = next(word for word in words if word.startswith("http"))
            found.append((url.removeprefix("http://localhost:5001"), json.loads(words[words.index("-d") + 1])))
    return found


def test_the_six_examples_are_valid_and_cover_both_kinds_and_three_types() -> None:
    cells = []
    for path, body in _bodies()[:6]:
        spec = parse_schedule(body, lambda _: []) if "scheduled" in path else parse_task(body, NOW_MS, lambda _: [])
        cells.append((spec.kind, TaskType(spec.task_type)))
    assert sorted(cells) == sorted(itertools.product(Kind, TaskType))


def test_each_failure_names_tests_that_exist() -> None:
    rows = re.findall(r"^\| .*", _section("operations.md", "When something fails"), re.MULTILINE)[1:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for path, test in named:
            assert f"\ndef {test}(" in (ROOT / path).read_text(), (path, test)


# --- the README in Chinese -------------------------------------------------------------------------


def test_both_readmes_have_the_same_commands_and_answers() -> None:
    pattern = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    assert pattern.findall(CHINESE) == pattern.findall(README)


def _without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("headings", r"^(#+) "),
        ("list items", r"^- "),
        ("rows and columns of tables", r"^\||(?<= )\|(?= )|\|$"),
        ("code", r"`[^`\n]+`"),
        ("links", r"\]\(([^)#\s]+)"),
    ],
)
def test_both_readmes_are_built_alike(what: str, pattern: str) -> None:
    """Each line has the same headings, cells, code and links. The order within a line is the language's own."""
    lines = [line for line in _without_blocks(README).splitlines() if not line.startswith("中文")]
    translated = [line for line in _without_blocks(CHINESE).splitlines() if not line.startswith("English")]
    assert len(lines) == len(translated)
    for line, other in zip(lines, translated, strict=True):
        assert sorted(re.findall(pattern, line)) == sorted(re.findall(pattern, other)), (what, line, other)


# --- links and requirements ------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        page = path.parent / target if target else path
        if not page.exists() or (anchor and anchor not in _anchors(page)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_the_readme_leads_to_every_page(page: Path) -> None:
    assert f"](docs/{page.name})" in README


def _anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


#: The start of a line that belongs to no paragraph: a table, heading, fence, rule, tag or list item.
_BLOCK = re.compile(r"\s*(\||#|```|---|<[a-z/!]|[-*+] |\d+\. )")


def _wrapped_lines(text: str) -> list[str]:
    """The lines that continue a paragraph or a list item."""
    prose = re.sub(r"^\s*```.*?^\s*```$", "```", text, flags=re.MULTILINE | re.DOTALL)
    pairs = itertools.pairwise(prose.splitlines())
    return [line for before, line in pairs if _can_be_continued(before) and line.strip() and not _BLOCK.match(line)]


def _can_be_continued(line: str) -> bool:
    is_item = re.match(r"\s*([-*+]|\d+\.) ", line) is not None
    return bool(line.strip()) and (is_item or not _BLOCK.match(line))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_paragraph_is_one_line(path: Path) -> None:
    assert _wrapped_lines(path.read_text()) == []


@pytest.mark.parametrize("text", ["one\ntwo", "- one\n  two", "1. one\ntwo", "```\na\nb\n```\none\ntwo"])
def test_a_wrapped_paragraph_is_found(text: str) -> None:
    assert len(_wrapped_lines(text)) == 1


def _pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE))


def test_requirements_for_tests_are_those_of_the_service_and_more() -> None:
    service, tests = _pins("requirements.txt"), _pins("requirements-dev.txt")
    assert service.items() <= tests.items()
    assert _pins("requirements-tracing.txt").items() <= tests.items()
    assert {"flask", "celery", "redis", "requests", "croniter", "restrictedpython", "pytest"} <= service.keys()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-tracing.txt", "requirements-dev.txt"])
def test_every_pin_has_hashes_and_no_line_names_an_index(name: str) -> None:
    text = (ROOT / name).read_text()
    pins = re.findall(r"^\S+==.*\n", text, re.MULTILINE)
    assert pins
    assert all(pin.endswith("\\\n") for pin in pins)  # the hashes follow
    assert "://" not in text


# --- the command -----------------------------------------------------------------------------------

COMMAND_PAGE = (ROOT / "docs" / "command.md").read_text()


def test_the_page_of_the_command_lists_every_role_and_command() -> None:
    assert re.findall(r"^\| `([a-z]+)` \|", COMMAND_PAGE, re.MULTILINE) == [*start.ROLES, *start.COMMANDS]


@pytest.mark.parametrize(
    ("command", "page"),
    [
        ("backup", "backup"),
        ("restore", "backup"),
        ("export", "schedules-as-files"),
        ("import", "schedules-as-files"),
        ("apply", "schedules-as-files"),
    ],
)
def test_page_of_a_command_names_all_its_options(command: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        start.main([command, "--help"])
    told = set(re.findall(r"(?<!\w)--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    text = (ROOT / "docs" / f"{page}.md").read_text()
    assert {option for option in told if option not in text} == set()


def test_pages_of_commands_name_no_other_options(capsys: pytest.CaptureFixture[str]) -> None:
    told = set()
    for command in ("backup", "restore", "export", "import", "apply"):
        with pytest.raises(SystemExit):
            start.main([command, "--help"])
        told |= set(re.findall(r"(?<!\w)--[a-z][a-z-]+", capsys.readouterr().out))
    for page in ("backup", "schedules-as-files"):
        text = re.sub(r"^docker .*", "", (ROOT / "docs" / f"{page}.md").read_text(), flags=re.MULTILINE)
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= told
