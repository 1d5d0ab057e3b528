// Loads the document, asks for a key where one is needed, and hands both to Swagger UI.

const KEY = "celeriac.key"; // the console's, too: asked for once

document.documentElement.dataset.scheme = localStorage.getItem("celeriac.scheme") ?? "auto"; // as chosen in the console

const form = document.getElementById("key-form");
const place = document.getElementById("docs");

async function load() {
  const key = sessionStorage.getItem(KEY);
  const response = await fetch("/openapi.json", { headers: key ? { Authorization: `Bearer ${key}` } : {} });
  if (sessionStorage.getItem(KEY) !== key) return; // another was entered meanwhile
  if (response.status === 401) return ask(key ? "That key is not known here." : "");
  if (!response.ok) return say(`The document could not be loaded (${response.status}).`);
  form.hidden = true;
  show(await response.json(), key);
}

function ask(problem) {
  sessionStorage.removeItem(KEY);
  place.replaceChildren();
  document.getElementById("key-problem").textContent = problem;
  form.hidden = false;
  document.getElementById("key").focus();
}

function say(sentence) {
  const line = document.createElement("p");
  line.className = "loading";
  line.setAttribute("role", "alert");
  line.textContent = sentence;
  place.replaceChildren(line);
}

/** Takes the place of Swagger UI's own resolver, which walks through the whole document for each call that is opened: seconds. */
const LocalReferences = { fn: { resolveSubtree: async (spec, path, { baseDoc }) => ({ spec: resolved(spec, path, baseDoc), errors: [] }) } };

/** What is at `path` of the document, with what its references stand for: other parts of it, none of which holds itself. */
function resolved(spec, path, address) {
  const at = (names) => names.reduce((found, name) => found?.[name], spec) ?? null;

  function whole(part) {
    if (Array.isArray(part)) return part.map(whole);
    if (part === null || typeof part !== "object") return part;
    const { $ref, ...own } = part;
    const copy = Object.fromEntries(Object.entries(own).map(([name, each]) => [name, whole(each)]));
    if ($ref === undefined) return copy;
    return { ...whole(at($ref.split("/").slice(1))), ...copy, $$ref: new URL($ref, address).href };
  }

  return whole(at(path));
}

function show(spec, key) {
  place.replaceChildren();
  const ui = window.SwaggerUIBundle({
    spec,
    domNode: place,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    plugins: [LocalReferences],
    validatorUrl: null, // nothing leaves this machine
    onComplete: () => {
      if (key) ui.preauthorizeApiKey("key", key);
    },
  });
}

new BroadcastChannel(KEY).addEventListener("message", ({ data }) => { // somebody signs out in a tab with the console
  if (!data.isOver || sessionStorage.getItem(KEY) === null) return;
  sessionStorage.clear();
  location.reload();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, document.getElementById("key").value.trim());
  start();
});

function start() {
  load().catch(() => say("The service can't be reached."));
}

start();
