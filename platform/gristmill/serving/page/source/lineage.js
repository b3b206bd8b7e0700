// The lineage tab: which artifacts, and which repositories under which licences, a model was made from.

import { get } from "./api.js";

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

export async function drawLineage(panel, model) {
  const body = panel.querySelector("#lineage");
  let lineage;
  try {
    lineage = await get(`lineage?model=${encodeURIComponent(model)}`);
  } catch (error) {
    body.replaceChildren(make("p", "failed", error.message));
    return;
  }
  const repositories = lineage.repositories ?? [];
  const parts = [chain(lineage.artifacts ?? []), licences(lineage.licences ?? {}), table(repositories)];
  if (lineage.complete === false) {
    parts.unshift(make("p", "failed", "Some artifacts of this lineage are no longer in the store."));
  }
  body.replaceChildren(...parts);
}

function chain(artifacts) {
  const section = make("section");
  section.append(make("h2", "", "Made from"));
  const list = make("ol", "chain");
  for (const artifact of artifacts) {
    const item = make("li", artifact.missing ? "missing" : "");
    item.append(make("span", "stage", artifact.stage), make("code", "", `${artifact.name}@${artifact.version}`));
    const facts = Object.entries(artifact.counts ?? {}).slice(0, 3);
    const shown = facts.map(([name, value]) => `${Number(value).toLocaleString()} ${name.replaceAll("_", " ")}`);
    item.append(make("span", "facts", shown.join(", ")));
    list.append(item);
  }
  section.append(list);
  return section;
}

function licences(counts) {
  const section = make("section");
  section.append(make("h2", "", "Licences"));
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  for (const [name, count] of Object.entries(counts)) {
    const row = make("div", "licence");
    const bar = make("div", "bar");
    bar.style.width = `${(100 * count) / total}%`;
    row.append(make("span", "name", name), make("span", "track"), make("span", "count", count));
    row.children[1].append(bar);
    section.append(row);
  }
  return section;
}

function table(repositories) {
  const section = make("section");
  section.append(make("h2", "", `${repositories.length} repositories`));
  const filter = make("input");
  filter.type = "search";
  filter.placeholder = "Find a repository or licence";
  filter.setAttribute("aria-label", filter.placeholder);
  const frame = make("div", "frame");
  const grid = make("table");
  grid.innerHTML = "<thead><tr><th>Repository</th><th>Revision</th><th>Licence</th></tr></thead>";
  const rows = make("tbody");
  for (const { repository, revision, licence } of repositories) {
    const row = make("tr");
    row.append(make("td", "", repository), make("td", "revision", revision), make("td", "", licence || "unknown"));
    row.dataset.text = `${repository} ${revision} ${licence}`.toLowerCase();
    rows.append(row);
  }
  filter.addEventListener("input", () => {
    for (const row of rows.children) row.hidden = !row.dataset.text.includes(filter.value.toLowerCase());
  });
  grid.append(rows);
  frame.append(grid);
  section.append(filter, frame);
  return section;
}
