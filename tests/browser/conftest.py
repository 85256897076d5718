"""Pages of reports in a browser: the Chromium of the system, driven by Playwright. `make test-browser` installs both."""

import json
import shutil

import pytest

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLACE = """([name, x, y]) => {
  const model = Bokeh.documents[0].get_model_by_name(name);
  const {el, frame} = Bokeh.index.get_one_by_id(model.id), box = el.getBoundingClientRect();
  return [box.left + frame.x_scale.compute(x), box.top + frame.y_scale.compute(y)];
}"""
COLUMNS = """(name) => Object.fromEntries([...Bokeh.documents[0].get_model_by_name(name).data].map(
  ([key, values]) => [key, [...values].map((value) => ArrayBuffer.isView(value) ? [...value] : value)]))"""


@pytest.fixture(scope="session")
def browser():
    """Return a browser, or skip."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: make test-browser")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium: make test-browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Opened:
    """A report in a browser.

    page: of Playwright.
    messages: what it wrote to the console.
    requests: what it asked for.
    """

    def __init__(self, page, url):
        self.page, self.messages, self.requests = page, [], []
        page.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(url)
        self.wait()

    def wait(self):
        self.page.wait_for_selector("html[data-ready=yes]")
        self.settle()

    def settle(self):
        """Wait until all that was changed is drawn."""
        self.page.evaluate(
            "() => new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 200))"
        )

    def columns(self, name):
        """Return the columns of a figure's source; NaN is None."""
        return self.page.evaluate(f"({COLUMNS})({json.dumps(name)})")

    def text(self, name):
        return self.page.inner_text(f"#{name}")

    def choose(self, name, value):
        self.page.select_option(f"#{name}", value)
        self.settle()

    def view(self, name):
        self.page.check(f"#view input[value={name}]")
        self.settle()

    def point(self, name, x, y):
        """Move the pointer to a place of a figure."""
        self.page.locator(f"#{name}").scroll_into_view_if_needed()
        at = self.page.evaluate(PLACE, [name, x, y])
        self.page.mouse.move(at[0] - 1, at[1])
        self.page.mouse.move(*at)
        self.settle()

    def click(self, name, x, y):
        self.point(name, x, y)
        self.page.mouse.down()
        self.page.mouse.up()
        self.page.wait_for_timeout(350)  # a second click would make it a double one
        self.settle()

    def drag(self, name, start, stop):
        """Drag a box over a figure."""
        self.point(name, *start)
        self.page.mouse.down()
        middle = [(a + b) / 2 for a, b in zip(start, stop, strict=True)]
        for place in (middle, stop):
            self.page.mouse.move(*self.page.evaluate(PLACE, [name, *place]), steps=3)
        self.page.mouse.up()
        self.settle()

    def filter(self, text):
        self.page.fill("#filter", text)
        self.page.wait_for_timeout(200)
        self.settle()

    def rows(self):
        """Return the cells of the table's rows in sight, as texts by column."""
        heads = [text.rstrip(" ↑↓") for text in self.page.locator("#table .head button").all_inner_texts()]
        lines = self.page.locator("#table .row").all()
        return [dict(zip(heads, line.locator("span").all_text_contents(), strict=True)) for line in lines]


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens a report; at the end no page may have complained, or asked for more than its file."""
    pages = []

    def open_page(results, *, width=1440, scheme="light", metric=None):
        path = tmp_path / f"report{len(pages)}.html"
        results.report(metric).save(path)
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append((Opened(context.new_page(), path.as_uri()), path))
        return pages[-1][0]

    yield open_page
    for page, path in pages:
        assert [message for message in page.messages if not message.startswith("info: [bokeh")] == []
        assert {request.partition("#")[0] for request in page.requests} == {path.as_uri()}
        page.page.context.close()
