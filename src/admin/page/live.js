// Keeps the page up to date, and lets its button work. Without this script the page shows the moment at which it was loaded.
const EVERY_MS = 1000;
const main = document.querySelector("main");
const stale = document.querySelector("#stale");
const form = document.querySelector("#panic");
const [token, said] = [form.querySelector("input"), form.querySelector("output")];

async function refresh() {
  try {
    const answer = await fetch("/", { signal: AbortSignal.timeout(5 * EVERY_MS) });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    main.replaceChildren(...fresh.querySelector("main").childNodes);
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
  setTimeout(refresh, EVERY_MS);
}

form.hidden = false;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = "…";
  const headers = token.value ? { authorization: `Bearer ${token.value}` } : {};
  try {
    const answer = await fetch("/api/v1/panic", { method: "POST", headers });
    const told = await answer.json();
    if (answer.status === 401 || answer.status === 403) {
      // A browser's own password only reads, so that no other site can press the button.
      token.hidden = false;
      token.focus();
      said.textContent = "needs a token";
    } else if (answer.ok) {
      said.textContent = told.clean
        ? `clean in ${told.took_ms.toFixed(1)} ms, ${told.lifted} lifted`
        : `${told.lifted} lifted, traffic is not clean yet`;
    } else {
      said.textContent = told.detail ?? answer.statusText;
    }
  } catch {
    said.textContent = "no answer: use `chaosproxy panic`, or send SIGUSR1";
  }
});

setTimeout(refresh, EVERY_MS);
