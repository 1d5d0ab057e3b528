// The time by the service's clock, as all times are that it tells: a machine with a browser may be minutes off.

const TOLERATED_MS = 5000; // clocks that are set right differ by less

let difference = 0; // ms from the browser's clock to the service's

/** The present time, in ms. */
export const now = () => Date.now() + difference;

/**
 * To be called when a request begins; returns what its answer's `Date` is to be given to. The answer was given between
 * then and now: an answer that was long under way tells little.
 */
export function hearing() {
  const askedAt = Date.now();
  return (date) => {
    const toldAt = Date.parse(date ?? "");
    const [least, most] = [toldAt - Date.now(), toldAt + 1000 - askedAt]; // `Date` has whole seconds
    if (difference < least - TOLERATED_MS) difference = least;
    else if (difference > most + TOLERATED_MS) difference = most;
  };
}
