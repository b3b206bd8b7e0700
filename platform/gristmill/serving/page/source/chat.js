// The chat tab: a conversation that streams, can be stopped, and begins anew.

import { stream } from "./api.js";

export function makeChat(settings) {
  const byId = (id) => document.getElementById(id);
  const box = byId("question");
  let messages = [];
  let controller = null;

  function bubble(role, text) {
    byId("chat-empty").hidden = true;
    const element = document.createElement("div");
    element.className = `bubble ${role}`;
    element.textContent = text;
    byId("messages").append(element);
    element.scrollIntoView({ block: "end" });
    return element;
  }

  function working(is) {
    byId("send").hidden = is;
    byId("stop").hidden = !is;
  }

  async function send() {
    const text = box.value.trim();
    if (!text || controller) return;
    box.value = "";
    messages.push({ role: "user", content: text });
    bubble("user", text);
    const answer = bubble("assistant", "");
    answer.classList.add("writing");
    controller = new AbortController();
    working(true);
    try {
      const body = { ...settings(), messages, max_tokens: 256 };
      for await (const event of stream("v1/chat/completions", body, controller.signal)) {
        answer.textContent += event.choices[0]?.delta.content ?? "";
        answer.scrollIntoView({ block: "end" });
      }
    } catch (error) {
      if (error.name !== "AbortError") bubble("failed", error.message);
    }
    answer.classList.remove("writing");
    if (answer.textContent.trim()) messages.push({ role: "assistant", content: answer.textContent });
    else {
      answer.remove();
      messages.pop();
    }
    controller = null;
    working(false);
  }

  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  });
  byId("stop").addEventListener("click", () => controller?.abort());
  byId("anew").addEventListener("click", () => {
    controller?.abort();
    messages = [];
    byId("messages").replaceChildren();
    byId("chat-empty").hidden = false;
  });
  return { focus: () => box.focus() };
}
