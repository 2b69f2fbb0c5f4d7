// Keeps the page up to date, and lets its buttons work. Without this script the page shows the moment at which it was loaded.
const EVERY_MS = 1000;
const main = document.querySelector("main");
const stale = document.querySelector("#stale");
const form = document.querySelector("#panic");
const [token, said] = [form.querySelector("input"), form.querySelector("output")];
const note = document.querySelector("#note");
const check = document.querySelector("#check");

// A password in the address bar would make every relative address one that cannot be fetched.
const at = (path) => location.origin + path;

async function refresh() {
  try {
    const answer = await fetch(at("/"), { signal: AbortSignal.timeout(5 * EVERY_MS) });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    main.replaceChildren(...fresh.querySelector("main").childNodes);
    showNotes(fresh.querySelector("#note"));
    check.hidden = !("offered" in fresh.querySelector("#check").dataset);
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
  setTimeout(refresh, EVERY_MS);
}

// What is being written stays as long as the drill is the same.
function showNotes(fresh) {
  if (fresh.dataset.drill !== note.dataset.drill) {
    note.replaceChildren(...fresh.childNodes);
    note.dataset.drill = fresh.dataset.drill;
  }
  note.hidden = !note.dataset.drill;
}

// Sends something, and says in `output` what came of it.
async function send(output, path, body, done, lost) {
  output.textContent = "…";
  const headers = { "content-type": "application/json" };
  if (token.value) headers.authorization = `Bearer ${token.value}`;
  try {
    const answer = await fetch(at(path), { method: "POST", headers, body: JSON.stringify(body) });
    const told = await answer.json();
    if (answer.status === 401 || answer.status === 403) {
      // A browser's own password only reads, so that no other site can press the button.
      token.hidden = false;
      token.focus();
      output.textContent = "needs a token";
    } else {
      output.textContent = answer.ok ? done(told) : (told.detail ?? answer.statusText);
    }
    return answer.ok;
  } catch {
    output.textContent = lost;
    return false;
  }
}

form.hidden = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const done = (told) => told.clean
    ? `clean in ${told.took_ms.toFixed(1)} ms, ${told.lifted} lifted`
    : `${told.lifted} lifted, traffic is not clean yet`;
  send(said, "/api/v1/panic", {}, done, "no answer: use `chaosproxy panic`, or send SIGUSR1");
});

note.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { objective, rating, text } = note.elements;
  const rated = { objective: objective.value, rating: rating.value, ...(text.value && { why: text.value }) };
  const [path, body] = objective.value ? ["rate", rated] : ["note", { text: text.value }];
  const output = note.querySelector("output");
  if (await send(output, `/api/v1/drill/${path}`, body, () => "written down", "no answer")) text.value = "";
});

note.hidden = !note.dataset.drill;

check.addEventListener("submit", (event) => {
  event.preventDefault();
  const { profile, mode, panic } = event.target.elements;
  const body = { drill: { profile: profile.value, mode: mode.value }, test_panic: panic.checked };
  check.querySelector("table").hidden = true;
  send(event.target.querySelector("output"), "/api/v1/drill/check", body, showReadiness, "no answer");
});

// What was found, a row for each point, with what to do about it.
function showReadiness({ lines, ready }) {
  const styles = { ok: "good", warning: "odd", failed: "bad" };
  const rows = lines.map(({ point, state, says, next }) => {
    const row = document.createElement("tr");
    for (const text of [state, point, says]) write(row.appendChild(document.createElement("td")), text);
    row.firstChild.className = styles[state];
    if (next) {
      const todo = row.lastChild.appendChild(document.createElement("div"));
      todo.className = "faint";
      write(todo, `next: ${next.replace("/api/v1/webhooks", at("/api/v1/webhooks"))}`);
    }
    return row;
  });
  check.querySelector("tbody").replaceChildren(...rows);
  check.querySelector("table").hidden = false;
  const warnings = lines.filter(({ state }) => state === "warning").length;
  const but = warnings ? `, with ${warnings} ${warnings === 1 ? "warning" : "warnings"}` : "";
  return ready ? `ready${but}` : "not ready";
}

// What stands between backticks is what one types.
function write(element, text) {
  text.split("`").forEach((part, i) => {
    if (i % 2) element.appendChild(document.createElement("code")).textContent = part;
    else element.append(part);
  });
}

check.hidden = !("offered" in check.dataset);

setTimeout(refresh, EVERY_MS);
