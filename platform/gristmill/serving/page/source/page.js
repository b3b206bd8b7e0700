// The page: four tabs over one endpoint. State lives in the DOM's controls and the closures here.

import { makeEditor, LANGUAGES } from "./editor.js";
import { get, stream } from "./api.js";
import { drawLineage } from "./lineage.js";
import { makeChat } from "./chat.js";
import { makeContext, drawSources } from "./context.js";
import { STARTS } from "./starts.js";

const DEBOUNCE_MS = 250;
const byId = (id) => document.getElementById(id);

let models = [];
let pending = null; // the AbortController of the suggestion that is asked for
let timer = 0;

const editor = makeEditor(byId("editor"), STARTS.python, {
  onWant: wantSoon,
  onIdle: cancel,
  onGhost: (ghost) => {
    byId("take").hidden = !(ghost && ghost.text);
  },
});
const chat = makeChat(() => ({
  model: modelOf("chat"),
  temperature: temperature(),
}));

const context = makeContext({
  model: () => modelOf("completion"),
  cursor: () => {
    const [prompt, suffix] = editor.around();
    return { prompt, suffix };
  },
});

function cancel() {
  clearTimeout(timer);
  if (pending) pending.abort();
  pending = null;
}

function wantSoon(prefix, suffix) {
  cancel();
  if (!byId("suggest").checked || !prefix.trim()) return;
  timer = setTimeout(() => suggest(prefix, suffix), DEBOUNCE_MS);
}

async function suggest(prefix, suffix) {
  const controller = new AbortController();
  pending = controller;
  const line = byId("length").value === "line";
  const started = performance.now();
  let first = 0;
  let text = "";
  say("busy", "completing");
  try {
    const body = {
      model: modelOf("completion"),
      prompt: prefix,
      suffix,
      max_tokens: line ? 32 : 96,
      temperature: temperature(),
      anchor: true, // the prompt stays the same, and cached, while one line is typed
      code_rules: { extent: line ? "line" : "auto" },
      truncate_prompt_tokens: -1,
      ...context.settings(),
    };
    drawSources(byId("sources"), []);
    for await (const event of stream("v1/completions", body, controller.signal)) {
      if (event.usage) {
        const { completion_tokens: made, prompt_tokens_details: details, prompt_tokens: read } = event.usage;
        const total = Math.round(performance.now() - started);
        const reused = Math.round((100 * details.cached_tokens) / Math.max(read, 1));
        say("ready", `${Math.round(first)} ms to the first token, ${total} ms in all`,
          `${made} tokens, ${reused}% of the prompt reused`);
      }
      if (event.sources) drawSources(byId("sources"), event.sources);
      if (!event.choices.length) continue;
      first ||= performance.now() - started;
      text += event.choices[0].text;
      if (!editor.suggest(prefix, text.replace(/\s+$/, ""))) return controller.abort();
    }
  } catch (error) {
    if (error.name !== "AbortError") say("failed", error.message);
  } finally {
    if (pending === controller) pending = null;
  }
}

function say(state, text, detail = "") {
  byId("state").dataset.state = state;
  byId("latency").textContent = text;
  byId("detail").textContent = detail;
}

function temperature() {
  return Number(byId("temperature").value);
}

function modelOf(kind) {
  const chosen = models.find((model) => model.id === byId("model").value);
  if (chosen && chosen.kind === kind) return chosen.id;
  return (models.find((model) => model.kind === kind) ?? models[0])?.id;
}

async function loadModels() {
  try {
    models = (await get("v1/models")).data;
  } catch (error) {
    say("failed", error.message);
    setTimeout(loadModels, 3000);
    return;
  }
  const options = models.map((model) => new Option(`${model.id} (${model.kind})`, model.id));
  byId("model").replaceChildren(...options);
  byId("artifact").textContent = models[0]?.artifact ?? "";
  byId("tab-chat").disabled = !models.some((model) => model.kind === "chat");
  context.load().catch((error) => say("failed", error.message));
  say("ready", "type, and a suggestion appears");
}

function open(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", chosen);
    byId(`panel-${tab.id.slice(4)}`).hidden = !chosen;
  }
  if (name === "lineage") drawLineage(byId("panel-lineage"), byId("model").value);
  if (name === "context") context.draw();
  if (name === "code") choose("completion");
  if (name === "chat") choose("chat");
  if (name === "code") editor.view.focus();
  if (name === "chat") chat.focus();
}

// The model shown is the one that answers in this tab.
function choose(kind) {
  const id = modelOf(kind);
  if (!id) return;
  byId("model").value = id;
  byId("artifact").textContent = models.find((model) => model.id === id).artifact;
  if (kind === "chat") say("ready", "ask, and an answer is written");
  else say("ready", "type, and a suggestion appears");
}

for (const [name, { name: shown }] of Object.entries(LANGUAGES)) {
  byId("language").append(new Option(shown, name));
}
byId("language").addEventListener("change", ({ target }) => {
  cancel();
  editor.setLanguage(target.value);
  byId("file").value = LANGUAGES[target.value].file;
  editor.setText(STARTS[target.value]);
});
byId("file").value = LANGUAGES.python.file;
byId("temperature").addEventListener("input", () => {
  byId("temperature-value").textContent = temperature().toFixed(1);
});
byId("model").addEventListener("change", () => {
  const chosen = models.find((model) => model.id === byId("model").value);
  byId("artifact").textContent = chosen?.artifact ?? "";
  if (!byId("panel-lineage").hidden) drawLineage(byId("panel-lineage"), chosen.id);
});
byId("suggest").addEventListener("change", () => {
  cancel();
  editor.clear();
  if (byId("suggest").checked) editor.want();
});
byId("accept").addEventListener("click", () => editor.accept());
byId("accept-word").addEventListener("click", () => editor.acceptWord());
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => open(tab.id.slice(4)));
}
loadModels();
open("code");
