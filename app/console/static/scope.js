// What a view starts ends with it: requests, timers, listeners. Nothing of a view that is gone can touch the page.

/** The life of one view. */
export class Scope {
  #ended = new AbortController();

  get signal() {
    return this.#ended.signal;
  }

  get isOver() {
    return this.signal.aborted;
  }

  end() {
    this.#ended.abort();
  }

  /** Listen to `target` until the view is gone. */
  on(target, type, listener, options = {}) {
    target.addEventListener(type, listener, { ...options, signal: this.signal });
  }

  /** Call `act` after `ms`, unless the view is gone by then; returns what cancels it. */
  later(ms, act) {
    const cancel = () => {
      clearTimeout(timer);
      this.signal.removeEventListener("abort", cancel); // or a view that is open all day would keep each of them
    };
    const timer = setTimeout(() => {
      cancel();
      act();
    }, ms);
    this.signal.addEventListener("abort", cancel);
    return cancel;
  }

  /** `act`, once `ms` have passed without another call. `cancel()` forgets a call that is due. */
  debounced(ms, act) {
    let cancel = () => {};
    const call = (...words) => {
      cancel();
      cancel = this.later(ms, () => act(...words));
    };
    call.cancel = () => cancel();
    return call;
  }

  /** A scope that ends with this one at the latest. */
  child() {
    const inner = new Scope();
    if (this.isOver) inner.end();
    else this.signal.addEventListener("abort", () => inner.end(), { once: true, signal: inner.signal });
    return inner;
  }
}
