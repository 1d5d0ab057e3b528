// JSON whose integers keep all their digits: JavaScript's numbers round those beyond 2^53, such as many services' ids.

const LONG = /\d{16}/; // without so many digits in a row, no number is rounded

/** The value of a text. An integer that a number can't hold becomes what `JSON.stringify` writes as it was. */
export function parse(text) {
  return JSON.rawJSON && LONG.test(text) ? JSON.parse(text, exactly) : JSON.parse(text);
}

function exactly(_, value, { source }) {
  const isRounded = Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(source);
  return isRounded ? JSON.rawJSON(source) : value;
}
