// The endpoint as the page uses it. Every call takes an AbortSignal: leaving ends the work on the server.

async function failure(response) {
  const text = await response.text();
  try {
    return new Error(JSON.parse(text).error.message);
  } catch {
    return new Error(`${response.status}: ${text.slice(0, 200)}`);
  }
}

const KEY = "gristmill-key";
let asking = null; // one question for all calls that were refused at once

// fetch with the API key, which is asked for when the endpoint wants one and kept for this tab.
async function call(path, options) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) {
    asking ??= Promise.resolve(prompt("This endpoint wants an API key"));
    const given = await asking;
    if (given && given !== key) {
      sessionStorage.setItem(KEY, given);
      asking = null;
      return call(path, options);
    }
  }
  if (!response.ok) throw await failure(response);
  return response;
}

export async function get(path, signal) {
  return (await call(path, { signal })).json();
}

export async function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return (await call(path, { method: "POST", headers, body: JSON.stringify(body), signal })).json();
}

// POST a streaming request; yield the JSON of each event.
export async function* stream(path, body, signal) {
  const response = await call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (waiting + value).split("\n\n");
    waiting = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const parsed = JSON.parse(data);
      if (parsed.error) throw new Error(parsed.error.message);
      yield parsed;
    }
  }
}
