/** A queue of one: what must not happen at the same time takes turns. */

/** Runs one task at a time, in the order in which they were asked for. */
export class Turn {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.last.then(task);
    this.last = result.catch(() => undefined);
    return result;
  }
}
