// Looks at the same thing may overlap, and their answers may come in another order.

/** `const begin = looks(); … const isLate = begin();` Then, with the answer: isLate() if a later look has had its own. */
export function looks() {
  let [begun, answered] = [0, 0];
  return () => {
    const number = ++begun;
    return () => {
      answered = Math.max(answered, number);
      return number < answered;
    };
  };
}
