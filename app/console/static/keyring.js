// The key of this session of the browser. Each tab keeps it as long as it is open, and gives it to tabs that open later.

const KEY = "celeriac.key";
const tabs = new BroadcastChannel(KEY); // pages of this origin, in this browser

export const key = () => sessionStorage.getItem(KEY);

export function keep(value) {
  sessionStorage.setItem(KEY, value);
}

/** The key of another tab, once one answers: another key than `refused`. Until `signal` ends. */
export function keyOfOthers(refused, signal) {
  return new Promise((resolve) => {
    tabs.addEventListener("message", ({ data }) => data.key && data.key !== refused && resolve(data.key), { signal });
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
