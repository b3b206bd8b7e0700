// The context tab: which repository's index is asked, and which of its files a suggestion is given.

import { get, post } from "./api.js";

export function makeContext({ model, cursor }) {
  const byId = (id) => document.getElementById(id);
  let latest = 0;

  function settings() {
    const repository = byId("repository").value;
    return { file_path: byId("file").value.trim() || undefined, ...(repository ? { repository } : {}) };
  }

  async function load() {
    const { repositories } = await get("v1/repositories");
    byId("repository").replaceChildren(new Option("none", ""), ...repositories.map((name) => new Option(name, name)));
    byId("repository").disabled = !repositories.length;
  }

  async function draw() {
    const number = ++latest;
    if (!byId("repository").value) {
      const none = byId("repository").disabled;
      say(none ? "This endpoint has no index: add an index section to the recipe." : "Choose a repository to complete with its other files.");
      return byId("context").replaceChildren();
    }
    try {
      const { files } = await post("v1/context", { model: model(), ...cursor(), ...settings() });
      if (number !== latest) return;
      say(files.length ? `${files.length === 1 ? "1 other file goes" : `${files.length} other files go`} before the code${files.length === 1 ? "" : ", those that change least first"}` : "Nothing of this repository fits here.");
      byId("context").replaceChildren(...files.map(shown));
    } catch (error) {
      say(error.message);
    }
  }

  function shown({ path, text }) {
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    const code = document.createElement("pre");
    summary.textContent = path;
    code.textContent = text;
    details.open = true;
    details.append(summary, code);
    return details;
  }

  function say(text) {
    byId("context-says").textContent = text;
  }

  byId("repository").addEventListener("change", draw);
  byId("file").addEventListener("change", draw);
  return { load, draw, settings };
}

// What is told of a suggestion that repeats the training corpus.
export function drawSources(box, sources) {
  box.hidden = !sources.length;
  box.replaceChildren(
    ...sources.map(({ num_words: words, repository, revision, licence, path }) => {
      const line = document.createElement("div");
      line.textContent = `${words} words as in ${repository} ${revision}, ${path} (${licence || "licence unknown"})`;
      return line;
    }),
  );
}
