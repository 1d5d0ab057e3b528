// Light, dark, or as the system has it.

const CHOICE = "celeriac.scheme";
export const SCHEMES = ["auto", "light", "dark"];

export function scheme() {
  const wanted = localStorage.getItem(CHOICE);
  return SCHEMES.includes(wanted) ? wanted : "auto";
}

export function choose(wanted) {
  localStorage.setItem(CHOICE, wanted);
  apply();
}

/** Let the style sheet know; without a choice it asks the system. */
export function apply() {
  document.documentElement.dataset.scheme = scheme();
}
