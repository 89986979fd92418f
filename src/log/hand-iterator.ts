// What iterators that are written by hand have in common: all but `next` and `return`.

export abstract class HandIterator<T> implements AsyncGenerator<T, undefined, undefined> {
  abstract next(): Promise<IteratorResult<T, undefined>>;

  abstract return(): Promise<IteratorReturnResult<undefined>>;

  async throw(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
