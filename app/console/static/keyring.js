// The key of this session of the browser. Each tab keeps it as long as it is open, and gives it to tabs that open later.

const KEY = "celeriac.key";
const ANSWER_MS = 250; // how long other tabs may take to answer
const tabs = new BroadcastChannel(KEY); // pages of this origin, in this browser

export const key = () => sessionStorage.getItem(KEY);

export function keep(value) {
  sessionStorage.setItem(KEY, value);
}

/** The key of another tab; null where there is none. */
export function keyOfOthers() {
  return new Promise((resolve) => {
    const ears = new AbortController();
    const end = (value) => {
      ears.abort();
      resolve(value);
    };
    tabs.addEventListener("message", ({ data }) => data.key && end(data.key), { signal: ears.signal });
    setTimeout(() => end(null), ANSWER_MS);
    tabs.postMessage({ isWanted: true });
  });
}

/** Forget the key and everything that was read with it, in all tabs. */
export function signOut() {
  tabs.postMessage({ isOver: true });
  forget();
}

function forget() {
  sessionStorage.clear();
  location.reload();
}

tabs.addEventListener("message", ({ data }) => {
  if (data.isWanted && key()) tabs.postMessage({ key: key() });
  if (data.isOver && key()) forget();
});
