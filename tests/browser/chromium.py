"""A headless Chromium, driven by its DevTools protocol over two pipes: no driver, no port, no package."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sandbox.inside import system
from tests.browser.no_netlink import filter_of_netlink

ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.05
LOOK_SECONDS = 5.0  # how long a page is asked to look for something before it is asked again

#: It reads commands from file descriptor 3 and writes answers to 4.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-default-browser-check",
    "--process-per-site",  # or each page starts a process of its own
    "--remote-debugging-pipe",
)
#: How it answers while one page takes the place of another.
BETWEEN_PAGES = (
    "Inspected target navigated or closed",
    "Cannot find default execution context",
    "Execution context was destroyed",
    "Promise was collected",
)


class PageError(AssertionError):
    """The page, or the browser, did not do what was asked."""


class Chromium:
    """One browser with one page. What the page complains about is collected in `complaints`."""

    def __init__(self, program: str, folder: Path) -> None:
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (commands, answers)]
        no_netlink = filter_of_netlink()

        def prepare() -> None:
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
            if no_netlink is not None:
                system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
                no_netlink.install()

        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(3, 4),
            preexec_fn=prepare,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for fd in (commands, answers, *high):
            os.close(fd)
        self._heard = b""
        self._last_id = 0
        self._session: str | None = None
        self._is_blank = False
        self.complaints: list[str] = []
        self.received_bytes = 0
        self._open_page()

    @property
    def group(self) -> int:
        """The process group of all its processes."""
        return self._process.pid

    def _open_page(self) -> str:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._is_blank = True
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        return str(target)

    def close(self) -> None:
        """End it."""
        self._session = None
        with contextlib.suppress(PageError, BrokenPipeError):  # it may end before it has answered
            self.send("Browser.close")
        os.close(self._commands)
        os.close(self._answers)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.group, 9)
            self._process.wait(5)

    # --- the protocol -----------------------------------------------------------------------------

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise PageError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self._note(answer)

    def _next(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._heard:
            if not select.select([self._answers], [], [], max(0, deadline - time.monotonic()))[0]:
                raise PageError(f"no answer to {method} within {ANSWER_SECONDS:g} s")
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise PageError("the browser has ended")
            self._heard += data
        message, _, self._heard = self._heard.partition(b"\0")
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        method, details = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"].get("exception", details)))
        elif method == "Log.entryAdded" and details["entry"]["level"] == "error":
            self.complaints.append(f"{details['entry']['text']} {details['entry'].get('url', '')}")
        elif method == "Network.dataReceived":
            self.received_bytes += details["encodedDataLength"]
        elif method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning"):
            self.complaints.append(str(details["args"]))

    @contextlib.contextmanager
    def another_tab(self) -> Iterator[None]:
        """Work in a tab of its own, in the same browser session, and close it in the end."""
        before, self._session = (self._session, self._is_blank), None
        target = self._open_page()
        try:
            yield
        finally:
            self._session = None
            self.send("Target.closeTarget", targetId=target)
            self._session, self._is_blank = before

    @contextlib.contextmanager
    def counting_bytes(self) -> Iterator[None]:
        """Add up in `received_bytes` what the page receives from now on; always would be dear."""
        self.received_bytes = 0
        self.send("Network.enable")
        try:
            yield
        finally:
            self.send("Network.disable")

    # --- what a person does -----------------------------------------------------------------------

    def open(self, url: str) -> None:
        """Go to a page of its own: nothing of the page before is left but the browser's storage."""
        self.leave()
        self._is_blank = False
        self.send("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def leave(self) -> None:
        """Go to a page without content."""
        if not self._is_blank:
            self.send("Page.navigate", url="about:blank")
        self._is_blank = True

    def speak(self, language: str) -> None:
        """The language that the person prefers, such as `zh-CN`."""
        self.send("Emulation.setUserAgentOverride", userAgent="Chromium", acceptLanguage=language)

    def look(self, width: int, height: int, scheme: str = "light") -> None:
        """The window's size in pixels, and the colours that the person prefers; who also prefers that nothing moves.

        So a picture of a page is the same at any moment.
        """
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        preferred = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in preferred.items()]
        self.send("Emulation.setEmulatedMedia", features=features)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise PageError(str(answer["exceptionDetails"].get("exception", answer)))
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 30) -> None:
        """Wait until a JavaScript expression is true. The page itself looks: asking it each time takes much more."""
        deadline = time.monotonic() + seconds
        while not self._becomes_true(condition, min(seconds, LOOK_SECONDS)):
            if time.monotonic() > deadline:
                focused = self.evaluate("document.activeElement?.outerHTML.slice(0, 200)")
                text = self.evaluate("document.body.innerText")
                told = f"{condition}\n{self.complaints}\nfocused: {focused}\n{text}"
                raise PageError(f"not within {seconds:g} s: {told}")

    def _becomes_true(self, condition: str, seconds: float) -> bool:
        """Whether it does within this time; not if another page takes the place of this one."""
        script = f"""new Promise((settle, fail) => {{
            const end = performance.now() + {seconds * 1000};
            const look = () => {{
                try {{
                    if ({condition}) settle(true);
                    else if (performance.now() > end) settle(false);
                    else setTimeout(look, {POLL_SECONDS * 1000});
                }} catch (error) {{
                    fail(error);
                }}
            }};
            look();
        }})"""
        try:
            return bool(self.evaluate(script))
        except PageError as error:
            if any(words in str(error) for words in BETWEEN_PAGES):
                time.sleep(POLL_SECONDS)
                return False
            raise

    def wait_for_text(self, text: str, selector: str = "body") -> None:
        """Wait until an element shows the text."""
        self.wait_for(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})")

    def click(self, selector: str) -> None:
        """Click the first element, once it is there and can be used."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"{element} && !{element}.disabled")
        self.evaluate(f"{element}.click()")

    def fill(self, selector: str, text: str) -> None:
        """Put text into a field as if it was typed."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"!!{element}")
        events = "".join(
            f"{element}.dispatchEvent(new Event('{name}', {{bubbles: true}}));" for name in ("input", "change")
        )
        self.evaluate(f"{element}.focus(); {element}.value = {json.dumps(text)}; {events}")

    def type(self, text: str) -> None:
        """Write text where the focus is."""
        self.send("Input.insertText", text=text)

    def back(self) -> None:
        """Press the browser's button Back."""
        self.evaluate("history.back()")

    def forward(self) -> None:
        """Press the browser's button Forward."""
        self.evaluate("history.forward()")

    def press(self, keys: Iterable[str], modifiers: int = 0) -> None:
        """Press keys in quick succession: `Tab`, `Enter`, `Escape`, or a letter. modifiers: 2 for Ctrl, 8 for Shift."""
        shared: dict[str, Any] = {"modifiers": modifiers, "timestamp": time.time()}
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38}
        for key in keys:
            text = "" if modifiers else {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = codes.get(key, ord(key[0].upper()))
            pressed = {"key": key, "windowsVirtualKeyCode": code, "text": text}
            self.send("Input.dispatchKeyEvent", type="keyDown", **pressed, **shared)
            self.send("Input.dispatchKeyEvent", type="keyUp", key=key, **shared)

    def point_at(self, selector: str) -> None:
        """Move the mouse over an element; "" moves it to the corner of the window."""
        script = f"""(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2]; }})()"""
        x, y = self.evaluate(script) if selector else (1, 1)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))
